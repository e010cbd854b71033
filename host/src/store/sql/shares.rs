//! What hosts have of the lanes of intervals, which they settle one after another.

use super::rows::{json, number, parsed, to_json};
use super::{Connection, Pool, Row};
use crate::domain::ids::{IncarnationId, IntervalId};
use crate::domain::interval::IntervalState;
use crate::domain::shares::{LaneGrant, LaneShares};
use crate::store::{Claim, Result};
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const OF: &str =
    concat!("select id, shares from intervals where id ", in_list!("$1"), " and shares is not null");

/// Whoever waits for the lock reads what the one before it has written, but only of this row: what must be known of
/// other rows is asked for by a statement of its own.
pub(super) const LOCK: &str = concat!(
    "select id, state, reopened, shares from intervals where id ",
    in_list!("$1"),
    " order by id",
    for_no_key_update!()
);

pub(super) const HOLDERS: &str = concat!(
    "select distinct interval_id, owner from segments where owner is not null and owner ",
    in_list!("$1"),
    " and interval_id ",
    in_list!("$2")
);

pub(super) const WRITE: &str = concat!(
    "update intervals set shares = new.shares from (select value ->> 0 as id, value ->> 1 as shares from ",
    elements!("$1"),
    " as listed) as new where intervals.id = new.id"
);

pub(super) async fn of(pool: &Pool, intervals: &[IntervalId]) -> Result<Vec<(IntervalId, LaneShares)>> {
    let rows = sqlx::query(OF).bind(to_json(&intervals)).fetch_all(pool).await?;
    // One that cannot be read is found by the claim.
    let read = |row| Some((parsed::<IntervalId>(row, "id").ok()?, json::<LaneShares>(row, "shares").ok()?));
    let mut all: Vec<_> = rows.iter().filter_map(read).collect();
    let owners: BTreeSet<_> = all.iter().flat_map(|(_, shares)| shares.with_lanes()).collect();
    if owners.is_empty() {
        return Ok(all);
    }
    let intervals: Vec<_> = all.iter().map(|(interval, _)| *interval).collect();
    let rows = sqlx::query(HOLDERS).bind(to_json(&owners)).bind(to_json(&intervals)).fetch_all(pool).await?;
    let mut holders: BTreeMap<IntervalId, BTreeSet<IncarnationId>> = BTreeMap::new();
    for row in &rows {
        holders.entry(parsed(row, "interval_id")?).or_default().insert(parsed(row, "owner")?);
    }
    for (interval, shares) in &mut all {
        shares.free_all_but(holders.entry(*interval).or_default());
    }
    Ok(all)
}

/// An interval that runs, in the life that its claim is for.
struct Locked {
    before: Option<LaneShares>,
    now: LaneShares,
}

/// Settles what each claim's owner has of the lanes; `Unreadable` where what the rows say cannot be read.
pub(super) async fn settle(connection: &mut Connection, claims: &[Claim]) -> Result<Vec<Result<LaneGrant>>> {
    let mut locked = lock(connection, claims).await?;
    let holders = holders(connection, claims, &locked).await?;
    let none = BTreeSet::new();
    let mut grants = Vec::new();
    for claim in claims {
        let holders = holders.get(&claim.interval).unwrap_or(&none);
        grants.push(match locked.remove(&claim.interval) {
            None => Ok(LaneGrant::default()),
            Some(Err(damage)) => Err(damage),
            Some(Ok(mut found)) => {
                let grant = found.now.grant(claim.owner, claim.lanes, holders, claim.now);
                locked.insert(claim.interval, Ok(found));
                Ok(grant)
            }
        });
    }
    write(connection, &locked).await?;
    Ok(grants)
}

async fn lock(connection: &mut Connection, claims: &[Claim]) -> Result<BTreeMap<IntervalId, Result<Locked>>> {
    let ids: Vec<_> = claims.iter().map(|claim| claim.interval).collect();
    let lives: BTreeMap<_, _> = claims.iter().map(|claim| (claim.interval, claim.reopened)).collect();
    let rows = sqlx::query(LOCK).bind(to_json(&ids)).fetch_all(connection).await?;
    let mut locked = BTreeMap::new();
    for row in &rows {
        let id: IntervalId = parsed(row, "id")?;
        match (parsed(row, "state"), number::<u32>(row, "reopened")) {
            (Ok(IntervalState::Running), Ok(reopened)) if lives.get(&id) == Some(&reopened) => {
                locked.insert(id, read(row));
            }
            _ => {}
        }
    }
    Ok(locked)
}

fn read(row: &Row) -> Result<Locked> {
    let is_there = row.try_get::<Option<&str>, _>("shares")?.is_some();
    let before: Option<LaneShares> = if is_there { Some(json(row, "shares")?) } else { None };
    Ok(Locked { now: before.clone().unwrap_or_default(), before })
}

/// Who holds a segment of which interval: asked for only where somebody else has lanes, which a host alone never finds.
async fn holders(
    connection: &mut Connection,
    claims: &[Claim],
    locked: &BTreeMap<IntervalId, Result<Locked>>,
) -> Result<BTreeMap<IntervalId, BTreeSet<IncarnationId>>> {
    let (mut owners, mut intervals) = (BTreeSet::new(), Vec::new());
    for claim in claims {
        let Some(Ok(found)) = locked.get(&claim.interval) else { continue };
        let before = owners.len();
        owners.extend(found.now.others_with_lanes(claim.owner));
        if owners.len() > before || found.now.others_with_lanes(claim.owner).next().is_some() {
            owners.insert(claim.owner);
            intervals.push(claim.interval);
        }
    }
    // Alone, whoever asks is believed to hold what it says that it uses.
    let mut holders: BTreeMap<_, BTreeSet<_>> =
        claims.iter().map(|claim| (claim.interval, BTreeSet::from([claim.owner]))).collect();
    if intervals.is_empty() {
        return Ok(holders);
    }
    let rows = sqlx::query(HOLDERS).bind(to_json(&owners)).bind(to_json(&intervals)).fetch_all(connection).await?;
    intervals.iter().for_each(|interval| drop(holders.insert(*interval, BTreeSet::new())));
    for row in &rows {
        holders.entry(parsed(row, "interval_id")?).or_default().insert(parsed(row, "owner")?);
    }
    Ok(holders)
}

async fn write(connection: &mut Connection, locked: &BTreeMap<IntervalId, Result<Locked>>) -> Result<()> {
    let changed = |(id, found): (&IntervalId, &Result<Locked>)| {
        let found = found.as_ref().ok().filter(|found| found.before.as_ref() != Some(&found.now))?;
        Some((*id, to_json(&found.now)))
    };
    let rows: Vec<_> = locked.iter().filter_map(changed).collect();
    if !rows.is_empty() {
        sqlx::query(WRITE).bind(to_json(&rows)).execute(connection).await?;
    }
    Ok(())
}
