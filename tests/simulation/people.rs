//! What people do to jobs and intervals, as the API does it, past the weather.

use crate::host::Host;
use crate::jobs;
use crate::run::Run;
use latchwork::domain::backfill::{Backfill, BackfillMode, BackfillState, INSTANTS_MAX, instants};
use latchwork::domain::digest::Digest;
use latchwork::domain::firing::UnrunFiring;
use latchwork::domain::ids::{BackfillId, IntervalId, JobId};
use latchwork::domain::interval::{Firing, IntervalState, Origin};
use latchwork::domain::job::{Job, JobStatus};
use latchwork::domain::pausing::{Passed, Resumption, resumption};
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{NewInterval, PluginVersion, Resume, Retrial, SqliteStore, Store as _};
use std::time::Duration;

/// Jobs of a run.
const JOBS_MAX: usize = 6;

/// The longest past range that is run again.
const RANGE_MAX: Duration = Duration::from_secs(90);

impl Run {
    pub(crate) fn create_job(&mut self) {
        if self.jobs.len() >= JOBS_MAX {
            return;
        }
        let now = self.world.timeline.now();
        let alive: Vec<JobId> =
            self.jobs.iter().copied().filter(|job| self.ask(|store| store.job(*job)).unwrap().is_some()).collect();
        let (job, seen) = jobs::drawn(&mut self.world.dice(), self.jobs.len(), &alive, now);
        self.world.note(&format!("{seen:?}, {:?}, recovery {}", job.spec.work, job.spec.enable_recovery));
        self.world.oracle().job_is_kept(&job.id.to_string(), seen);
        self.ask(|store| store.create_job(&job)).unwrap();
        self.jobs.push(job.id);
        self.nudge(|host| host.wakeups.scheduler.nudge());
    }

    pub(crate) fn trigger(&mut self) {
        let job = self.world.dice().one_of(&self.jobs);
        let now = self.world.timeline.now();
        let firing =
            Firing { interval: IntervalId::generate(), job, origin: Origin::Trigger, scheduled_at: now, fired_at: now };
        let is_tracked = self.recovery.is_enabled && self.world.dice().chance(900);
        let interval = NewInterval { firing, is_tracked };
        self.ask(|store| store.trigger(&interval, None)).unwrap();
        self.nudge(|host| host.wakeups.executor.nudge());
    }

    pub(crate) fn upload(&mut self) {
        // Sometimes one that was there before: somebody takes an upgrade back.
        let version = self.world.dice().within(1..=3);
        let wasm = format!("version {version} of a component").into_bytes();
        let version = PluginVersion {
            name: jobs::PLUGIN.to_owned(),
            digest: Digest::of(&wasm),
            size_bytes: wasm.len() as u64,
            imports: Vec::new(),
            uploaded_at: self.world.timeline.now(),
        };
        self.ask(|store| store.put_plugin(&version, &wasm)).unwrap();
        self.nudge_of_ended();
    }

    pub(crate) fn delete_job(&mut self) {
        let job = self.world.dice().one_of(&self.jobs);
        let now = self.world.timeline.now();
        self.ask(|store| store.delete_job(job, now)).unwrap();
    }

    pub(crate) fn pause_job(&mut self) {
        let (job, now) = (self.some_job(), self.world.timeline.now());
        self.ask(|store| store.pause_job(job, "somebody wants it so", now)).unwrap();
    }

    pub(crate) fn resume_job(&mut self) {
        let (job, now) = (self.some_job(), self.world.timeline.now());
        let Some(job) = self.ask(|store| store.job(job)).unwrap() else { return };
        let JobStatus::Paused { reason } = &job.status else { return };
        let Resumption { next, skipped } = resumption(&job, reason, now);
        let skipped = skipped.map(|(passed, reason)| unrun(passed, reason, now));
        let resume = Resume { job: job.id, next, skipped };
        self.ask(|store| store.resume_job(&resume, now)).unwrap();
        self.nudge(|host| host.wakeups.scheduler.nudge());
    }

