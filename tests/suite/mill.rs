//! Jobs that fire in rounds on a clock moved by hand, and whose intervals of one task are done as soon as they fire.

use crate::world::{START, World, every, job_on, tasks_only};
use latchwork::domain::firing::{Run, Verdict};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId};
use latchwork::domain::interval::{Firing, Origin};
use latchwork::domain::job::NextFiring;
use latchwork::domain::rules::Retention;
use latchwork::domain::task::{LogLevel, LogLine};
use latchwork::domain::timestamp::Timestamp;
use latchwork::domain::worklist::{Settlement, Worklist};
use latchwork::store::{Batch, FiringDecision, MadePlan, TaskRecord};
use std::time::Duration;

/// The period of its jobs.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

pub(crate) struct Mill {
    pub(crate) world: World,
    pub(crate) owner: IncarnationId,
    pub(crate) jobs: Vec<JobId>,
    pub(crate) now: Timestamp,
}

impl Mill {
    /// So many jobs that keep their intervals as they are told.
    pub(crate) async fn new(jobs: usize, retention: Retention) -> Self {
        Self::on(World::new().await, jobs, retention).await
    }

    /// The same on another store.
    pub(crate) async fn on(world: World, jobs: usize, retention: Retention) -> Self {
        let owner = world.host("a", START).await;
        let mut kept = Vec::new();
        for _ in 0..jobs {
            let mut job = job_on(every(PERIOD.as_secs()));
            job.spec.rules.retention = retention;
            kept.push(world.keep(job).await);
        }
        Self { world, owner, jobs: kept, now: START }
    }

    /// Each job fires once, and its interval ends with an output and a line of log.
    pub(crate) async fn round(&mut self) -> Vec<IntervalId> {
        self.now = self.now + PERIOD;
        self.world.renew_incarnation(self.owner, self.now).await.unwrap();
        let decisions: Vec<_> = self.jobs.iter().map(|job| fires(*job, self.now)).collect();
        assert!(self.world.fire(&decisions).await.unwrap().into_iter().all(|fired| fired));
        let intervals = self.world.claim_pending(self.owner, self.now, u32::MAX).await.unwrap();
        assert_eq!(intervals.len(), self.jobs.len());
        self.run(&intervals).await;
        intervals
    }

    async fn run(&self, intervals: &[IntervalId]) {
        let record = crate::world::no_writes;
        let made = |interval: &IntervalId| MadePlan {
            interval: *interval,
            plan: tasks_only(1),
            record: record(),
            lanes: 0,
            segments_max: 1,
        };
        let plans: Vec<_> = intervals.iter().map(made).collect();
        let planned = self.world.record_plans(self.owner, &plans, self.now).await.unwrap();
        let mut batch = Batch::default();
        for (interval, planned) in intervals.iter().zip(planned) {
            let mut list = Worklist::new(self.owner);
            planned.unwrap().segments.into_iter().for_each(|segment| list.hold(segment));
            let start = list.start_next(self.now).unwrap();
            list.settle(start.index, Settlement::Completed);
            batch.segments.extend(list.take_unsaved().into_iter().map(|update| (*interval, update)));
            batch.tasks.push(TaskRecord {
                interval: *interval,
                job: self.jobs[0],
                index: start.index,
                attempt: 1,
                failure: None,
                output: vec![b'o'; 300],
                keys: Default::default(),
                events: Vec::new(),
                ends_checkpoint: false,
                log: vec![LogLine { at: self.now, level: LogLevel::Info, message: "done".to_owned() }],
            });
        }
        let recorded = self.world.record(self.owner, &batch, self.now).await.unwrap();
        assert_eq!(recorded.ended.len(), intervals.len());
    }

    /// How many intervals are kept of a job.
    pub(crate) async fn kept(&self, job: JobId) -> usize {
        self.world.intervals_of(job, u32::MAX).await.unwrap().len()
    }
}

/// The decision that a job fires now and next after its period.
pub(crate) fn fires(job: JobId, now: Timestamp) -> FiringDecision {
    let next = now + PERIOD;
    let firing =
        Firing { interval: IntervalId::generate(), job, origin: Origin::Schedule, scheduled_at: now, fired_at: now };
    let next = Some(NextFiring { scheduled_at: next, fire_at: next });
    let verdict = Verdict { runs: vec![Run { firing, waits: None }], next, ..Verdict::default() };
    FiringDecision { job, was_due_at: now, decided_at: now, is_tracked: true, verdict }
}
