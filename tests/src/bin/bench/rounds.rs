//! Jobs that fire in rounds, and whose intervals of one task the benchmark itself plans and records, step by step.

use crate::workshop::{Workshop, work};
use anyhow::{Context, Result};
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::firing::{Run, Verdict};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::{Firing, Origin};
use latchwork::domain::job::{DEFAULT_WORKSPACE, Job, JobSpec, NextFiring};
use latchwork::domain::plan::Plan;
use latchwork::domain::rules::{JobRules, Retention};
use latchwork::domain::schedule::{Period, Schedule};
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::worklist::{Settlement, Worklist};
use latchwork::store::{Batch, FiringDecision, Incarnation, MadePlan, PlanRecord, PlanRoom, Store, Takeover};
use sqlx::Connection as _;
use std::sync::Arc;
use std::time::Duration;

/// How far one round is from the next.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// The host that does the work.
const HOST: &str = "bench";

pub(crate) struct Rounds {
    pub(crate) store: Arc<dyn Store>,
    /// Stays as long as its database is used.
    pub(crate) workshop: Workshop,
    owner: IncarnationId,
    jobs: u32,
    pub(crate) now: Timestamp,
}

/// An interval in the hands of its host.
type Held = (IntervalId, Worklist);

impl Rounds {
    pub(crate) async fn new(guests: &tokio::runtime::Handle, jobs: u32, retention: Retention) -> Result<Self> {
        let workshop = Workshop::new(guests)?;
        let store = workshop.open().await?;
        workshop.upload(&store, "noop").await?;
        let now = SystemClock.now();
        for number in 0..jobs {
            let spec = JobSpec {
                name: format!("job {number}"),
                workspace_id: DEFAULT_WORKSPACE.to_owned(),
                plugin: "noop".to_owned(),
                schedule: Schedule::Every { period: Period::new(PERIOD)?, anchor: now },
                after: None,
                rules: JobRules { retention, ..JobRules::default() },
                enable_recovery: true,
                work: work(1, 8, "null"),
            };
            store.create_job(&Job::new(JobId::generate(), spec, now)).await?;
        }
        let mut rounds = Self { store, workshop, owner: IncarnationId::generate(), jobs, now };
        rounds.restart().await?;
        Ok(rounds)
    }

    /// Adds a history of so many intervals: copies of those that the jobs have, all earlier, in one commit.
    pub(crate) async fn add_history(&self, intervals: u32) -> Result<()> {
        let mut rows = self.workshop.rows().await?;
        let mut copies = rows.begin().await?;
        let copy = "create temp table copy as with recursive number (n) as ( \
            select 1 union all select n + 1 from number where n < ?1) select intervals.* from number, intervals";
        sqlx::query(copy).bind(intervals / self.jobs).execute(&mut *copies).await?;
        for statement in [
            "update copy set id = printf('01800000-0000-7000-8000-%012x', rowid), \
             scheduled_at = scheduled_at - 1000000000 + rowid * 1000, fired_at = fired_at - 1000000000 + rowid * 1000, \
             finished_at = finished_at - 1000000000 + rowid * 1000",
            "insert into intervals select * from copy",
            "insert into stages (interval_id, number, name, first_index, tasks, waits_for, is_open) \
             select id, 0, 'tasks', 0, 1, '[]', true from copy",
            "insert into segments (interval_id, number, stage, first_index, length, state, epoch, done_count, done) \
             select id, 0, 0, 0, 1, 'done', 1, 1, x'01' from copy",
        ] {
            sqlx::query(statement).execute(&mut *copies).await?;
        }
        Ok(copies.commit().await?)
    }

