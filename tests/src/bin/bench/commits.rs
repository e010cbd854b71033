//! How many commits of progress one PostgreSQL takes from many hosts: what bounds them together, whatever their guests do.

use crate::workshop::{Workshop, work};
use anyhow::{Context, Result};
use futures::future::try_join_all;
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::plan::Plan;
use latchwork::domain::worklist::{Settlement, Worklist};
use latchwork::store::{Batch, Incarnation, MadePlan, PlanRecord, PlanRoom, Store};
use latchwork_tests::PostgresDatabase;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// Hosts that record, each one segment's progress after another.
const HOSTS: [u32; 4] = [1, 4, 16, 64];

/// Tasks of an interval whose segments are as long as they come.
const TASKS: u32 = 262_144;

/// How many commits all hosts of a run make together, and each at most: one task of its segment is left.
const COMMITS: u32 = 20_000;
const COMMITS_MAX: u32 = 4_095;

/// A host's hands on a segment.
struct Recorder {
    store: Arc<dyn Store>,
    owner: IncarnationId,
    interval: IntervalId,
    worklist: Worklist,
}

pub(crate) async fn measure(guests: &Handle) -> Result<()> {
    println!("commits of progress on one PostgreSQL, each a segment of 4,096 tasks, from hosts that do nothing else");
    for hosts in HOSTS {
        let database = PostgresDatabase::measured().await;
        let mut recorders = Vec::new();
        for number in 0..hosts {
            recorders.push(Recorder::new(&Workshop::on(&database, format!("bench-{number}"), guests)?).await?);
        }
        let commits = (COMMITS / hosts).min(COMMITS_MAX);
        let begun = Instant::now();
        let runs = recorders.into_iter().map(|recorder| guests.spawn(recorder.record(commits)));
        for run in try_join_all(runs).await? {
            run?;
        }
        let a_second = f64::from(commits * hosts) / begun.elapsed().as_secs_f64();
        println!("{hosts:>5} hosts  {a_second:>7.0} a second");
    }
    Ok(())
}

impl Recorder {
    async fn new(workshop: &Workshop) -> Result<Self> {
        let (store, owner, started_at) = (workshop.open().await?, IncarnationId::generate(), SystemClock.now());
        workshop.upload(&store, "noop").await?;
        let interval = workshop.fire(&store, "noop", work(TASKS, 1, "null")).await?;
        store
            .begin_incarnation(&Incarnation {
                id: owner,
                host_id: owner.to_string(),
                started_at,
                profile: HostProfile::default(),
            })
            .await?;
        store.claim_pending(owner, started_at, PlanRoom::for_anybody(1)).await?;
        let plan = Plan::new(Vec::new(), TASKS)?;
        let made = MadePlan { interval, plan, record: PlanRecord::default(), lanes: 0, segments_max: 1 };
        let planned = store.record_plans(owner, &[made], started_at).await?.pop().flatten().context("it is planned")?;
        let mut worklist = Worklist::new(owner);
        planned.segments.into_iter().for_each(|segment| worklist.hold(segment));
        Ok(Self { store, owner, interval, worklist })
    }

    /// Completes one task after another, each in a commit of its own.
    async fn record(mut self, commits: u32) -> Result<()> {
        let now = SystemClock.now();
        for _ in 0..commits {
            let start = self.worklist.start_next(now).context("there are tasks left")?;
            self.worklist.settle(start.index, Settlement::Completed);
            let segments = self.worklist.take_unsaved().into_iter().map(|update| (self.interval, update)).collect();
            let batch = Batch { segments, tasks: Vec::new() };
            self.store.record(self.owner, &batch, SystemClock.now()).await?;
            self.worklist.saved();
        }
        Ok(())
    }
}
