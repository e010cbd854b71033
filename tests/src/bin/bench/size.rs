//! What a million tasks leave in the database.

use crate::workshop::{Workshop, work};
use anyhow::Result;
use std::time::Duration;

const TASKS: u32 = 1_000_000;

pub(crate) async fn measure(guests: &tokio::runtime::Handle) -> Result<()> {
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
