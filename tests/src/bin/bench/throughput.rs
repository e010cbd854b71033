//! Durable no-op tasks a second, beside the bare loop over the same component and the database's own commits.

use crate::calls::NoopCalls;
use crate::median;
use crate::workshop::{Workshop, work};
use anyhow::Result;
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::IncarnationId;
use latchwork::store::Incarnation;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Lanes, and how many tasks make a run of about two seconds.
const RUNS: [(u32, u32); 3] = [(1, 6_000), (16, 60_000), (256, 300_000)];

/// How many commits of the database are timed.
const COMMITS: u32 = 6_000;

/// How many calls of the bare loop are timed.
const CALLS: u32 = 400_000;

pub(crate) async fn measure(guests: &tokio::runtime::Handle, rounds: usize) -> Result<()> {
    println!(
        "durable no-op tasks on SQLite (WAL, synchronous=full), a fresh sandbox for each; median of {rounds} rounds"
    );
    let mut commits = Vec::new();
    let mut bare = vec![Vec::new(); RUNS.len()];
    let mut durable = vec![Vec::new(); RUNS.len()];
    for _ in 0..rounds {
        commits.push(database_commits(guests).await?);
        for (run, (lanes, tasks)) in RUNS.into_iter().enumerate() {
            bare[run].push(bare_loop(guests, lanes).await?);
            durable[run].push(durable_tasks(guests, lanes, tasks).await?);
        }
    }
    let commits = median(commits);
    println!("the database's own commits: {commits:.0}/s");
    println!("lanes   durable/s      bare/s   of bare   of the database's commits");
    for (run, (lanes, _)) in RUNS.into_iter().enumerate() {
        let (bare, durable) = (median(bare[run].clone()), median(durable[run].clone()));
        let (of_bare, of_commits) = (durable / bare * 100.0, durable / commits * 100.0);
        println!("{lanes:>5}  {durable:>10.0}  {bare:>10.0}  {of_bare:>7.1}%  {of_commits:>7.1}%");
    }
    Ok(())
}

/// One-row updates, each its own transaction, on the same file system through the same driver.
async fn database_commits(guests: &tokio::runtime::Handle) -> Result<f64> {
    let workshop = Workshop::new(guests)?;
    let store = workshop.open().await?;
    let id = IncarnationId::generate();
    let started_at = SystemClock.now();
    store
        .begin_incarnation(&Incarnation {
            id,
            host_id: "bench".to_owned(),
            started_at,
            profile: HostProfile::default(),
        })
        .await?;
    // On a worker thread, where the engine commits, too; and each time with another value, since SQLite writes nothing
    // for a row that stays as it is.
    let took = guests.spawn(async move {
        let begun = Instant::now();
        for commit in 0..COMMITS {
            store.renew_incarnation(id, started_at + Duration::from_millis(commit.into())).await?;
        }
        Ok::<_, latchwork::store::StoreError>(begun.elapsed())
    });
    Ok(f64::from(COMMITS) / took.await??.as_secs_f64())
}

pub(crate) async fn durable_tasks(guests: &tokio::runtime::Handle, lanes: u32, tasks: u32) -> Result<f64> {
    let workshop = Workshop::new(guests)?;
    let store = workshop.open().await?;
    workshop.upload(&store, "noop").await?;
    let engine = workshop.start(&store).await?;
    let interval = workshop.fire(&store, "noop", work(tasks, lanes, "null")).await?;
    let ended = workshop.ended(&store, interval).await?;
    engine.stop(Duration::from_secs(5)).await?;
    assert_eq!(ended.counts.completed, u64::from(tasks), "{:?}", ended.reason);
    let took = ended.finished_at.zip(ended.started_at).map(|(end, start)| end.since(start)).expect("it has ended");
    Ok(f64::from(tasks) / took.as_secs_f64())
}

/// Only instantiates and calls.
async fn bare_loop(guests: &tokio::runtime::Handle, lanes: u32) -> Result<f64> {
    let workshop = Workshop::new(guests)?;
    let noop = Arc::new(NoopCalls::new(&workshop.sandbox).await?);
    let next = Arc::new(AtomicU32::new(0));
    let calls = if lanes == 1 { CALLS / 4 } else { CALLS };
    let begun = Instant::now();
    let lanes: Vec<_> = (0..lanes).map(|_| guests.spawn(lane(Arc::clone(&noop), Arc::clone(&next), calls))).collect();
    for lane in lanes {
        lane.await?;
    }
    Ok(f64::from(calls) / begun.elapsed().as_secs_f64())
}

async fn lane(noop: Arc<NoopCalls>, next: Arc<AtomicU32>, calls: u32) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= calls {
            return;
        }
        noop.call(index, calls, None).await;
        // A lane of the engine gives way when it hands in its task; this one must do it by itself.
        tokio::task::yield_now().await;
    }
}
