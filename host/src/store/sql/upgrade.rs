//! Restarts intervals on the new version of their plugin, for jobs that want that.

use super::rows::{json, parsed};
use super::{Connection, Row, closing, firing, locks};
use crate::domain::ids::{IntervalId, JobId};
use crate::domain::interval::{Firing, IntervalEvent, Origin};
use crate::domain::rules::{JobRules, OnUpgrade};
use crate::domain::timestamp::Timestamp;
use crate::store::{NewInterval, PluginVersion, Result};
use sqlx::Row as _;

/// Cancels the open intervals that are pinned to another version of the plugin and puts replacements in their places,
/// where their jobs say so. One that is queued has not begun: it moves to the new version as it is.
pub(super) async fn restart(connection: &mut Connection, version: &PluginVersion) -> Result<()> {
    // Whoever fires one of them has done so, or finds the new version.
    locks::jobs_on(connection, &version.name).await?;
    let open = sqlx::query(
        "select intervals.id, job_id, is_tracked, is_queued, rules from intervals join jobs on jobs.id = job_id \
         where intervals.state in ('pending', 'running') and digest <> $1 and jobs.plugin = $2 \
         and jobs.is_deleted = false order by fired_at, intervals.id",
    );
    let open = open.bind(version.digest.to_string()).bind(&version.name).fetch_all(&mut *connection).await?;
    for row in &open {
        // Rules that cannot be read say nothing of a restart; whoever fires the job reports them.
        let rules: JobRules = json(row, "rules").unwrap_or_default();
        match (rules.on_upgrade, row.try_get("is_queued")?) {
            (OnUpgrade::Finish, _) => {}
            (OnUpgrade::Restart, true) => move_to(connection, parsed(row, "id")?, version).await?,
            (OnUpgrade::Restart, false) => replace(connection, row, version).await?,
        }
    }
    Ok(())
}

async fn replace(connection: &mut Connection, row: &Row, version: &PluginVersion) -> Result<()> {
    let (replaces, job): (IntervalId, JobId) = (parsed(row, "id")?, parsed(row, "job_id")?);
    let now: Timestamp = version.uploaded_at;
    let firing = Firing {
        interval: IntervalId::generate(),
        job,
        origin: Origin::Upgrade { replaces },
        scheduled_at: now,
        fired_at: now,
    };
    // First, so that the job is never without an open interval in between.
    firing::insert(connection, &NewInterval { firing, is_tracked: row.try_get("is_tracked")? }, now).await?;
    let reason = format!("restarted on version {}", version.digest);
    closing::close(connection, replaces, IntervalEvent::Cancelled, Some(&reason), now).await?;
    Ok(())
}

async fn move_to(connection: &mut Connection, interval: IntervalId, version: &PluginVersion) -> Result<()> {
    sqlx::query("update intervals set digest = $1 where id = $2")
        .bind(version.digest.to_string())
        .bind(interval.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
