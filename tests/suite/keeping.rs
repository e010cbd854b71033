//! What the keeper removes, on a clock moved by hand, and in a real host.

use crate::mill::{Mill, PERIOD};
use crate::world::{START, World, at, firing, manual_job};
use latchwork::clock::{Clock, ManualClock};
use latchwork::domain::interval::Origin;
use latchwork::domain::rules::Retention;
use latchwork::domain::timestamp::Timestamp;
use latchwork::engine::{Keeper, Tick};
use latchwork_tests::HostBuilder;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const LAST_THREE: Retention = Retention { intervals: Some(3), days: None };
const KEEP_ALL: Retention = Retention { intervals: None, days: None };
const DAY: Duration = Duration::from_hours(24);

fn keeper(world: &World, host: Retention) -> Keeper {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(START));
    Keeper::new(Arc::clone(&world.store), clock, host)
}

/// Ticks until the keeper rests.
async fn keep(keeper: &Keeper, now: Timestamp) {
    while keeper.tick(now).await.unwrap().is_some() {}
}

async fn pages(world: &World) -> u64 {
    world.give_back_pages(0).await.unwrap().pages
}

#[tokio::test]
async fn the_last_intervals_stay_and_whatever_belonged_to_the_others_goes() {
    let mut mill = Mill::new(2, LAST_THREE).await;
    let keeper = keeper(&mill.world, KEEP_ALL);
    let gone = mill.round().await;
    for _ in 0..3 {
        mill.round().await;
    }
    keep(&keeper, mill.now).await;
    assert_eq!([mill.kept(mill.jobs[0]).await, mill.kept(mill.jobs[1]).await], [3, 3]);
    for interval in gone {
        assert!(mill.world.interval(interval).await.unwrap().is_none());
        assert!(mill.world.logs(interval, None, 0, 9).await.unwrap().is_empty());
        assert!(mill.world.stages(interval).await.unwrap().is_empty());
    }
    mill.round().await;
    mill.round().await;
    keep(&keeper, mill.now).await;
    assert_eq!(mill.kept(mill.jobs[0]).await, 3, "those that have ended since are found without a look at all jobs");
}

#[tokio::test]
async fn more_than_one_look_at_a_job_shows_goes_in_one_round() {
    let mut mill = Mill::new(1, Retention { intervals: Some(1), days: None }).await;
    for _ in 0..150 {
        mill.round().await;
    }
    keep(&keeper(&mill.world, KEEP_ALL), mill.now).await;
    assert_eq!(mill.kept(mill.jobs[0]).await, 1);
}

#[tokio::test]
async fn a_job_that_says_nothing_is_kept_as_the_host_says() {
    let mut mill = Mill::new(1, KEEP_ALL).await;
    for _ in 0..4 {
        mill.round().await;
    }
    let forever = keeper(&mill.world, KEEP_ALL);
    keep(&forever, mill.now).await;
    assert_eq!(mill.kept(mill.jobs[0]).await, 4);
    keep(&keeper(&mill.world, Retention { intervals: None, days: Some(1) }), mill.now + DAY - 2 * PERIOD).await;
    assert_eq!(mill.kept(mill.jobs[0]).await, 3, "the first had ended more than a day before");
}

#[tokio::test]
async fn a_deleted_job_vanishes_when_nothing_of_it_is_open() {
    let mut mill = Mill::new(2, KEEP_ALL).await;
    mill.round().await;
    let [deleted, other] = mill.jobs[..] else { panic!("two jobs") };
    mill.world.delete_job(deleted, mill.now).await.unwrap();
    keep(&keeper(&mill.world, KEEP_ALL), mill.now).await;
    assert_eq!((mill.kept(deleted).await, mill.kept(other).await), (0, 1));
    assert_eq!(mill.world.jobs_with_history(None).await.unwrap(), [other]);
}

