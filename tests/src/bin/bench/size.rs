//! What a million tasks leave in the database, and that it does not grow for ever.

use crate::rounds::Rounds;
use crate::workshop::{Workshop, work};
use anyhow::Result;
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::rules::Retention;
use latchwork::engine::{Keeper, Tick};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TASKS: u32 = 1_000_000;

/// A run of many short intervals: jobs that keep their last so many, and rounds of them.
const JOBS: u32 = 100;
const KEPT: u32 = 10;
const ROUNDS: u32 = 300;

pub(crate) async fn measure(guests: &tokio::runtime::Handle) -> Result<()> {
    one_long_interval(guests).await?;
    many_short_intervals(guests).await
}

async fn many_short_intervals(guests: &tokio::runtime::Handle) -> Result<()> {
    println!("{JOBS} jobs that keep their last {KEPT} intervals of one task, on a clock moved by hand");
    println!("  intervals so far   the file, KB   with its log, KB   removed by the keeper, ms an interval");
    let mut rounds = Rounds::new(guests, JOBS, Retention { intervals: Some(KEPT), days: None }).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keeper = Keeper::new(Arc::clone(&rounds.store), clock, Retention::default());
    let mut took = Duration::ZERO;
    for round in 1..=ROUNDS {
        rounds.round().await?;
        let begun = Instant::now();
        // A keeper of its own would rest between its ticks.
        while keeper.tick(rounds.now).await?.is_some() {}
        took += begun.elapsed();
        if round <= 10 && round % 5 == 0 || round % 50 == 0 {
            let bytes = |name| std::fs::metadata(rounds.workshop.path(name)).map_or(0, |file| file.len()) / 1_000;
            let (file, log) = (bytes("bench.db"), bytes("bench.db-wal"));
            let each = took.as_secs_f64() * 1_000.0 / f64::from(round * JOBS);
            println!("  {:>16}   {file:>12}   {:>16}   {each:>10.3}", round * JOBS, file + log);
        }
    }
    Ok(())
}

async fn one_long_interval(guests: &tokio::runtime::Handle) -> Result<()> {
    let workshop = Workshop::new(guests)?;
    let store = workshop.open().await?;
    workshop.upload(&store, "noop").await?;
    drop(store);
    let before = std::fs::metadata(workshop.path("bench.db"))?.len();

    let store = workshop.open().await?;
    let engine = workshop.start(&store).await?;
    let interval = workshop.fire(&store, "noop", work(TASKS, 256, "null")).await?;
    let ended = workshop.ended(&store, interval).await?;
    engine.stop(Duration::from_secs(5)).await?;
    drop(store);
    let after = std::fs::metadata(workshop.path("bench.db"))?.len();
    assert_eq!(ended.counts.completed, u64::from(TASKS), "{:?}", ended.reason);
    println!(
        "an interval of {TASKS} no-op tasks leaves the database {} KB larger (limit 2,000 KB)",
        (after - before) / 1_000
    );
    Ok(())
}
