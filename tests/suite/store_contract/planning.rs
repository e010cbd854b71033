//! From an interval that has fired to one that has stages and segments.

use super::is_lease_lost;
use crate::hands::failure;
use crate::world::{A_LANE, START, World, at, manual_job, no_writes, stages, tasks_only};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::plan::Plan;
use latchwork::domain::task::{Event, FailureKind, LogLevel, LogLine};
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::worklist::LeasedSegment;
use latchwork::store::{Claim, MadePlan, PlanRecord, PlanRoom, Result};
use std::ops::Range;

fn writes(message: &str) -> PlanRecord {
    let line = LogLine { at: at(1), level: LogLevel::Warn, message: message.to_owned() };
    let event = Event { at: at(1), name: "planned".to_owned(), body: "{}".to_owned() };
    PlanRecord { keys: [("planned".to_owned(), Some(b"yes".to_vec()))].into(), events: vec![event], log: vec![line] }
}

/// An interval whose plan a host is making.
async fn claimed(world: &World) -> (IncarnationId, JobId, IntervalId) {
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let interval = world.fire_job(job, START).await;
    assert_eq!(world.claim_pending(owner, START, 9).await.unwrap(), [interval]);
    (owner, job, interval)
}

async fn fail_plan(
    world: &World,
    owner: IncarnationId,
    interval: IntervalId,
    retry_at: Option<Timestamp>,
) -> Result<()> {
    let failure = failure(FailureKind::Trap);
    world.record_plan_failure(owner, interval, &failure, retry_at, writes("it trapped"), at(2)).await
}

#[tokio::test]
async fn a_plan_of_an_incarnation_that_has_ended_is_not_recorded_and_does_not_fail_either() {
    let world = super::new_world().await;
    let (old, _, interval) = claimed(&world).await;
    world.host("a", at(1)).await;
    assert!(is_lease_lost(fail_plan(&world, old, interval, None).await));
    assert_eq!(world.view(interval).await.state, IntervalState::Pending);
}

#[tokio::test]
async fn a_plan_is_made_by_one_host_and_the_longest_waiting_comes_first() {
    let world = super::new_world().await;
    let (first, second) = (world.host("a", START).await, world.host("b", START).await);
    let job = world.keep(manual_job()).await;
    let late = world.fire_job(job, at(9)).await;
    let early = world.fire_job(job, at(1)).await;
    assert_eq!(world.claim_pending(first, at(9), 1).await.unwrap(), [early]);
    assert_eq!(world.claim_pending(second, at(9), 9).await.unwrap(), [late]);
    assert_eq!(
        world.claim_pending(first, at(9), 9).await.unwrap(),
        [early],
        "its own, should it have to make it again"
    );
}

/// A job of a workspace, with what it fired one second after the other.
async fn fired(world: &World, workspace: &str, priority: i32, seconds: Range<u64>) -> Vec<IntervalId> {
    let mut job = manual_job();
    workspace.clone_into(&mut job.spec.workspace_id);
    job.spec.work.policy.priority = priority;
    let job = world.keep(job).await;
    let mut fired = Vec::new();
    for second in seconds {
        fired.push(world.fire_job(job, at(second)).await);
    }
    fired
}

#[tokio::test]
async fn workspaces_have_their_plans_made_in_turn_whatever_their_priorities() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let greedy = fired(&world, "greedy", 100, 0..6).await;
    let modest = fired(&world, "modest", -100, 10..12).await;
    let expected = [greedy[0], greedy[1], modest[0]];
    assert_eq!(world.claim_pending(owner, at(14), 3).await.unwrap(), expected);
    // What it has already counts.
    let more = world.claim_pending(owner, at(14), 1).await.unwrap();
    assert!(more.len() == 4 && more.contains(&modest[1]), "{more:?}");
}

#[tokio::test]
async fn neither_a_job_nor_a_workspace_takes_all_the_room_for_plans() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let first = fired(&world, "greedy", 0, 0..6).await;
    let second = fired(&world, "greedy", 0, 6..12).await;
    let other = fired(&world, "modest", 0, 12..13).await;
    let room = PlanRoom { all: 9, job: 2, workspace: 3 };
    let expected = [first[0], first[1], second[0], other[0]];
    for _ in 0..2 {
        assert_eq!(world.store.claim_pending(owner, at(14), room).await.unwrap(), expected);
    }
    world.record_plan(owner, first[0], &tasks_only(1), no_writes(), at(14)).await.unwrap();
    let expected = [first[1], second[0], other[0], first[2]];
    assert_eq!(world.store.claim_pending(owner, at(14), room).await.unwrap(), expected);
}

