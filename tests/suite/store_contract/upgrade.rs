//! Intervals that restart on a new version of their plugin.

use crate::hands::Hands;
use crate::world::{PLUGIN, START, World, at, manual_job};
use latchwork::domain::digest::Digest;
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::rules::OnUpgrade;
use latchwork::store::IntervalRecord;

/// An interval of a job that restarts on new versions, of which `owner` has completed one task.
async fn begun(world: &World, owner: IncarnationId, on_upgrade: OnUpgrade) -> IntervalId {
    let mut job = manual_job();
    job.spec.rules.on_upgrade = on_upgrade;
    job.spec.work.payload = r#"{"a":1}"#.to_owned();
    job.spec.work.policy.priority = 7;
    let interval = world.fire_job(world.keep(job).await, START).await;
    world.plan(owner, interval, &crate::world::tasks_only(8)).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(2, START);
    hands.complete([0]);
    hands.record(world).await.unwrap();
    interval
}

/// The interval that has taken another's place.
async fn replacement(world: &World, replaced: IntervalId) -> IntervalRecord {
    let all = world.intervals_of(world.view(replaced).await.job, 9).await.unwrap();
    all.into_iter().find(|interval| interval.replaces == Some(replaced)).expect("it is replaced")
}

#[tokio::test]
async fn an_open_interval_is_cancelled_for_the_new_version_and_everything_runs_again_on_that() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = begun(&world, owner, OnUpgrade::Restart).await;
    let old = world.open_interval(interval).await.unwrap().unwrap();
    let (digest, _) = world.upload(PLUGIN, b"a newer component", at(5)).await;
    let view = world.view(interval).await;
    let reason = format!("restarted on version {digest}");
    assert_eq!((view.state, view.reason, view.counts.completed), (IntervalState::Cancelled, Some(reason), 1));
    assert!(world.held_segments(owner).await.unwrap().is_empty(), "whoever works on it has lost it");
    let new = replacement(&world, interval).await;
    assert_eq!((new.state, new.origin.as_str(), new.fired_at), (IntervalState::Pending, "upgrade", at(5)));
    let open = world.open_interval(new.id).await.unwrap().unwrap();
    assert_eq!((open.digest, open.work, open.scheduled_at, open.is_tracked), (digest, old.work, START, true));
    assert_eq!(world.job(view.job).await.unwrap().unwrap().current_interval.unwrap().id, new.id);
}

#[tokio::test]
async fn the_same_version_again_restarts_nothing_and_a_way_back_to_an_older_one_does() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = begun(&world, owner, OnUpgrade::Restart).await;
    world.upload(PLUGIN, b"a component", at(5)).await;
    world.upload("another plugin", b"something else", at(5)).await;
    assert_eq!(world.view(interval).await.state, IntervalState::Running);
    world.upload(PLUGIN, b"a newer component", at(6)).await;
    let second = replacement(&world, interval).await.id;
    let (digest, _) = world.upload(PLUGIN, b"a component", at(7)).await;
    assert_eq!(replacement(&world, second).await.digest, Some(digest.to_string()));
}

#[tokio::test]
async fn an_interval_of_a_job_that_does_not_say_ends_on_its_own_version() {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    let interval = begun(&world, owner, OnUpgrade::Finish).await;
    let pinned = world.open_interval(interval).await.unwrap().unwrap().digest;
    world.upload(PLUGIN, b"a newer component", at(5)).await;
    let view = world.view(interval).await;
    assert_eq!((view.state, view.digest), (IntervalState::Running, Some(pinned.to_string())));
}

#[tokio::test]
async fn damaged_bytes_are_whole_again_after_the_next_upload() {
    let world = super::new_world().await;
    let digest = Digest::of(b"a component");
    let damaged = sqlx::query("update components set wasm = $1 where digest = $2").bind(b"ruin".to_vec());
    let damaged = damaged.bind(digest.to_string());
    damaged.execute(&mut super::raw(&world).await).await.unwrap();
    world.upload(PLUGIN, b"a component", at(1)).await;
    assert_eq!(world.component(&digest).await.unwrap().as_deref(), Some(&b"a component"[..]));
}
