//! The verbs, each by the module that carries it out.

use super::{
    SqlStore, backfills, checkpoints, claims, components, doubt, edit, events, firing, graph, hints, hosts,
    incarnations, intervals, jobs, keeping, keys, open, operations, outputs, overdue, planning, plugins, progress,
    rates, record, recovery, removal, reopen, shares, space,
};
use crate::domain::backfill::{Backfill, History};
use crate::domain::digest::Digest;
use crate::domain::hint::Hint;
use crate::domain::host::HostProfile;
use crate::domain::ids::{BackfillId, IncarnationId, IntervalId, JobId, SegmentId, TaskIndex};
use crate::domain::job::Job;
use crate::domain::key_quota::KeyUsage;
use crate::domain::presence::Presence;
use crate::domain::rate::{RateAsk, RateGrant};
use crate::domain::shares::LaneShares;
use crate::domain::stage_graph::StageGraph;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::store::hosts::*;
use crate::store::keeping::*;
use crate::store::kept::*;
use crate::store::operations::*;
use crate::store::records::*;
use crate::store::{Result, Store};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// Makes the store of its verbs, each under the watch of its database.
macro_rules! verbs {
    ($(async fn $verb:ident(&$store:ident $(, $name:ident: $type:ty)* $(,)?) -> $answer:ty $body:block)*) => {
        #[async_trait]
        impl Store for SqlStore {
            async fn presence(&self) -> Result<Presence> {
                self.seen().await
            }

            // What waits for others than the database is not watched, or in its transactions only.
            async fn hinted(&self) -> Result<Vec<Hint>> {
                hints::hear(self).await
            }

            async fn put_plugin(&self, version: &PluginVersion, wasm: &[u8]) -> Result<Uploaded> {
                components::put(self, version, wasm).await
            }

            async fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
                components::get(self, digest).await
            }

            async fn delete_plugin_version(&self, name: &str, digest: &Digest) -> Result<VersionDeletion> {
                components::delete(self, name, digest).await
            }

            async fn remove_unused_versions(
                &self,
                superseded_before: Timestamp,
                limit: u32,
            ) -> Result<Vec<(String, Digest)>> {
                components::remove_unused(self, superseded_before, limit).await
            }

            $(async fn $verb(&$store $(, $name: $type)*) -> $answer {
                $store.watched(stringify!($verb), async move { $body }).await
            })*
        }
    };
}