    /// The host starts again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.owner = IncarnationId::generate();
        let incarnation = Incarnation {
            id: self.owner,
            host_id: HOST.to_owned(),
            started_at: self.now,
            profile: HostProfile::default(),
        };
        Ok(self.store.begin_incarnation(&incarnation).await?)
    }

    /// Moves the time on to the next round.
    pub(crate) async fn next(&mut self) -> Result<()> {
        self.now = self.now + PERIOD;
        self.store.renew_incarnation(self.owner, self.now).await?;
        Ok(())
    }

    /// Finds what is due and fires it.
    pub(crate) async fn fire(&self) -> Result<()> {
        let due = self.store.due_jobs(self.now, self.jobs).await?;
        let next = self.now + PERIOD;
        let decision = |job: &Job| {
            let was_due_at = job.next?.fire_at;
            let (interval, origin) = (IntervalId::generate(), Origin::Schedule);
            let firing = Firing { interval, job: job.id, origin, scheduled_at: was_due_at, fired_at: self.now };
            let next = Some(NextFiring { scheduled_at: next, fire_at: next });
            let verdict = Verdict { runs: vec![Run { firing, waits: None }], next, ..Verdict::default() };
            Some(FiringDecision { job: job.id, was_due_at, decided_at: self.now, is_tracked: true, verdict })
        };
        let decisions: Vec<_> = due.iter().filter_map(|due| decision(&due.job)).collect();
        assert_eq!(decisions.len(), self.jobs as usize);
        self.store.fire(&decisions).await?;
        self.store.next_fire_at().await?;
        Ok(())
    }

    /// Claims what has fired, reads it, records its plans and takes the segments that come with them.
    pub(crate) async fn claim(&self) -> Result<Vec<Held>> {
        let intervals = self.store.claim_pending(self.owner, self.now, PlanRoom::for_anybody(self.jobs)).await?;
        let mut plans = Vec::new();
        for interval in &intervals {
            self.store.open_interval(*interval).await?.context("it is open")?;
            let record = PlanRecord::default();
            plans.push(MadePlan {
                interval: *interval,
                plan: Plan::new(Vec::new(), 1)?,
                record,
                lanes: 8,
                segments_max: 1,
            });
        }
        let planned = self.store.record_plans(self.owner, &plans, self.now).await?;
        self.store.claimable_intervals(self.owner, self.now, &[], self.jobs).await?;
        self.store.next_wake_at().await?;
        let mut held = Vec::new();
        for (interval, planned) in intervals.into_iter().zip(planned) {
            let mut list = Worklist::new(self.owner);
            planned.context("it is held")?.segments.into_iter().for_each(|segment| list.hold(segment));
            held.push((interval, list));
        }
        Ok(held)
    }

    /// Records the beginning of each task.
    pub(crate) async fn begin(&self, held: &mut [Held]) -> Result<()> {
        for (_, list) in &mut *held {
            list.start_next(self.now).context("it has a task")?;
        }
        self.record(held).await
    }

    /// Records the end of each task, and with it of its interval.
    pub(crate) async fn end(&self, held: &mut [Held]) -> Result<()> {
        for (_, list) in &mut *held {
            list.settle(latchwork::domain::ids::TaskIndex(0), Settlement::Completed);
        }
        self.record(held).await
    }

    /// All of a round.
    pub(crate) async fn round(&mut self) -> Result<()> {
        self.next().await?;
        self.fire().await?;
        let mut held = self.claim().await?;
        self.begin(&mut held).await?;
        self.end(&mut held).await
    }

    /// Frees what an earlier start of the host held.
    pub(crate) async fn recover(&self) -> Result<()> {
        let interrupted = self.store.interrupted_intervals(self.now).await?;
        assert_eq!(interrupted.len(), self.jobs as usize);
        for interval in interrupted {
            let takeover = Takeover { fruitless: 1, attempts_max: 3, expired_before: self.now };
            self.store.resume(interval.id, takeover, self.now).await?;
        }
        Ok(())
    }

    /// Ends what recovery has freed.
    pub(crate) async fn clear(&self) -> Result<()> {
        for interval in self.store.claimable_intervals(self.owner, self.now, &[], self.jobs).await? {
            self.store.abandon(interval, "it was for the recovery alone", None, self.now).await?;
        }
        Ok(())
    }

    async fn record(&self, held: &mut [Held]) -> Result<()> {
        let update = |(interval, list): &mut Held| {
            list.take_unsaved().into_iter().map(|update| (*interval, update)).collect::<Vec<_>>()
        };
        let segments = held.iter_mut().flat_map(update).collect();
        self.store.record(self.owner, &Batch { segments, tasks: Vec::new() }, self.now).await?;
        Ok(())
    }
}
