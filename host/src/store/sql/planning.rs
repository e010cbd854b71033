//! From an interval that has fired to one that has stages and segments.

use super::record::{insert_log, recorded};
use super::rows::{instant, json, number, parsed, to_json};
use super::{Connection, Row, SqlStore, closing, dialect, events, incarnations, keys, locks, overdue, transitions};
use crate::domain::ids::{IncarnationId, IntervalId, JobId};
use crate::domain::interval::{IntervalEvent, IntervalState};
use crate::domain::shares::LaneShares;
use crate::domain::stage;
use crate::domain::task::Failure;
use crate::domain::timestamp::Timestamp;
use crate::domain::worklist::LeasedSegment;
use crate::store::{MadePlan, PlanRecord, PlanRoom, Planned, Recorded, RefusedKeys, Result, StoreError};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Those that wait, each with which of its job's and of its workspace's plans at this host it would be. The owner is
/// locked first, so that it does not end meanwhile; what somebody else is about to take is passed by.
pub(super) const CLAIM: &str = concat!(
    "with holder as materialized (\
       select id, labels from incarnations \
         where id = $1 and ended_at is null and expires_at >= $2 and drain_at is null",
    for_key_share!(),
    "), held as materialized (\
       select job_id, workspace_id from intervals ",
    lookup_join!(),
    " jobs on jobs.id = job_id \
       where state in ('pending', 'running') and state = 'pending' and owner = $1 \
     ), of_job as materialized (select job_id, count(*) as held from held group by job_id \
     ), of_workspace as materialized (select workspace_id, count(*) as held from held group by workspace_id \
     ), waiting as materialized (\
       select intervals.id, intervals.job_id, jobs.workspace_id, priority, fired_at, \
         coalesce(of_job.held, 0) + row_number() over (partition by intervals.job_id order by priority desc, fired_at) \
           as turn_of_job \
       from intervals ",
    lookup_join!(),
    " jobs on jobs.id = intervals.job_id left join of_job on of_job.job_id = intervals.job_id \
       where state in ('pending', 'running') and state = 'pending' \
       and is_queued = false and owner is null and (plan_at is null or plan_at <= $2) \
       and exists (select 1 from holder where intervals.requires = '{}' or ",
    labels_meet!("holder.labels", "intervals.requires"),
    ")), in_turn as materialized (\
       select id, priority, fired_at, coalesce(of_workspace.held, 0) \
         + row_number() over (partition by waiting.workspace_id order by priority desc, fired_at) as turn \
       from waiting left join of_workspace on of_workspace.workspace_id = waiting.workspace_id \
       where turn_of_job <= $4 \
     ), taken as materialized (\
       select intervals.id from in_turn ",
    lookup_join!(),
    " intervals on intervals.id = in_turn.id \
       where turn <= $5 and state = 'pending' and owner is null \
       order by turn, in_turn.priority desc, in_turn.fired_at limit $3",
    for_no_key_update!(of "intervals"),
    skip_locked!(),
    ") update intervals set owner = $1, plan_at = null where id in (select id from taken) \
     returning id, priority, fired_at"
);

pub(super) const CLAIMED: &str = "select id from intervals \
    where state in ('pending', 'running') and state = 'pending' and owner = $1 \
    and exists (select 1 from incarnations where id = $1 and ended_at is null and expires_at >= $2) \
    order by priority desc, fired_at";

/// For all plans of a commit at once: each statement is a way to the thread of the database and back.
pub(super) const BEGIN: &str = concat!(
    "update intervals set state = $1, owner = null, total = made.total, shares = made.shares, started_at = $2, \
       reason = null \
     from (select value ->> 0 as id, cast(value ->> 1 as bigint) as total, value ->> 2 as shares from ",
    elements!("$3"),
    " as listed) as made where intervals.id = made.id and intervals.owner = $4 and intervals.state = 'pending' \
       and exists (select 1 from incarnations where incarnations.id = $4 and ended_at is null) \
     returning intervals.id, job_id, plan_attempts, policy"
);

const INSERT_STAGES: &str = concat!(
    "insert into stages (interval_id, number, name, first_index, tasks, waits_for, is_open) \
     select value ->> 0, cast(value ->> 1 as bigint), value ->> 2, cast(value ->> 3 as bigint), \
       cast(value ->> 4 as bigint), value ->> 5, cast(value ->> 6 as boolean) from ",
    elements!("$1"),
    " as listed"
);

