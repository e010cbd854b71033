//! How soon the first task begins after a crash: a long interval that was almost done against a short one that was not.

use crate::median;
use crate::workshop::{Workshop, work};
use anyhow::{Context, Result};
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::grants::{Access, DirectoryGrant, Grants};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId, TaskIndex};
use latchwork::domain::job::WorkSpec;
use latchwork::domain::plan::Plan;
use latchwork::domain::worklist::{Settlement, Worklist};
use latchwork::store::{Batch, Incarnation, MadePlan, PlanRecord, PlanRoom, Store};
use std::time::{Duration, UNIX_EPOCH};

pub(crate) async fn measure(guests: &tokio::runtime::Handle, rounds: usize) -> Result<()> {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        short.push(first_task_after(guests, 1_000, 0).await?);
        long.push(first_task_after(guests, 1_000_000, 999_000).await?);
    }
    let (short, long) = (median(short), median(long));
    println!("from the start after a crash to the first resumed task");
    println!("  1,000 tasks, none done       {:>7.1} ms", short * 1_000.0);
    println!("  1,000,000 tasks, 99.9% done  {:>7.1} ms", long * 1_000.0);
    println!("  ratio                        {:>7.2} (limit 1.5)", long / short);
    Ok(())
}

/// Seconds from the engine's start to the moment at which the first task left its mark.
async fn first_task_after(guests: &tokio::runtime::Handle, tasks: u32, completed: u32) -> Result<f64> {
    let workshop = Workshop::new(guests)?;
    let witness = workshop.path("witness");
    std::fs::create_dir(&witness)?;
    let store = workshop.open().await?;
    workshop.upload(&store, "misbehave").await?;
    let grant = DirectoryGrant { path: witness.clone(), mount: "/witness".to_owned(), access: Access::ReadWrite };
    let payload = r#"{"act":"witness","directory":"/witness"}"#;
    let work = WorkSpec { grants: Grants { directories: vec![grant], ..Grants::default() }, ..work(tasks, 8, payload) };
    let interval = workshop.fire(&store, "misbehave", work).await?;
    crash_midway(&*store, interval, tasks, completed).await?;
    drop(store);

    let begun = SystemClock.now();
    let store = workshop.open().await?;
    let engine = workshop.start(&store).await?;
    let ended = workshop.ended(&store, interval).await?;
    engine.stop(Duration::from_secs(5)).await?;
    assert_eq!(ended.counts.completed, u64::from(tasks), "{:?}", ended.reason);
    let marks = std::fs::read_dir(&witness)?.map(|entry| Ok(entry?.metadata()?.modified()?));
    let first = marks.collect::<Result<Vec<_>>>()?.into_iter().min().context("a task has run")?;
    let begun = Duration::from_millis(begun.ms().try_into()?);
    Ok(first.duration_since(UNIX_EPOCH)?.saturating_sub(begun).as_secs_f64())
}

/// Does what a host would have done before it was killed: plans, claims, records, and leaves eight tasks in flight.
async fn crash_midway(store: &dyn Store, interval: IntervalId, tasks: u32, completed: u32) -> Result<()> {
    let (owner, now) = (IncarnationId::generate(), SystemClock.now());
    store
        .begin_incarnation(&Incarnation {
            id: owner,
            host_id: "bench".to_owned(),
            started_at: now,
            profile: HostProfile::default(),
        })
        .await?;
    store.claim_pending(owner, now, PlanRoom::for_anybody(1)).await?;
    let plan = Plan::new(Vec::new(), tasks)?;
    let made = MadePlan { interval, plan, record: PlanRecord::default(), lanes: 8, segments_max: u32::MAX };
    let planned = store.record_plans(owner, &[made], now).await?.pop().flatten().context("the plan is recorded")?;
    let mut worklist = Worklist::new(owner);
    planned.segments.into_iter().for_each(|segment| worklist.hold(segment));
    for index in 0..completed {
        worklist.start_next(now).context("there are tasks left")?;
        worklist.settle(TaskIndex(index), Settlement::Completed);
    }
    for _ in 0..8 {
        worklist.start_next(now).context("there are tasks left")?;
    }
    let segments = worklist.take_unsaved().into_iter().map(|update| (interval, update)).collect();
    store.record(owner, &Batch { segments, tasks: Vec::new() }, now).await?;
    Ok(())
}
