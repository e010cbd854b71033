//! Locks on rows, which SQLite has not: one transaction writes at a time, and sees all that those before it did.

use super::Connection;
use crate::domain::ids::{IncarnationId, IntervalId, JobId};
use crate::store::Result;

/// What needs a lock and has no row of its own.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "of a subject that is not locked nobody asks for the name")]
pub(super) enum Subject<'a> {
    /// The incarnations of a host.
    Host(&'a str),
    /// The versions of all plugins.
    Versions,
    /// Which jobs fire after which.
    Chains,
    /// Under which key secrets are kept.
    Secrets,
}

pub(super) async fn subject(_: &mut Connection, _: Subject<'_>) -> Result<()> {
    Ok(())
}

pub(super) async fn living(_: &mut Connection, _: IncarnationId) -> Result<()> {
    Ok(())
}

pub(super) async fn ending(_: &mut Connection, _: IncarnationId) -> Result<()> {
    Ok(())
}

pub(super) async fn jobs(_: &mut Connection, _: &[JobId]) -> Result<()> {
    Ok(())
}

pub(super) async fn jobs_of(_: &mut Connection, _: &[IntervalId]) -> Result<()> {
    Ok(())
}

pub(super) async fn jobs_on(_: &mut Connection, _plugin: &str) -> Result<()> {
    Ok(())
}

pub(super) async fn intervals(_: &mut Connection, _: &[IntervalId]) -> Result<()> {
    Ok(())
}
