//! A host's way to the store, on which calls are slow, fail, lose their answers or are the last that the host does.

use crate::weather::Fault;
use crate::world::World;
use async_trait::async_trait;
use latchwork::domain::backfill::{Backfill, History};
use latchwork::domain::digest::Digest;
use latchwork::domain::hint::Hint;
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::{BackfillId, IncarnationId, IntervalId, JobId, SegmentId, TaskIndex};
use latchwork::domain::job::Job;
use latchwork::domain::key_quota::KeyUsage;
use latchwork::domain::presence::Presence;
use latchwork::domain::rate::{RateAsk, RateGrant};
use latchwork::domain::secret::{KeyId, Sealed, Sealing, SecretId};
use latchwork::domain::shares::LaneShares;
use latchwork::domain::stage_graph::StageGraph;
use latchwork::domain::task::Failure;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::*;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

pub(crate) struct FaultyStore {
    world: Arc<World>,
    host: usize,
}

/// What writes as an incarnation: nothing of it may have an effect when that has lost its lease.
const FENCED: [&str; 8] = [
    "record",
    "record_plans",
    "record_plan_failure",
    "claim_pending",
    "claim_segments",
    "renew_incarnation",
    "save_checkpoints",
    "give_back",
];

type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl FaultyStore {
    pub(crate) fn new(world: Arc<World>, host: usize) -> Self {
        Self { world, host }
    }

    /// One call. Nothing else happens while it is carried out.
    async fn step<T: Send>(&self, verb: &'static str, call: Call<'_, T>) -> Result<T> {
        let Self { world, host } = self;
        if world.is_doomed(*host) {
            return std::future::pending().await;
        }
        let fault = world.fault(*host, verb);
        match fault {
            Some(Fault::ParkBefore) => world.park(*host, verb).await,
            Some(Fault::DieBefore) => return world.die(*host).await,
            Some(Fault::Fail) => return Err(down()),
            Some(Fault::ParkAfter | Fault::LoseAnswer | Fault::DieAfter) | None => {}
        }
        if world.is_doomed(*host) {
            return std::future::pending().await;
        }
        let answer = self.carry_out(verb, call);
        match fault {
            Some(Fault::ParkAfter) => world.park(*host, verb).await,
            Some(Fault::DieAfter) => return world.die(*host).await,
            Some(Fault::LoseAnswer) => return Err(down()),
            Some(Fault::ParkBefore | Fault::DieBefore | Fault::Fail) | None => {}
        }
        answer
    }

    fn carry_out<T>(&self, verb: &'static str, call: Call<'_, T>) -> Result<T> {
        let Self { world, host } = self;
        let fenced = FENCED.contains(&verb).then(|| world.oracle().version_if_stale(*host)).flatten();
        if verb == "resume" {
            world.oracle().before_takeover();
        }
        if verb == "remove_intervals" {
            world.oracle().before_removal();
        }
        // What was taken over before cannot be given back any more.
        let gives_back = verb == "end_incarnation" && !world.oracle().is_stale(*host);
        // A heartbeat changes nothing that the oracle checks, and is the most frequent of all changes.
        let has_seen_all = verb == "renew_incarnation" && world.oracle().has_seen_all();
        let answer = world.database.wait(call);
        if has_seen_all {
            world.oracle().has_seen_that();
        }
        if let Some(version) = fenced {
            world.oracle().stale_host_wrote(*host, verb, version);
        }
        if gives_back && answer.is_ok() {
            world.oracle().host_gave_back(*host);
        }
        answer
    }
}

/// What a database answers that cannot be reached.
fn down() -> StoreError {
    StoreError::Database(sqlx::Error::PoolTimedOut)
}

