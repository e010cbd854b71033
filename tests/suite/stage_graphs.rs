//! Stages of any graph: each opens when all that it waits for have succeeded, whatever their order in the plan.

use latchwork::domain::interval::End;
use latchwork::domain::plan::{DeclaredStage, Plan, PlanError};
use latchwork::domain::stage::{Advance, StageTally, advance};
use latchwork::domain::stage_order::StageOrder;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeSet;

const SEEDS: u64 = 2_000;

/// A graph without a circle, its stages declared in any order.
fn random_graph(random: &mut StdRng) -> Vec<DeclaredStage> {
    let stages = random.random_range(1..=24);
    let density = random.random_range(0.0..0.6);
    let mut declared: Vec<DeclaredStage> = (0..stages)
        .map(|number| DeclaredStage {
            name: format!("s{number}"),
            tasks: random.random_range(0..3),
            waits_for: (0..number).filter(|_| random.random_bool(density)).map(|other| format!("s{other}")).collect(),
        })
        .collect();
    declared.shuffle(random);
    declared
}

fn tallies(plan: &Plan) -> Vec<StageTally> {
    let tally = |stage: &latchwork::domain::plan::Stage| StageTally {
        name: stage.name.clone(),
        waits_for: stage.waits_for.clone(),
        is_open: false,
        unsettled_segments: u64::from(stage.tasks),
        failed: 0,
    };
    plan.stages().iter().map(tally).collect()
}

fn has_succeeded(stage: &StageTally) -> bool {
    stage.is_open && stage.unsettled_segments == 0 && stage.failed == 0
}

/// Opens what may begin and settles open tasks in any order, until the interval ends.
fn run(stages: &mut [StageTally], random: &mut StdRng, failing: Option<usize>) -> End {
    loop {
        match advance(stages) {
            Advance::End { end, .. } => return end,
            Advance::Open(places) => {
                for place in places {
                    let waits_for = stages[place as usize].waits_for.clone();
                    assert!(
                        waits_for.iter().all(|other| has_succeeded(&stages[*other as usize])),
                        "{place} is too early"
                    );
                    assert!(!std::mem::replace(&mut stages[place as usize].is_open, true), "{place} opens once");
                }
            }
        }
        let open: Vec<usize> =
            (0..stages.len()).filter(|place| stages[*place].is_open && stages[*place].unsettled_segments > 0).collect();
        if let Some(place) = open.choose(random) {
            stages[*place].unsettled_segments -= 1;
            stages[*place].failed += u64::from(failing == Some(*place));
        }
    }
}

/// All that a stage waits for, found by walking.
fn reached(stages: &[StageTally], from: u32) -> BTreeSet<u32> {
    let (mut reached, mut next) = (BTreeSet::new(), stages[from as usize].waits_for.clone());
    while let Some(place) = next.pop() {
        if reached.insert(place) {
            next.extend(&stages[place as usize].waits_for);
        }
    }
    reached
}

#[test]
fn every_stage_of_any_graph_opens_after_all_that_it_waits_for() {
    for seed in 0..SEEDS {
        let random = &mut StdRng::seed_from_u64(seed);
        let plan = Plan::new(random_graph(random), 1).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut stages = tallies(&plan);
        assert_eq!(run(&mut stages, random, None), End::Succeeded, "seed {seed}");
        assert!(stages.iter().all(has_succeeded), "seed {seed}: all open, and all end");
    }
}

#[test]
fn after_a_failure_exactly_the_stages_that_do_not_wait_for_it_run() {
    for seed in 0..SEEDS {
        let random = &mut StdRng::seed_from_u64(seed);
        let plan = Plan::new(random_graph(random), 1).unwrap();
        let mut stages = tallies(&plan);
        let Some(failing) = (0..stages.len()).find(|place| stages[*place].unsettled_segments > 0) else { continue };
        assert_eq!(run(&mut stages, random, Some(failing)), End::Failed, "seed {seed}");
        for place in 0..u32::try_from(stages.len()).unwrap() {
            let waits = reached(&stages, place).contains(&u32::try_from(failing).unwrap());
            assert_eq!(stages[place as usize].is_open, !waits, "seed {seed}, stage {place}");
        }
    }
}

#[test]
fn outputs_can_be_read_of_exactly_the_stages_that_a_walk_along_the_graph_reaches() {
    for seed in 0..SEEDS {
        let plan = Plan::new(random_graph(&mut StdRng::seed_from_u64(seed)), 1).unwrap();
        let (order, stages) = (StageOrder::new(plan.stages()), tallies(&plan));
        let all = 0..u32::try_from(stages.len()).unwrap();
        for stage in all.clone() {
            let waited_for: BTreeSet<u32> = all.clone().filter(|other| order.waits_for(stage, *other)).collect();
            assert_eq!(waited_for, reached(&stages, stage), "seed {seed}, stage {stage}");
        }
    }
}

/// Closes a circle, and checks that the message draws one that is there.
#[test]
fn a_circle_is_refused_and_drawn() {
    for seed in 0..SEEDS {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut declared = random_graph(random);
        let stages = tallies(&Plan::new(declared.clone(), 1).unwrap());
        let place = random.random_range(0..declared.len());
        let mut behind = reached(&stages, u32::try_from(place).unwrap());
        behind.insert(u32::try_from(place).unwrap());
        let back = *behind.into_iter().collect::<Vec<_>>().choose(random).unwrap() as usize;
        let name = declared[place].name.clone();
        declared[back].waits_for.push(name);
        let Err(PlanError::Circle(steps)) = Plan::new(declared.clone(), 1) else { panic!("seed {seed} is accepted") };
        assert_eq!(steps.first(), steps.last(), "seed {seed}: {steps:?}");
        for step in steps.windows(2) {
            let stage = declared.iter().find(|stage| stage.name == step[0]).unwrap();
            assert!(stage.waits_for.contains(&step[1]), "seed {seed}: {steps:?}");
        }
    }
}
