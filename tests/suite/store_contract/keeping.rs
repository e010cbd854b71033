//! What is removed of the past, and what never is.

use super::raw;
use crate::hands::Hands;
use crate::mill::Mill;
use crate::world::{START, at, firing, manual_job};
use latchwork::domain::firing::{UnrunFiring, Verdict};
use latchwork::domain::ids::IntervalId;
use latchwork::domain::interval::{IntervalState, Origin};
use latchwork::domain::rules::Retention;
use latchwork::domain::schedule::Count;
use latchwork::store::{FiringDecision, JobDeletion, Removal, Slice};

const ALL: Slice = Slice { rows: u32::MAX, bytes: u32::MAX };
const KEEP_ALL: Retention = Retention { intervals: None, days: None };

#[tokio::test]
async fn a_history_counts_what_ran_and_what_did_not_and_shows_the_oldest_of_both() {
    let mut mill = Mill::on(super::new_world().await, 1, Retention { intervals: Some(7), days: None }).await;
    let first = mill.round().await[0];
    let job = mill.jobs[0];
    let skipped = UnrunFiring {
        id: IntervalId::generate(),
        state: IntervalState::Skipped,
        reason: "one is open".to_owned(),
        scheduled_at: at(15),
        last_at: at(15),
        count: Count { number: 1, has_more: false },
        decided_at: at(15),
    };
    let due = mill.world.job(job).await.unwrap().unwrap().next.unwrap();
    let verdict = Verdict { unrun: vec![skipped.clone()], next: Some(due), ..Verdict::default() };
    let decision = FiringDecision { job, was_due_at: due.fire_at, decided_at: at(15), is_tracked: true, verdict };
    mill.world.fire(&[decision]).await.unwrap();
    mill.round().await;
    mill.world.fire_job(job, at(30)).await;

    let kept = mill.world.histories(&[job], 2).await.unwrap().pop().unwrap();
    assert_eq!((kept.job, kept.is_deleted, kept.retention.intervals), (job, false, Some(7)));
    assert_eq!((kept.history.ran, kept.history.unrun), (2, 1), "the open one is not history");
    let oldest: Vec<_> = kept.history.oldest.iter().map(|one| (one.id, one.did_run, one.finished_at)).collect();
    assert_eq!(oldest, [(first, true, at(10)), (skipped.id, false, at(15))]);
}

#[tokio::test]
async fn jobs_with_history_are_those_with_an_end_since_or_all_and_the_deleted_too() {
    let mut mill = Mill::on(super::new_world().await, 1, KEEP_ALL).await;
    mill.round().await;
    let idle = mill.world.keep(manual_job()).await;
    mill.world.delete_job(idle, at(11)).await.unwrap();
    let mut all = vec![mill.jobs[0], idle];
    all.sort_unstable();
    assert_eq!(mill.world.jobs_with_history(None).await.unwrap(), all);
    assert_eq!(mill.world.jobs_with_history(Some(at(10))).await.unwrap(), mill.jobs);
    assert!(mill.world.jobs_with_history(Some(at(11))).await.unwrap().is_empty());
    assert!(mill.world.histories(&[idle], 9).await.unwrap()[0].is_deleted);
}

