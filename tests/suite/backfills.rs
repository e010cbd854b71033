//! Past ranges of a schedule that are run again, in a lane that yields.

use crate::operations::told;
use crate::world::{START, World, at, every, job_on};
use latchwork::domain::backfill::{Backfill, BackfillMode, BackfillState};
use latchwork::domain::ids::{BackfillId, JobId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::timestamp::Timestamp;
use latchwork::engine::{Backfiller, Tick};
use latchwork::wakeup::Wakeup;
use latchwork_tests::{Host, HostBuilder, instant, text, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

fn backfiller(world: &World) -> Backfiller {
    Backfiller::new(Arc::clone(&world.store), true, Wakeup::default())
}

async fn of_hundred_seconds(world: &World, mode: BackfillMode, max_parallel: u32) -> Backfill {
    let job = world.keep(job_on(every(10))).await;
    let backfill = Backfill {
        id: BackfillId::generate(),
        job,
        mode,
        state: BackfillState::Running,
        from: START,
        until: at(50),
        next_at: START,
        max_parallel,
        planned: 5,
        fired: 0,
        created_at: at(60),
        finished_at: None,
    };
    assert!(world.create_backfill(&backfill).await.unwrap());
    backfill
}

/// The instants of a job's open intervals.
async fn open(world: &World, job: JobId) -> Vec<Timestamp> {
    let intervals = world.intervals_of(job, 99).await.unwrap();
    let mut open: Vec<_> = intervals.iter().filter(|one| one.state.is_open()).map(|one| one.scheduled_at).collect();
    open.sort_unstable();
    open
}

async fn end_all(world: &World, job: JobId, now: Timestamp) {
    for interval in world.intervals_of(job, 99).await.unwrap() {
        if interval.state.is_open() {
            world.abandon(interval.id, "enough", None, now).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_backfill_keeps_as_many_intervals_open_as_it_may_and_yields_to_a_live_one() {
    let world = World::new().await;
    let backfill = of_hundred_seconds(&world, BackfillMode::All, 2).await;
    let (job, backfiller) = (backfill.job, backfiller(&world));
    backfiller.tick(at(60)).await.unwrap();
    assert_eq!(open(&world, job).await, [START, at(10)], "the grid begins with its anchor");
    backfiller.tick(at(60)).await.unwrap();
    assert_eq!(open(&world, job).await.len(), 2);
    end_all(&world, job, at(61)).await;
    let live = world.fire_job(job, at(62)).await;
    backfiller.tick(at(63)).await.unwrap();
    assert_eq!(open(&world, job).await, [at(62)]);
    world.cancel_interval(live, "done", at(64)).await.unwrap();
    drop(backfiller);
    let world = world.reopened().await;
    let backfiller = self::backfiller(&world);
    backfiller.tick(at(65)).await.unwrap();
    assert_eq!(open(&world, job).await, [at(20), at(30)], "it goes on where it was");
    end_all(&world, job, at(66)).await;
    backfiller.tick(at(67)).await.unwrap();
    assert_eq!(open(&world, job).await, [at(40)]);
    end_all(&world, job, at(68)).await;
    backfiller.tick(at(69)).await.unwrap();
    let record = world.backfill(backfill.id).await.unwrap().unwrap();
    assert_eq!((record.backfill.state, record.backfill.fired), (BackfillState::Finished, 5));
    assert_eq!(backfiller.tick(at(70)).await.unwrap(), None);
}

#[tokio::test]
async fn a_backfill_of_what_failed_fires_nothing_else() {
    let world = World::new().await;
    let backfill = of_hundred_seconds(&world, BackfillMode::Failed, 9).await;
    let scheduler = latchwork::engine::Scheduler::new(Arc::clone(&world.store), true, Wakeup::default());
    for (now, end) in [(at(10), IntervalState::Abandoned), (at(20), IntervalState::Cancelled)] {
        scheduler.tick(now).await.unwrap();
        let interval = world.intervals_of(backfill.job, 1).await.unwrap()[0].id;
        match end {
            IntervalState::Abandoned => world.abandon(interval, "lost", None, now).await.unwrap(),
            _ => {
                world.cancel_interval(interval, "enough", now).await.unwrap();
            }
        }
    }
    let backfiller = backfiller(&world);
    backfiller.tick(at(60)).await.unwrap();
    assert_eq!(open(&world, backfill.job).await, [at(10)]);
}

fn job(host: &Host, payload: Value) -> (String, i64) {
    let job = host.api.create_job(&json!({
        "name": "past", "plugin": "misbehave", "type": "interval", "interval": "1h", "payload": payload,
    }));
    let created_at = instant(&host.api.get(&format!("/jobs/{job}"))["created_at"]);
    (job, created_at)
}

fn written(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_dry_run_tells_what_a_backfill_then_does() {
    let host = crate::jobs::host();
    let (job, created_at) = job(&host, json!({ "act": "succeed" }));
    let next = host.api.get(&format!("/jobs/{job}"))["next_fire_at"].clone();
    let from = written(created_at - 5 * HOUR);
    let told_dry = told(&host, &["job", "backfill", "past", "--from", &from, "--dry-run"]);
    assert_eq!(told_dry["planned"], 6, "five hours ago, and each since: {told_dry}");
    assert_eq!(instant(&told_dry["firings"][0]), created_at - 5 * HOUR);
    assert!(host.api.intervals(&job).is_empty(), "nothing was changed");

    let backfill = told(&host, &["job", "backfill", "past", "--from", &from, "--max-parallel", "3"]);
    let path = format!("/backfills/{}", text(&backfill["id"]));
    let ended = wait_for("the backfill", || Some(host.api.get(&path)).filter(|view| view["state"] == "finished"));
    assert_eq!((&ended["planned"], &ended["fired"], &ended["succeeded"]), (&json!(6), &json!(6), &json!(6)));
    let instants: Vec<_> = host.api.intervals(&job).iter().map(|view| instant(&view["scheduled_at"])).rev().collect();
    assert_eq!(instants, (-5..=0).map(|hours| created_at + hours * HOUR).collect::<Vec<_>>());
    assert_eq!(host.api.get(&format!("/jobs/{job}"))["next_fire_at"], next, "the grid is left alone");
    let again = told(&host, &["job", "backfill", "past", "--from", &from, "--dry-run"]);
    assert_eq!(again["planned"], 0, "none is missing any more: {again}");
    let listed = told(&host, &["backfill", "list", "--job", "past"]);
    assert_eq!(listed["backfills"][0]["id"], backfill["id"]);
}

#[test]
fn a_backfill_goes_on_after_a_crash_and_fires_no_instant_twice() {
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let (job, created_at) = job(&host, json!({ "act": "sleep", "ms": 30 }));
    let from = written(created_at - 39 * HOUR);
    let backfill = told(&host, &["job", "backfill", "past", "--from", &from, "--max-parallel", "4", "--mode", "all"]);
    let path = format!("/backfills/{}", text(&backfill["id"]));
    wait_for("a part of it", || (host.api.get(&path)["succeeded"].as_u64() >= Some(8)).then_some(()));
    host.kill();
    let host = builder.start();
    let ended = wait_for("the backfill", || Some(host.api.get(&path)).filter(|view| view["state"] == "finished"));
    assert_eq!((&ended["fired"], &ended["succeeded"]), (&json!(40), &json!(40)), "{ended}");
    let mut fired = BTreeMap::<i64, u32>::new();
    for view in host.api.intervals(&job) {
        *fired.entry(instant(&view["scheduled_at"])).or_default() += 1;
    }
    assert_eq!(fired.len(), 40);
    assert!(fired.values().all(|count| *count == 1), "{fired:?}");
}

#[test]
fn a_backfill_can_be_cancelled_and_one_without_bounds_is_refused_with_the_mend() {
    let host = crate::jobs::host();
    let (job, created_at) = job(&host, json!({ "act": "sleep", "ms": 3_600_000 }));
    let from = written(created_at - 5 * HOUR);
    let backfill = told(&host, &["job", "backfill", "past", "--from", &from]);
    let id = text(&backfill["id"]);
    let open = host.api.wait_for_interval_of(&job, |view| view["state"] == "running");
    assert_eq!(open["backfill_id"], backfill["id"]);
    assert_eq!(told(&host, &["backfill", "cancel", &id])["state"], "cancelled");
    assert_eq!(told(&host, &["backfill", "cancel", &id])["state"], "cancelled", "the same again");
    assert_eq!(host.api.interval(&text(&open["id"]))["state"], "cancelled");
    assert_eq!(told(&host, &["backfill", "show", &id])["fired"], 1);

    let ask = |body: Value| host.api.send("POST", &format!("/jobs/{job}/backfill"), Some(&body));
    let hours = |hours: i64| written(created_at - hours * HOUR);
    let (status, problem) = ask(json!({ "from": hours(100_001), "mode": "all" }));
    assert_eq!((status, &problem["code"]), (422, &json!("range_too_large")), "{problem}");
    assert!(text(&problem["detail"]).contains("100000 firings"), "{problem}");
    for body in [
        json!({ "from": hours(1), "until": hours(2), "mode": "all" }),
        json!({ "from": hours(1), "until": hours(-2), "mode": "all" }),
    ] {
        let (status, problem) = ask(body);
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_range")), "{problem}");
    }
    for body in [json!({ "from": "yesterday", "mode": "all" }), json!({ "from": hours(1), "mode": "some" })] {
        let (status, problem) = ask(body);
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
    }
}