/// Sends every method through [`FaultyStore::step`].
macro_rules! faulty {
    ($trait:ident { $($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $trait for FaultyStore {
            $(async fn $verb(&self, $($name: $type),*) -> Result<$answer> {
                self.step(stringify!($verb), self.world.database.store.$verb($($name),*)).await
            })*
        }
    };
}

faulty! { Store {
    presence() -> Presence;
    begin_incarnation(incarnation: &Incarnation) -> ();
    renew_incarnation(incarnation: IncarnationId, now: Timestamp) -> Renewal;
    database_now() -> Option<Timestamp>;
    next_expiry(but: IncarnationId, now: Timestamp) -> Option<Timestamp>;
    hosts(since: Timestamp) -> Vec<HostRecord>;
    living_hosts(now: Timestamp) -> Vec<HostProfile>;
    drain_host(host_id: &str, now: Timestamp) -> Drained;
    end_incarnation(incarnation: IncarnationId, now: Timestamp) -> ();
    put_plugin(version: &PluginVersion, wasm: &[u8]) -> Uploaded;
    plugins() -> Vec<PluginVersion>;
    plugin_versions(name: &str) -> Vec<PluginVersion>;
    component(digest: &Digest) -> Option<Vec<u8>>;
    delete_plugin_version(name: &str, digest: &Digest) -> VersionDeletion;
    create_job(job: &Job) -> ();
    job(job: JobId) -> Option<Job>;
    jobs() -> Vec<Job>;
    delete_job(job: JobId, now: Timestamp) -> JobDeletion;
    edit_job(edit: &JobEdit) -> Edited;
    pause_job(job: JobId, reason: &str, now: Timestamp) -> bool;
    resume_job(resume: &Resume, now: Timestamp) -> bool;
    due_jobs(now: Timestamp, limit: u32) -> Vec<DueJob>;
    next_fire_at() -> Option<Timestamp>;
    fire(decisions: &[FiringDecision]) -> Vec<bool>;
    trigger(interval: &NewInterval, idempotency_key: Option<&str>) -> Triggered;
    cancel_interval(interval: IntervalId, reason: &str, now: Timestamp) -> Cancellation;
    retry_interval(interval: IntervalId, now: Timestamp) -> Retrial;
    create_backfill(backfill: &Backfill) -> bool;
    backfill(backfill: BackfillId) -> Option<BackfillRecord>;
    backfills_of(job: JobId, limit: u32) -> Vec<BackfillRecord>;
    cancel_backfill(backfill: BackfillId, now: Timestamp) -> bool;
    running_backfills() -> Vec<RunningBackfill>;
    firing_history(job: JobId, from: Timestamp, until: Timestamp) -> History;
    advance_backfill(step: &BackfillStep, now: Timestamp) -> bool;
    claim_pending(owner: IncarnationId, now: Timestamp, room: PlanRoom) -> Vec<IntervalId>;
    open_interval(interval: IntervalId) -> Option<OpenInterval>;
    record_plans(owner: IncarnationId, plans: &[MadePlan], now: Timestamp) -> Vec<Option<Planned>>;
    record_plan_failure(
        owner: IncarnationId, interval: IntervalId, failure: &Failure, retry_at: Option<Timestamp>,
        record: PlanRecord, now: Timestamp
    ) -> ();
    end_overdue(now: Timestamp, limit: u32) -> Vec<(IntervalId, JobId)>;
    stage_graph(interval: IntervalId) -> Option<StageGraph>;
    stalled_intervals() -> Vec<(IntervalId, JobId)>;
    claimable_intervals(owner: IncarnationId, now: Timestamp, except: &[IntervalId], limit: u32) -> Vec<IntervalId>;
    next_wake_at() -> Option<Timestamp>;
    claim_segments(claims: &[Claim]) -> Vec<Result<Claimed>>;
    lane_shares(intervals: &[IntervalId]) -> Vec<(IntervalId, LaneShares)>;
    reserve_rates(asks: &[RateAsk], now: Timestamp) -> Vec<RateGrant>;
    record(owner: IncarnationId, batch: &Batch, now: Timestamp) -> Recorded;
    save_checkpoints(owner: IncarnationId, saves: &[CheckpointSave], now: Timestamp) -> Vec<bool>;
    checkpoint(interval: IntervalId, index: TaskIndex) -> Option<Vec<u8>>;
    output(interval: IntervalId, index: TaskIndex) -> Option<Vec<u8>>;
    recorded_before(owner: IncarnationId, batch: &Batch) -> Option<Recorded>;
    held_segments(owner: IncarnationId) -> Vec<SegmentId>;
    give_back(owner: IncarnationId, segments: &[SegmentId]) -> ();
    ended_among(intervals: &[HeldInterval]) -> Vec<IntervalId>;
    publish_progress(intervals: &[IntervalId]) -> ();
    incomplete_jobs() -> Vec<IncompleteJob>;
    interrupted_intervals(expired_before: Timestamp) -> Vec<InterruptedInterval>;
    resume(interval: IntervalId, takeover: Takeover, now: Timestamp) -> Resumed;
    abandon(interval: IntervalId, reason: &str, replacement: Option<&NewInterval>, now: Timestamp) -> ();
    interval(interval: IntervalId) -> Option<IntervalRecord>;
    intervals_of(job: JobId, limit: u32) -> Vec<IntervalRecord>;
    stages(interval: IntervalId) -> Vec<StageRecord>;
    segments(interval: IntervalId, from: TaskIndex, limit: u32) -> Vec<SegmentRecord>;
    task_notes(interval: IntervalId, first: TaskIndex, last: TaskIndex) -> BTreeMap<TaskIndex, TaskNote>;
    logs(interval: IntervalId, index: Option<TaskIndex>, after: i64, limit: u32) -> Vec<LogRecord>;
    events(interval: IntervalId, after: i64, limit: u32) -> Vec<EventRecord>;
    key(job: JobId, key: &str) -> Option<Vec<u8>>;
    list_keys(job: JobId, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String>;
    key_usage(job: JobId, keys: &[String]) -> KeyUsage;
    jobs_with_history(since: Option<Timestamp>) -> Vec<JobId>;
    histories(jobs: &[JobId], limit: u32) -> Vec<JobHistory>;
    remove_intervals(intervals: &[IntervalId], slice: Slice) -> Removal;
    remove_deleted_job(job: JobId) -> bool;
    remove_unused_versions(superseded_before: Timestamp, limit: u32) -> Vec<(String, Digest)>;
    remove_dead_incarnations(dead_before: Timestamp) -> u64;
    hint(hints: &[Hint]) -> ();
    hinted() -> Vec<Hint>;
    give_back_pages(pages_max: u64) -> Space;
} }

faulty! { SecretStore {
    put_secret(secret: &SecretId, sealing: &Sealing, now: Timestamp) -> SecretPut;
    secrets(workspace: &str) -> Vec<SecretRecord>;
    sealed_secrets(workspace: &str, names: &[&str]) -> BTreeMap<String, Sealed>;
    delete_secret(secret: &SecretId) -> SecretDeletion;
    secret_keys() -> BTreeMap<KeyId, u64>;
    all_sealed_secrets() -> Vec<(SecretId, Sealed)>;
    reseal_secrets(key: &KeyId, resealed: &[Resealed]) -> bool;
} }
