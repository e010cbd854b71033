//! The rates of jobs, which all hosts reserve of.

use crate::world::{START, manual_job};
use futures::future::join_all;
use latchwork::domain::ids::JobId;
use latchwork::domain::rate::{RateAsk, RateGrant};
use std::time::Duration;

#[tokio::test]
async fn what_one_host_reserves_another_does_not_get() {
    let world = super::new_world().await;
    let (slow, fast) = (world.keep(manual_job()).await, world.keep(manual_job()).await);
    let asks = |wanted| [RateAsk { job: slow, rate: 0.1, wanted }, RateAsk { job: fast, rate: 1_000.0, wanted }];
    let tasks = async |wanted, ms| {
        let grants = world.reserve_rates(&asks(wanted), START + Duration::from_millis(ms)).await.unwrap();
        grants.iter().map(|grant| grant.tasks).collect::<Vec<_>>()
    };
    assert_eq!(tasks(60, 0).await, [1, 60]);
    assert_eq!(tasks(60, 0).await, [0, 41], "the rest of what may begin at once");
    assert_eq!(tasks(60, 10).await, [0, 10]);
    let world = world.reopened().await;
    let at = START + Duration::from_millis(9_899);
    let early = world.reserve_rates(&asks(1)[..1], at).await.unwrap();
    let next_at = at + Duration::from_millis(1);
    assert_eq!(early, [RateGrant { tasks: 0, next_at }], "a restart forgets nothing");
    assert_eq!(world.reserve_rates(&asks(9)[..1], next_at).await.unwrap()[0].tasks, 1);
}

#[tokio::test]
async fn a_job_that_is_gone_begins_nothing_and_takes_its_rate_along() {
    let world = super::new_world().await;
    let ask = |job| RateAsk { job, rate: 1.0, wanted: 1 };
    let gone = world.reserve_rates(&[ask(JobId::generate())], START).await.unwrap();
    assert_eq!(gone, [RateGrant { tasks: 0, next_at: START }]);
    let job = world.keep(manual_job()).await;
    world.reserve_rates(&[ask(job)], START).await.unwrap();
    world.delete_job(job, START).await.unwrap();
    assert!(world.remove_deleted_job(job).await.unwrap());
    assert_eq!(world.reserve_rates(&[ask(job)], START).await.unwrap()[0].tasks, 0);
}

#[tokio::test]
async fn hosts_that_reserve_at_once_get_together_what_one_would() {
    let world = super::new_world().await;
    for round in 0..12 {
        let jobs = [world.keep(manual_job()).await, world.keep(manual_job()).await];
        let asks: Vec<_> = (0..6)
            .map(|host| {
                let mut asks = jobs.map(|job| RateAsk { job, rate: 100.0, wanted: 5 });
                asks.rotate_left(host % 2);
                asks
            })
            .collect();
        let grants = join_all(asks.iter().map(|asks| world.reserve_rates(asks, START))).await;
        let tasks: u32 = grants.into_iter().flat_map(|grants| grants.unwrap()).map(|grant| grant.tasks).sum();
        assert_eq!(tasks, 2 * 11, "round {round}");
    }
}