const INSERT_SEGMENTS: &str = concat!(
    "insert into segments (interval_id, number, stage, first_index, length, state, owner, epoch) \
     select value ->> 0, cast(value ->> 1 as bigint), cast(value ->> 2 as bigint), cast(value ->> 3 as bigint), \
       cast(value ->> 4 as bigint), value ->> 5, value ->> 6, cast(value ->> 7 as bigint) from ",
    elements!("$1"),
    " as listed"
);

pub(super) async fn claim(
    store: &SqlStore,
    owner: IncarnationId,
    now: Timestamp,
    room: PlanRoom,
) -> Result<Vec<IntervalId>> {
    let id = owner.to_string();
    // Taken before and not to be written again; with them none is forgotten whose plan could not be recorded.
    let held = sqlx::query(CLAIMED).bind(&id).bind(now.ms()).fetch_all(&store.reader).await?;
    let mut new = if room.all > 0 { claim_new(store, &id, now, room).await? } else { Vec::new() };
    // What a statement that writes returns is in no order.
    let order = |row: &Row| -> Result<_> { Ok((Reverse(number::<i64>(row, "priority")?), instant(row, "fired_at")?)) };
    new.sort_by_cached_key(|row: &Row| order(row).ok());
    held.iter().chain(&new).map(|row| parsed(row, "id")).collect()
}

async fn claim_new(store: &SqlStore, owner: &str, now: Timestamp, room: PlanRoom) -> Result<Vec<Row>> {
    let PlanRoom { all, job, workspace } = room;
    let mut claim = sqlx::query(CLAIM).bind(owner).bind(now.ms());
    for places in [all, job, workspace] {
        claim = claim.bind(i64::from(places));
    }
    Ok(claim.fetch_all(&store.writer).await?)
}

pub(super) async fn record(
    store: &SqlStore,
    owner: IncarnationId,
    plans: &[MadePlan],
    now: Timestamp,
) -> Result<Vec<Option<Planned>>> {
    let mut tx = store.begin().await?;
    let is_alive = incarnations::is_alive(&mut tx, owner, now).await?;
    let intervals: Vec<_> = plans.iter().map(|made| made.interval).collect();
    locks::jobs_of(&mut tx, &intervals).await?;
    locks::intervals(&mut tx, &intervals).await?;
    // Nothing is given to the dead.
    let shares = |made: &MadePlan| is_alive.then(|| LaneShares::of_planner(owner, made.lanes, now));
    let rows: Vec<_> = plans.iter().map(|made| (made.interval, made.plan.total(), shares(made))).collect();
    let begun = begin(&mut tx, owner, &rows, now).await?;
    let owner = is_alive.then_some(owner);
    let (mut stages, mut segments) = (Vec::new(), Vec::new());
    let mut planned = Vec::new();
    for made in plans {
        let Some(attempt) = begun.get(&made.interval) else {
            planned.push(None);
            continue;
        };
        keep_writes(&mut tx, made.interval, *attempt, &made.record).await?;
        let is_open = stage::opening(&made.plan);
        stages.extend(stage_rows(made, &is_open));
        let leased = segment_rows(made, &is_open, owner, &mut segments);
        let recorded = Recorded { has_opened: made.plan.total() > 0, ..Recorded::default() };
        planned.push(Some(Planned { recorded, segments: leased }));
    }
    sqlx::query(INSERT_STAGES).bind(to_json(&stages)).execute(&mut *tx).await?;
    sqlx::query(INSERT_SEGMENTS).bind(to_json(&segments)).execute(&mut *tx).await?;
    for (made, planned) in plans.iter().zip(&mut planned) {
        if made.plan.total() == 0
            && let Some(planned) = planned
        {
            // Nothing to do: it ends with its plan.
            let advanced = transitions::advance(&mut tx, made.interval, now).await?;
            planned.recorded = recorded([(made.interval, advanced)]);
        }
    }
    tx.commit().await?;
    Ok(planned)
}