#[tokio::test]
async fn an_open_interval_and_the_one_whose_place_it_takes_stay() {
    let world = World::new().await;
    let nothing = Retention { intervals: Some(0), days: None };
    let job = world.keep(manual_job()).await;
    let old = world.fire_job(job, at(1)).await;
    let heir = firing(job, Origin::Fallback { replaces: old }, at(2));
    world.abandon(old, "lost", Some(&heir), at(2)).await.unwrap();
    let keeper = keeper(&world, nothing);
    keep(&keeper, at(3)).await;
    assert_eq!(world.intervals_of(job, 9).await.unwrap().len(), 2);
    world.abandon(heir.firing.interval, "enough", None, at(4)).await.unwrap();
    keep(&keeper, at(5)).await;
    assert!(world.intervals_of(job, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn versions_and_hosts_go_a_day_after_nothing_needs_them() {
    let mut mill = Mill::new(1, KEEP_ALL).await;
    mill.round().await;
    let (pinned, now) =
        (mill.world.view(mill.world.intervals_of(mill.jobs[0], 1).await.unwrap()[0].id).await, mill.now);
    mill.world.upload(crate::world::PLUGIN, b"never run", now).await;
    let (current, _) = mill.world.upload(crate::world::PLUGIN, b"current", now).await;
    mill.world.host("gone", START).await;
    let keeper = keeper(&mill.world, KEEP_ALL);
    keep(&keeper, now).await;
    assert_eq!(mill.world.plugin_versions(crate::world::PLUGIN).await.unwrap().len(), 3);
    keep(&keeper, now + DAY + PERIOD).await;
    let kept = mill.world.plugin_versions(crate::world::PLUGIN).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|version| version.digest.to_string()).collect();
    assert_eq!(kept, [current.to_string(), pinned.digest.unwrap()], "what an interval that is kept ran on stays");
}

#[tokio::test]
async fn the_file_of_many_short_intervals_stops_growing() {
    const ROUNDS: usize = 60;
    let mut mill = Mill::new(50, Retention { intervals: Some(10), days: None }).await;
    let keeper = keeper(&mill.world, KEEP_ALL);
    let mut sizes = Vec::new();
    for _ in 0..ROUNDS {
        mill.round().await;
        keep(&keeper, mill.now).await;
        sizes.push(pages(&mill.world).await);
    }
    let at_first = sizes[10] - sizes[0];
    assert!(at_first > 50, "a file that never grew would prove nothing: {sizes:?}");
    let since = sizes[ROUNDS - 1].saturating_sub(sizes[20]);
    assert!(since * 20 < sizes[20], "2,000 further intervals let it grow: {sizes:?}");
}

#[tokio::test]
async fn a_large_history_that_goes_makes_the_file_small_again() {
    let mut mill = Mill::new(50, Retention { intervals: None, days: Some(1) }).await;
    let empty = pages(&mill.world).await;
    for _ in 0..20 {
        mill.round().await;
    }
    let full = pages(&mill.world).await;
    keep(&keeper(&mill.world, KEEP_ALL), mill.now + 2 * DAY).await;
    let left = pages(&mill.world).await;
    assert!(full > 2 * empty && left < full / 2, "{empty} pages, then {full}, then {left}");
}

#[test]
fn a_host_removes_what_is_beyond_its_default_and_says_so() {
    let builder = HostBuilder::new().flag("--default-retention-intervals", 2);
    let host = builder.start();
    host.api.upload_plugin("hello");
    let job = host.api.manual_job("hello", &json!({ "name": "World" }), json!({}));
    for _ in 0..5 {
        host.api.ended(&host.api.trigger(&job));
    }
    host.stop();
    let host = builder.start();
    latchwork_tests::wait_for("the keeper", || (host.api.intervals(&job).len() == 2).then_some(()));
    latchwork_tests::wait_for("the log", || host.log().contains("Removed 3 intervals beyond").then_some(()));
}