#[tokio::test]
async fn a_recorded_plan_leaves_stages_segments_and_what_it_wrote() {
    let world = super::new_world().await;
    let (owner, job, interval) = claimed(&world).await;
    let plan = stages(&[("fetch", 100, &[]), ("merge", 70, &["fetch"]), ("notes", 1, &[])]);
    let recorded = world.record_plan(owner, interval, &plan, writes("planned"), at(2)).await.unwrap();

    assert!(recorded.has_opened && recorded.ended.is_empty());
    let view = world.view(interval).await;
    assert_eq!((view.state, view.started_at, view.counts.total), (IntervalState::Running, Some(at(2)), 171));
    let kept = world.stages(interval).await.unwrap();
    assert_eq!(kept.iter().map(|record| record.stage.clone()).collect::<Vec<_>>(), plan.stages());
    assert_eq!(kept.iter().map(|record| record.is_open).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(kept.iter().map(|record| record.unsettled_segments).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(world.open_interval(interval).await.unwrap().unwrap().stages, plan.stages());
    assert_eq!(world.claim(owner, interval, at(2), 9).await, [0, 1, 4], "a stage that waits is not claimable");
    assert_eq!(world.key(job, "planned").await.unwrap().as_deref(), Some(&b"yes"[..]));
    let log = world.logs(interval, None, 0, 9).await.unwrap();
    assert_eq!((log.len(), log[0].index, log[0].level.as_str(), log[0].at), (1, None, "warn", at(1)));
    assert!(world.claim_pending(owner, at(3), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interval_without_tasks_succeeds_with_its_plan() {
    let world = super::new_world().await;
    let (owner, job, interval) = claimed(&world).await;
    let plan = stages(&[("none", 0, &[]), ("nothing", 0, &["none"])]);
    let recorded = world.record_plan(owner, interval, &plan, no_writes(), at(2)).await.unwrap();
    assert_eq!(recorded.ended, [(interval, job, IntervalState::Succeeded)]);
    assert_eq!(world.view(interval).await.finished_at, Some(at(2)));
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
}

#[tokio::test]
async fn an_empty_stage_holds_up_nobody() {
    let world = super::new_world().await;
    let (owner, _, interval) = claimed(&world).await;
    let plan = stages(&[("none", 0, &[]), ("work", 3, &["none"])]);
    world.record_plan(owner, interval, &plan, no_writes(), at(2)).await.unwrap();
    assert_eq!(world.claim(owner, interval, at(2), 9).await, [0]);
}

#[tokio::test]
async fn a_failed_plan_is_made_again_at_its_time_and_not_before() {
    let world = super::new_world().await;
    let (owner, _, interval) = claimed(&world).await;
    fail_plan(&world, owner, interval, Some(at(10))).await.unwrap();
    assert_eq!(world.next_wake_at().await.unwrap(), Some(at(10)));
    assert!(world.claim_pending(owner, at(9), 9).await.unwrap().is_empty());
    assert_eq!(world.open_interval(interval).await.unwrap().unwrap().plan_attempts, 1);
    assert_eq!(world.view(interval).await.reason.as_deref(), Some("the plan failed (trap): it was trap"));
    assert_eq!(world.claim_pending(owner, at(10), 9).await.unwrap(), [interval]);
    assert_eq!(world.next_wake_at().await.unwrap(), None);
}

#[tokio::test]
async fn a_plan_that_succeeds_at_last_is_the_second_attempt_and_leaves_no_reason() {
    let world = super::new_world().await;
    let (owner, _, interval) = claimed(&world).await;
    fail_plan(&world, owner, interval, Some(at(10))).await.unwrap();
    world.claim_pending(owner, at(10), 9).await.unwrap();
    world.record_plan(owner, interval, &tasks_only(1), writes("planned"), at(11)).await.unwrap();
    assert_eq!(world.view(interval).await.reason, None);
    let log = world.logs(interval, None, 0, 9).await.unwrap();
    let attempts: Vec<_> = log.iter().map(|line| (line.attempt, line.message.as_str())).collect();
    assert_eq!(attempts, [(1, "it trapped"), (2, "planned")]);
}

#[tokio::test]
async fn a_plan_that_fails_for_good_fails_its_interval_and_says_why() {
    let world = super::new_world().await;
    let (owner, job, interval) = claimed(&world).await;
    fail_plan(&world, owner, interval, None).await.unwrap();
    let view = world.view(interval).await;
    assert_eq!((view.state, view.finished_at), (IntervalState::Failed, Some(at(2))));
    assert_eq!(view.reason.as_deref(), Some("the plan failed (trap): it was trap"));
    assert!(world.job(job).await.unwrap().unwrap().current_interval.is_none());
    assert_eq!(world.logs(interval, None, 0, 9).await.unwrap()[0].message, "it trapped");
}

#[tokio::test]
async fn only_who_claimed_a_plan_records_it_and_only_once() {
    let world = super::new_world().await;
    let (owner, job, interval) = claimed(&world).await;
    let other = world.host("b", START).await;
    assert!(is_lease_lost(world.record_plan(other, interval, &tasks_only(1), writes("mine"), at(2)).await));
    assert!(is_lease_lost(fail_plan(&world, other, interval, None).await));
    assert_eq!(world.view(interval).await.state, IntervalState::Pending);
    assert_eq!(world.key(job, "planned").await.unwrap(), None);
    assert!(world.logs(interval, None, 0, 9).await.unwrap().is_empty());
    world.record_plan(owner, interval, &tasks_only(1), no_writes(), at(3)).await.unwrap();
    assert!(is_lease_lost(world.record_plan(owner, interval, &tasks_only(2), no_writes(), at(4)).await));
    assert_eq!(world.counts(interval).await.total, 1);
}

fn made(interval: IntervalId, plan: Plan, segments_max: u32) -> MadePlan {
    MadePlan { interval, plan, record: no_writes(), lanes: 0, segments_max }
}

#[tokio::test]
async fn plans_that_are_recorded_together_fail_alone() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let job = world.keep(manual_job()).await;
    let [first, second, third] = [at(1), at(2), at(3)].map(|fired_at| world.fire_job(job, fired_at));
    let (first, second, third) = (first.await, second.await, third.await);
    assert_eq!(world.claim_pending(owner, at(3), 9).await.unwrap(), [first, second, third]);
    world.abandon(second, "enough", None, at(4)).await.unwrap();
    let plans = [first, second, third].map(|interval| made(interval, tasks_only(1), 0));
    let planned = world.record_plans(owner, &plans, at(5)).await.unwrap();
    assert_eq!(planned.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(world.claimable_intervals(at(5), &[], 9).await.unwrap(), [first, third]);
    assert!(world.stages(second).await.unwrap().is_empty(), "nothing of it was written");
}

#[tokio::test]
async fn the_maker_of_a_plan_holds_its_first_segments_at_once() {
    let world = super::new_world().await;
    let (owner, _, interval) = claimed(&world).await;
    let plan = stages(&[("fetch", 130, &[]), ("merge", 70, &["fetch"]), ("notes", 70, &[])]);
    let spans = plan.segments(0);
    let planned = world.record_plans(owner, &[made(interval, plan, 4)], at(2)).await.unwrap();
    let planned = planned.into_iter().next().flatten().unwrap();
    let numbers: Vec<u32> = planned.segments.iter().map(|segment| segment.span.number).collect();
    assert_eq!(numbers, [0, 1, 2, 5], "those of a stage that waits are passed over");
    let expected = [0, 1, 2, 5].map(|number: usize| LeasedSegment::fresh(spans[number]));
    assert_eq!(planned.segments, expected);
    assert_eq!(world.claim(owner, interval, at(2), 9).await, [6], "what was left to claim");

    world.end_incarnation(owner, at(3)).await.unwrap();
    let heir = world.host("b", at(3)).await;
    let claim = Claim { owner: heir, interval, reopened: 0, lanes: A_LANE, limit: 1, now: at(3) };
    assert_eq!(world.claim_segments(claim).await.unwrap()[0].epoch, 2, "the first lease counted");
}

#[tokio::test]
async fn a_maker_whose_lease_has_run_out_holds_nothing() {
    let world = super::new_world().await;
    let (owner, _, interval) = claimed(&world).await;
    let planned = world.record_plans(owner, &[made(interval, tasks_only(1), 9)], at(60)).await.unwrap();
    assert!(planned.into_iter().next().flatten().unwrap().segments.is_empty());
    let heir = world.host("b", at(60)).await;
    assert_eq!(world.claim(heir, interval, at(60), 9).await, [0]);
}