verbs! {
    async fn begin_incarnation(&self, incarnation: &Incarnation) -> Result<()> {
        self.write(|| incarnations::begin(self, incarnation)).await
    }

    async fn renew_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<Renewal> {
        self.write(|| incarnations::renew(self, incarnation, now)).await
    }

    async fn database_now(&self) -> Result<Option<Timestamp>> {
        incarnations::database_now(&self.reader).await
    }

    async fn next_expiry(&self, but: IncarnationId, now: Timestamp) -> Result<Option<Timestamp>> {
        incarnations::next_expiry(&self.reader, but, now).await
    }

    async fn hosts(&self, since: Timestamp) -> Result<Vec<HostRecord>> {
        hosts::all(&self.reader, since).await
    }

    async fn living_hosts(&self, now: Timestamp) -> Result<Vec<HostProfile>> {
        hosts::living(&self.reader, now).await
    }

    async fn drain_host(&self, host_id: &str, now: Timestamp) -> Result<Drained> {
        self.write(|| hosts::drain(self, host_id, now)).await
    }

    async fn end_incarnation(&self, incarnation: IncarnationId, now: Timestamp) -> Result<()> {
        self.write(|| incarnations::end(self, incarnation, now)).await
    }

    async fn plugins(&self) -> Result<Vec<PluginVersion>> {
        plugins::current(&self.reader).await
    }

    async fn plugin_versions(&self, name: &str) -> Result<Vec<PluginVersion>> {
        plugins::versions(&self.reader, name).await
    }

    async fn create_job(&self, job: &Job) -> Result<()> {
        self.write(|| jobs::create(&self.writer, job)).await
    }

    async fn job(&self, job: JobId) -> Result<Option<Job>> {
        jobs::one(&self.reader, job).await
    }

    async fn jobs(&self) -> Result<Vec<Job>> {
        jobs::all(&self.reader).await
    }

    async fn delete_job(&self, job: JobId, now: Timestamp) -> Result<JobDeletion> {
        self.write(|| jobs::delete(self, job, now)).await
    }

    async fn edit_job(&self, edit: &JobEdit) -> Result<Edited> {
        self.write(|| edit::edit(self, edit)).await
    }

    async fn pause_job(&self, job: JobId, reason: &str, now: Timestamp) -> Result<bool> {
        self.write(|| operations::pause(self, job, reason, now)).await
    }

    async fn resume_job(&self, resume: &Resume, now: Timestamp) -> Result<bool> {
        self.write(|| operations::resume(self, resume, now)).await
    }

    async fn due_jobs(&self, now: Timestamp, limit: u32) -> Result<Vec<DueJob>> {
        firing::due(&self.reader, now, limit).await
    }

    async fn next_fire_at(&self) -> Result<Option<Timestamp>> {
        firing::next_at(&self.reader).await
    }

    async fn fire(&self, decisions: &[FiringDecision]) -> Result<Vec<bool>> {
        self.write(|| firing::fire(self, decisions)).await
    }

    async fn trigger(&self, interval: &NewInterval, idempotency_key: Option<&str>) -> Result<Triggered> {
        self.write(|| operations::trigger(self, interval, idempotency_key)).await
    }

    async fn cancel_interval(&self, interval: IntervalId, reason: &str, now: Timestamp) -> Result<Cancellation> {
        self.write(|| operations::cancel(self, interval, reason, now)).await
    }

    async fn retry_interval(&self, interval: IntervalId, now: Timestamp) -> Result<Retrial> {
        self.write(|| reopen::retry(self, interval, now)).await
    }

    async fn create_backfill(&self, backfill: &Backfill) -> Result<bool> {
        self.write(|| backfills::create(self, backfill)).await
    }

    async fn backfill(&self, backfill: BackfillId) -> Result<Option<BackfillRecord>> {
        backfills::one(&self.reader, backfill).await
    }

    async fn backfills_of(&self, job: JobId, limit: u32) -> Result<Vec<BackfillRecord>> {
        backfills::of_job(&self.reader, job, limit).await
    }

    async fn cancel_backfill(&self, backfill: BackfillId, now: Timestamp) -> Result<bool> {
        self.write(|| backfills::cancel(self, backfill, now)).await
    }

    async fn running_backfills(&self) -> Result<Vec<RunningBackfill>> {
        backfills::running(&self.reader).await
    }

    async fn firing_history(&self, job: JobId, from: Timestamp, until: Timestamp) -> Result<History> {
        backfills::history(&self.reader, job, from, until).await
    }

    async fn advance_backfill(&self, step: &BackfillStep, now: Timestamp) -> Result<bool> {
        self.write(|| backfills::advance(self, step, now)).await
    }

    async fn claim_pending(&self, owner: IncarnationId, now: Timestamp, room: PlanRoom) -> Result<Vec<IntervalId>> {
        self.write(|| planning::claim(self, owner, now, room)).await
    }

    async fn open_interval(&self, interval: IntervalId) -> Result<Option<OpenInterval>> {
        open::one(&self.reader, interval).await
    }

    async fn record_plans(
        &self,
        owner: IncarnationId,
        plans: &[MadePlan],
        now: Timestamp,
    ) -> Result<Vec<Option<Planned>>> {
        self.write(|| planning::record(self, owner, plans, now)).await
    }

    async fn record_plan_failure(
        &self,
        owner: IncarnationId,
        interval: IntervalId,
        failure: &Failure,
        retry_at: Option<Timestamp>,
        record: PlanRecord,
        now: Timestamp,
    ) -> Result<()> {
        self.write(|| planning::record_failure(self, owner, interval, failure, retry_at, &record, now)).await
    }

    async fn end_overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<(IntervalId, JobId)>> {
        self.write(|| overdue::end(self, now, limit)).await
    }

    async fn stage_graph(&self, interval: IntervalId) -> Result<Option<StageGraph>> {
        graph::one(&self.reader, interval).await
    }

    async fn stalled_intervals(&self) -> Result<Vec<(IntervalId, JobId)>> {
        graph::stalled(&self.reader).await
    }

    async fn claimable_intervals(
        &self,
        owner: IncarnationId,
        now: Timestamp,
        except: &[IntervalId],
        limit: u32,
    ) -> Result<Vec<IntervalId>> {
        claims::claimable(&self.reader, owner, now, except, limit).await
    }

    async fn next_wake_at(&self) -> Result<Option<Timestamp>> {
        claims::next_wake_at(&self.reader).await
    }

    async fn claim_segments(&self, claims: &[Claim]) -> Result<Vec<Result<Claimed>>> {
        self.write(|| claims::claim(self, claims)).await
    }

    async fn lane_shares(&self, intervals: &[IntervalId]) -> Result<Vec<(IntervalId, LaneShares)>> {
        shares::of(&self.reader, intervals).await
    }

    async fn reserve_rates(&self, asks: &[RateAsk], now: Timestamp) -> Result<Vec<RateGrant>> {
        self.write(|| rates::reserve(self, asks, now)).await
    }

    async fn record(&self, owner: IncarnationId, batch: &Batch, now: Timestamp) -> Result<Recorded> {
        self.write(|| record::record(self, owner, batch, now)).await
    }

    async fn save_checkpoints(
        &self,
        owner: IncarnationId,
        saves: &[CheckpointSave],
        now: Timestamp,
    ) -> Result<Vec<bool>> {
        self.write(|| checkpoints::save(self, owner, saves, now)).await
    }

    async fn checkpoint(&self, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
        checkpoints::get(&self.reader, interval, index).await
    }

    async fn output(&self, interval: IntervalId, index: TaskIndex) -> Result<Option<Vec<u8>>> {
        outputs::get(&self.reader, interval, index).await
    }

    async fn recorded_before(&self, owner: IncarnationId, batch: &Batch) -> Result<Option<Recorded>> {
        self.write(|| doubt::recorded_before(self, owner, batch)).await
    }

    async fn held_segments(&self, owner: IncarnationId) -> Result<Vec<SegmentId>> {
        doubt::held(&self.reader, owner).await
    }

    async fn give_back(&self, owner: IncarnationId, segments: &[SegmentId]) -> Result<()> {
        self.write(|| doubt::give_back(self, owner, segments)).await
    }

    async fn ended_among(&self, intervals: &[HeldInterval]) -> Result<Vec<IntervalId>> {
        progress::ended_among(&self.reader, intervals).await
    }

    async fn publish_progress(&self, intervals: &[IntervalId]) -> Result<()> {
        self.write(|| progress::publish(self, intervals)).await
    }

    async fn incomplete_jobs(&self) -> Result<Vec<IncompleteJob>> {
        recovery::incomplete_jobs(&self.reader).await
    }

    async fn interrupted_intervals(&self, expired_before: Timestamp) -> Result<Vec<InterruptedInterval>> {
        recovery::interrupted(&self.reader, expired_before).await
    }

    async fn resume(&self, interval: IntervalId, takeover: Takeover, now: Timestamp) -> Result<Resumed> {
        self.write(|| recovery::resume(self, interval, takeover, now)).await
    }

    async fn abandon(
        &self,
        interval: IntervalId,
        reason: &str,
        replacement: Option<&NewInterval>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(|| recovery::abandon(self, interval, reason, replacement, now)).await
    }

    async fn interval(&self, interval: IntervalId) -> Result<Option<IntervalRecord>> {
        intervals::one(&self.reader, interval).await
    }

    async fn intervals_of(&self, job: JobId, limit: u32) -> Result<Vec<IntervalRecord>> {
        intervals::of_job(&self.reader, job, limit).await
    }

    async fn stages(&self, interval: IntervalId) -> Result<Vec<StageRecord>> {
        progress::stages(&mut *self.reader.acquire().await?, interval).await
    }

    async fn segments(&self, interval: IntervalId, from: TaskIndex, limit: u32) -> Result<Vec<SegmentRecord>> {
        progress::segments(&self.reader, interval, from, limit).await
    }

    async fn task_notes(
        &self,
        interval: IntervalId,
        first: TaskIndex,
        last: TaskIndex,
    ) -> Result<BTreeMap<TaskIndex, TaskNote>> {
        intervals::task_notes(&self.reader, interval, first, last).await
    }

    async fn logs(
        &self,
        interval: IntervalId,
        index: Option<TaskIndex>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LogRecord>> {
        intervals::logs(&self.reader, interval, index, after, limit).await
    }

    async fn events(&self, interval: IntervalId, after: i64, limit: u32) -> Result<Vec<EventRecord>> {
        events::page(&self.reader, interval, after, limit).await
    }

    async fn key(&self, job: JobId, key: &str) -> Result<Option<Vec<u8>>> {
        keys::get(&self.reader, job, key).await
    }

    async fn list_keys(&self, job: JobId, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        keys::list(&self.reader, job, prefix, after, limit).await
    }

    async fn key_usage(&self, job: JobId, keys: &[String]) -> Result<KeyUsage> {
        keys::usage(&self.reader, job, keys).await
    }

    async fn jobs_with_history(&self, since: Option<Timestamp>) -> Result<Vec<JobId>> {
        keeping::jobs(&self.reader, since).await
    }

    async fn histories(&self, jobs: &[JobId], limit: u32) -> Result<Vec<JobHistory>> {
        keeping::histories(&self.reader, jobs, limit).await
    }

    async fn remove_intervals(&self, intervals: &[IntervalId], slice: Slice) -> Result<Removal> {
        self.write(|| removal::intervals(self, intervals, slice)).await
    }

    async fn remove_deleted_job(&self, job: JobId) -> Result<bool> {
        self.write(|| removal::deleted_job(self, job)).await
    }

    async fn remove_dead_incarnations(&self, dead_before: Timestamp) -> Result<u64> {
        self.write(|| incarnations::remove_dead(&self.writer, dead_before)).await
    }

    async fn hint(&self, hints: &[Hint]) -> Result<()> {
        hints::tell(self, hints).await
    }

    async fn give_back_pages(&self, pages_max: u64) -> Result<Space> {
        space::give_back(&self.writer, pages_max).await
    }
}
