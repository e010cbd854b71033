//! Plans as a plugin may return them, and stages as a damaged row may tell of them.

use crate::dice::Dice;
use crate::rounds::fuzz;
use latchwork::domain::plan::{DeclaredStage, Plan, STAGES_MAX, Stage, TASKS_MAX};
use latchwork::domain::segment::Span;
use latchwork::domain::stage::{self, Advance, StageTally};
use latchwork::domain::stage_graph::StageGraph;
use latchwork::domain::stage_order::StageOrder;

#[test]
fn plans() {
    fuzz("plans", |dice| {
        let most = *dice.pick(&[4, 16, STAGES_MAX + 2, 20_000]);
        let names: Vec<String> = (0..dice.within(1..most)).map(|number| name(dice, number)).collect();
        let declared = (0..names.len()).map(|number| declared(dice, number, &names)).collect::<Vec<_>>();
        let default_tasks = dice.number() as u32;
        match Plan::new(declared, default_tasks) {
            Ok(plan) => check(dice, &plan),
            Err(refusal) => assert!(refusal.to_string().len() < 2_000, "a refusal is for people: {refusal}"),
        }
    });
}

fn check(dice: &mut Dice, plan: &Plan) {
    assert!(plan.total() <= TASKS_MAX && plan.stages().len() <= STAGES_MAX);
    let lanes = 1 + dice.number() as u32 % 2_000;
    let spans = plan.segments(lanes);
    assert_eq!(spans.iter().map(|span| u64::from(span.length)).sum::<u64>(), u64::from(plan.total()));
    let graph = StageGraph { total: plan.total().into(), stages: plan.stages().to_vec(), spans };
    graph.check().unwrap();
    let order = StageOrder::new(plan.stages());
    for _ in 0..16 {
        let (one, other) = (dice.within(0..plan.stages().len()), dice.within(0..plan.stages().len()));
        let (one, other) = (one as u32, other as u32);
        assert!(!(order.waits_for(one, other) && order.waits_for(other, one)), "a circle of {one} and {other}");
        let name = &plan.stages()[other as usize].name;
        let readable = order.readable(one, name, dice.number() as u32);
        assert!(readable.is_err() || order.waits_for(one, other));
    }
    // Whatever is opened first, something always is, or there is nothing to do.
    assert!(stage::opening(plan).iter().any(|is_open| *is_open));
}

#[test]
fn rows_that_tell_of_stages() {
    fuzz("rows of stages", |dice| {
        let count = dice.within(0..12);
        let stages: Vec<Stage> = (0..count).map(|number| stored(dice, number)).collect();
        let spans = (0..dice.within(0..12)).map(|_| span(dice)).collect();
        let graph = StageGraph { total: dice.number(), stages: stages.clone(), spans };
        let _ = graph.check();
        let order = StageOrder::new(&stages);
        let _ = order.readable(dice.number() as u32, "stage 0", dice.number() as u32);
        let tallies: Vec<StageTally> = stages
            .into_iter()
            .map(|stage| StageTally {
                name: stage.name,
                waits_for: stage.waits_for,
                is_open: dice.once_in(2),
                unsettled_segments: dice.number() % 3,
                failed: dice.number() % 3,
            })
            .collect();
        if let Advance::Open(places) = stage::advance(&tallies) {
            assert!(places.iter().all(|place| !tallies[*place as usize].is_open));
        }
    });
}

fn name(dice: &mut Dice, number: usize) -> String {
    match dice.within(0..200) {
        0 => dice.text(0..100),
        1 => "stage 0".to_owned(),
        _ => format!("stage {number}"),
    }
}

fn declared(dice: &mut Dice, number: usize, names: &[String]) -> DeclaredStage {
    let tasks = if dice.once_in(100) { dice.number() as u32 } else { dice.within(0..5_000) as u32 };
    // Mostly for stages before it, so that there are sound plans.
    let waits_for = (0..dice.within(0..4)).filter_map(|_| match dice.within(0..300) {
        0 => Some(dice.text(0..80)),
        1 => Some(dice.pick(names).clone()),
        _ if number > 0 => Some(names[dice.within(0..number)].clone()),
        _ => None,
    });
    let waits_for = waits_for.collect();
    DeclaredStage { name: names[number].clone(), tasks, waits_for }
}

fn stored(dice: &mut Dice, number: usize) -> Stage {
    let waits_for = (0..dice.within(0..3)).map(|_| dice.number() as u32 % 16).collect();
    let (first, tasks) = (dice.number() as u32, dice.number() as u32);
    Stage { name: format!("stage {number}"), first, tasks, waits_for }
}

fn span(dice: &mut Dice) -> Span {
    let [number, stage, first, length] = [(); 4].map(|()| dice.number() as u32);
    Span { number, stage: stage % 16, first, length }
}