    pub(crate) fn cancel_interval(&mut self) {
        let open = self.world.oracle().open_ids();
        let Some(interval) = self.one_of(&open) else { return };
        let now = self.world.timeline.now();
        self.ask(|store| store.cancel_interval(interval, "somebody wants it so", now)).unwrap();
        self.nudge_of_ended();
    }

    pub(crate) fn retry_interval(&mut self) {
        let ended = self.world.oracle().ended_badly();
        let Some(interval) = self.one_of(&ended) else { return };
        let now = self.world.timeline.now();
        let retrial = self.ask(|store| store.retry_interval(interval, now)).unwrap();
        if retrial == Retrial::Reopened {
            self.world.oracle().is_reopened(interval);
        }
        let what = self.world.oracle().shorten(&format!("a retry of interval {interval}: {retrial:?}"));
        self.world.note(&what);
        self.nudge_of_ended();
    }

    pub(crate) fn begin_backfill(&mut self) {
        let (job, now) = (self.some_job(), self.world.timeline.now());
        let Some(job) = self.ask(|store| store.job(job)).unwrap() else { return };
        let Some(backfill) = self.drawn_backfill(&job, now) else { return };
        let begun = self.ask(|store| store.create_backfill(&backfill)).unwrap();
        assert!(begun, "the job was there a moment ago");
        self.world.oracle().backfill_is_kept(&backfill.id.to_string(), backfill.from.ms()..backfill.until.ms());
        self.world.note(&format!("{:?} from {} until {}", backfill.mode, backfill.from, backfill.until));
        self.backfills.push(backfill.id);
        self.nudge(|host| host.wakeups.backfiller.nudge());
    }

    fn drawn_backfill(&self, job: &Job, now: Timestamp) -> Option<Backfill> {
        let mut dice = self.world.dice();
        let until = now - Duration::from_secs(dice.within(0..=20));
        let from = until - Duration::from_secs(dice.within(1..=RANGE_MAX.as_secs()));
        let mode = dice.one_of(&[BackfillMode::All, BackfillMode::Failed, BackfillMode::Missing]);
        let max_parallel = dice.one_of(&[1, 1, 2, 4]);
        let planned = instants(&job.spec.schedule, from, until, now).ok()?.len().min(INSTANTS_MAX) as u64;
        Some(Backfill {
            id: BackfillId::generate(),
            job: job.id,
            mode,
            state: BackfillState::Running,
            from,
            until,
            next_at: from,
            max_parallel,
            planned,
            fired: 0,
            created_at: now,
            finished_at: None,
        })
    }

    pub(crate) fn cancel_backfill(&mut self) {
        let Some(backfill) = self.one_of(&self.backfills) else { return };
        let now = self.world.timeline.now();
        self.ask(|store| store.cancel_backfill(backfill, now)).unwrap();
        self.nudge_of_ended();
    }

    fn some_job(&self) -> JobId {
        self.world.dice().one_of(&self.jobs)
    }

    fn one_of<T: Copy>(&self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(self.world.dice().one_of(choices)) }
    }

    /// What people ask of the store has no bad weather: they would ask again.
    fn ask<'a, F: Future>(&'a self, ask: impl FnOnce(&'a SqliteStore) -> F) -> F::Output {
        self.world.database.wait(ask(&self.world.database.store))
    }

    fn nudge_of_ended(&self) {
        self.nudge(|host| {
            host.wakeups.ended.nudge();
            host.wakeups.executor.nudge();
        });
    }

    /// Polling is the truth: only some hosts hear of a change.
    fn nudge(&self, nudge: impl Fn(&Host)) {
        self.hosts.iter().filter(|_| self.world.dice().chance(500)).for_each(nudge);
    }
}

/// What is kept of firings that passed while their job was paused.
fn unrun(passed: Passed, reason: String, decided_at: Timestamp) -> UnrunFiring {
    let Passed { first_at: scheduled_at, last_at, count } = passed;
    let (id, state) = (IntervalId::generate(), IntervalState::Skipped);
    UnrunFiring { id, state, reason, scheduled_at, last_at, count, decided_at }
}