#[tokio::test]
async fn a_removed_interval_leaves_nothing() {
    let mut mill = Mill::on(super::new_world().await, 3, KEEP_ALL).await;
    let intervals = mill.round().await;
    let removal = mill.world.remove_intervals(&intervals, ALL).await.unwrap();
    assert_eq!(removal, Removal { intervals: 3, rows: 3 * 4, is_done: true }, "stage, segment, output, line of log");
    let mut rows = raw(&mill.world).await;
    for table in ["intervals", "stages", "segments", "tasks", "outputs", "logs", "events", "checkpoints"] {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut rows).await.unwrap();
        assert_eq!(count, 0, "{table}");
    }
    assert!(mill.world.job(mill.jobs[0]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_large_interval_goes_in_slices_and_its_own_row_last() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(100, START);
    for index in 0..100 {
        hands.complete([index]);
        hands.note(index, |task| task.output = vec![b'o'; 1_000]);
    }
    hands.record(&world).await.unwrap();
    let by_rows = Slice { rows: 30, bytes: u32::MAX };
    assert_eq!(
        world.remove_intervals(&[interval], by_rows).await.unwrap(),
        Removal { intervals: 0, rows: 30, is_done: false }
    );
    let by_bytes = Slice { rows: 1_000, bytes: 4_500 };
    let removal = world.remove_intervals(&[interval], by_bytes).await.unwrap();
    assert_eq!((removal.intervals, removal.is_done), (0, false));
    assert!(removal.rows < 10, "five outputs and what is small");
    assert!(world.interval(interval).await.unwrap().is_some());
    let too_small = Slice { rows: 1_000, bytes: 1 };
    assert!(world.remove_intervals(&[interval], too_small).await.unwrap().rows > 0, "one at a time at the least");
    assert!(world.remove_intervals(&[interval], ALL).await.unwrap().is_done);
    assert!(world.interval(interval).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_open_stays_and_so_does_what_an_open_one_came_from() {
    let world = super::new_world().await;
    let job = world.keep(manual_job()).await;
    let (cause, chained, open) = (world.fire_job(job, at(1)).await, world.keep(manual_job()).await, at(2));
    world.abandon(cause, "enough", None, at(2)).await.unwrap();
    let effect = firing(chained, Origin::Chain { caused_by: cause }, open);
    world.trigger(&effect, None).await.unwrap();
    let both = [cause, effect.firing.interval];
    let nothing = Removal { intervals: 0, rows: 0, is_done: true };
    assert_eq!(world.remove_intervals(&both, ALL).await.unwrap(), nothing);
    assert!(world.histories(&[job], 1).await.unwrap()[0].history.oldest[0].is_needed);
    world.abandon(effect.firing.interval, "enough", None, at(3)).await.unwrap();
    assert_eq!(world.remove_intervals(&[cause], ALL).await.unwrap().intervals, 1);
    assert!(world.interval(effect.firing.interval).await.unwrap().is_some(), "what ended after it forgets it");
}

#[tokio::test]
async fn only_a_deleted_job_without_intervals_is_removed() {
    let mut mill = Mill::on(super::new_world().await, 1, KEEP_ALL).await;
    let intervals = mill.round().await;
    let job = mill.jobs[0];
    let mut after = manual_job();
    after.spec.after = Some(latchwork::domain::rules::After { job, end: latchwork::domain::rules::AfterEnd::Success });
    let after = mill.world.keep(after).await;
    assert!(!mill.world.remove_deleted_job(job).await.unwrap(), "it is not deleted");
    for job in [after, job] {
        assert_eq!(mill.world.delete_job(job, mill.now).await.unwrap(), JobDeletion::Deleted);
    }
    assert!(!mill.world.remove_deleted_job(job).await.unwrap(), "it has an interval");
    mill.world.remove_intervals(&intervals, ALL).await.unwrap();
    assert!(mill.world.remove_deleted_job(job).await.unwrap());
    assert!(!mill.world.remove_deleted_job(job).await.unwrap(), "it is gone");
    assert!(mill.world.remove_deleted_job(after).await.unwrap(), "what waited for it can go, too");
}

#[tokio::test]
async fn a_version_goes_when_it_was_superseded_before_and_no_interval_is_pinned_to_it() {
    let world = super::new_world().await;
    let (unused, _) = world.upload("hello", b"unused", at(1)).await;
    let (pinned, _) = world.upload("hello", b"pinned", at(2)).await;
    let mut job = manual_job();
    job.spec.plugin = "hello".to_owned();
    let interval = world.fire_job(world.keep(job).await, at(3)).await;
    world.upload("hello", b"current", at(4)).await;
    world.upload("greeting", b"unused", at(1)).await;

    assert!(world.remove_unused_versions(at(2), 9).await.unwrap().is_empty(), "none took its place before");
    assert_eq!(world.remove_unused_versions(at(9), 9).await.unwrap(), [("hello".to_owned(), unused)]);
    assert!(world.component(&unused).await.unwrap().is_some(), "another name has it");
    world.abandon(interval, "enough", None, at(5)).await.unwrap();
    assert!(world.remove_unused_versions(at(9), 9).await.unwrap().is_empty(), "its interval is kept");
    world.remove_intervals(&[interval], ALL).await.unwrap();
    assert_eq!(world.remove_unused_versions(at(9), 9).await.unwrap(), [("hello".to_owned(), pinned)]);
    assert!(world.component(&pinned).await.unwrap().is_none());
}

#[tokio::test]
async fn a_dead_incarnation_stays_as_long_as_it_holds_something() {
    let world = super::new_world().await;
    let (holder, idle, living) =
        (world.host("a", START).await, world.host("b", START).await, world.host("c", at(500)).await);
    let interval = world.interval_of(holder, 1).await;
    assert_eq!(world.claim(holder, interval, START, 1).await, [0]);
    assert_eq!(world.remove_dead_incarnations(at(100)).await.unwrap(), 1);
    assert!(super::is_lease_lost(world.renew_incarnation(idle, at(100)).await));
    world.renew_incarnation(living, at(509)).await.unwrap();
    world.resume(interval, 1, 3, at(500)).await.unwrap();
    assert_eq!(world.remove_dead_incarnations(at(510)).await.unwrap(), 1, "the one that was taken over");
}