/// Moves the intervals on to so many tasks, with what its planner has of their lanes, and tells which attempt at a plan this was of each; those that the owner no longer holds are
/// not among them.
async fn begin(
    connection: &mut Connection,
    owner: IncarnationId,
    plans: &[(IntervalId, u32, Option<LaneShares>)],
    now: Timestamp,
) -> Result<BTreeMap<IntervalId, u32>> {
    let state = IntervalState::Pending.next(IntervalEvent::Planned).expect("a pending interval takes a plan");
    let rows = sqlx::query(BEGIN)
        .bind(state.name())
        .bind(now.ms())
        .bind(to_json(&plans))
        .bind(owner.to_string())
        .fetch_all(&mut *connection)
        .await?;
    let (mut begun, mut jobs) = (BTreeMap::new(), Vec::<JobId>::new());
    for row in &rows {
        let (interval, failed): (IntervalId, u32) = (parsed(row, "id")?, number(row, "plan_attempts")?);
        overdue::set_deadline(connection, interval, &json(row, "policy")?, now).await?;
        jobs.push(parsed(row, "job_id")?);
        begun.insert(interval, failed + 1);
    }
    transitions::show_next_open_of_each(connection, &jobs).await?;
    Ok(begun)
}

/// The columns of [`INSERT_STAGES`].
fn stage_rows(made: &MadePlan, is_open: &[bool]) -> Vec<impl Serialize + use<>> {
    let rows = (0u32..).zip(made.plan.stages().iter().zip(is_open));
    rows.map(|(number, (stage, is_open))| {
        let (first, tasks, waits_for) = (stage.first, stage.tasks, stage.waits_for.clone());
        (made.interval, number, stage.name.clone(), first, tasks, waits_for, u8::from(*is_open))
    })
    .collect()
}

/// The columns of [`INSERT_SEGMENTS`].
type SegmentRow = (IntervalId, u32, u32, u32, u32, &'static str, Option<IncarnationId>, u32);

/// Adds the rows of all segments, and answers with the first of open stages, which are the owner's at once: no claim of
/// theirs needs a commit of its own.
fn segment_rows(
    made: &MadePlan,
    is_open: &[bool],
    owner: Option<IncarnationId>,
    rows: &mut Vec<SegmentRow>,
) -> Vec<LeasedSegment> {
    let mut leased = Vec::new();
    for span in made.plan.segments(made.lanes) {
        let owner = owner.filter(|_| is_open[span.stage as usize] && leased.len() < made.segments_max as usize);
        let (state, epoch) = match (is_open[span.stage as usize], owner) {
            (false, _) => ("blocked", 0),
            (true, None) => ("free", 0),
            (true, Some(_)) => ("leased", 1),
        };
        if owner.is_some() {
            leased.push(LeasedSegment::fresh(span));
        }
        rows.push((made.interval, span.number, span.stage, span.first, span.length, state, owner, epoch));
    }
    leased
}

pub(super) async fn record_failure(
    store: &SqlStore,
    owner: IncarnationId,
    interval: IntervalId,
    failure: &Failure,
    retry_at: Option<Timestamp>,
    record: &PlanRecord,
    now: Timestamp,
) -> Result<()> {
    let mut tx = store.begin().await?;
    locks::living(&mut tx, owner).await?;
    locks::jobs_of(&mut tx, &[interval]).await?;
    locks::intervals(&mut tx, &[interval]).await?;
    let reason = format!("the plan failed ({}): {}", failure.kind.name(), failure.message);
    let row = sqlx::query(
        "update intervals set owner = null, plan_attempts = plan_attempts + 1, plan_at = $1, reason = $2 \
         where id = $3 and owner = $4 and state = 'pending' \
         and exists (select 1 from incarnations where id = $4 and ended_at is null) returning plan_attempts",
    )
    .bind(retry_at.map(Timestamp::ms))
    .bind(dialect::text(&reason))
    .bind(interval.to_string())
    .bind(owner.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    let row = row.ok_or(StoreError::LeaseLost(owner))?;
    keep_writes(&mut tx, interval, number(&row, "plan_attempts")?, record).await?;
    if retry_at.is_none() {
        closing::close(&mut tx, interval, IntervalEvent::PlanFailed, Some(&reason), now).await?;
    }
    Ok(tx.commit().await?)
}

async fn keep_writes(
    connection: &mut Connection,
    interval: IntervalId,
    attempt: u32,
    record: &PlanRecord,
) -> Result<()> {
    if let Err(over) = keys::write(connection, interval, &record.keys).await? {
        return Err(StoreError::KeysOverQuota(vec![RefusedKeys { interval, index: None, over }]));
    }
    events::insert(connection, interval, None, &record.events).await?;
    insert_log(connection, interval, None, attempt, &record.log).await
}
