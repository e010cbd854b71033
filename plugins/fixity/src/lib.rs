//! Audits a directory tree: hashes every file, and reports what differs from the last interval.
//!
//! The payload names the tree as the job's `grants.directories` mounts it: `{"root": "/data", "tasks": 256}`. The plan
//! lists the files and leaves each task its slice of them in the job's keys; a task hashes its slice, compares it with
//! what the last interval kept in the ledger, and keeps what it found. Slice and ledger change together with the task's
//! completion, so a crash neither loses a difference nor reports it as settled.

mod audit;
mod hash;
mod ledger;
mod report;
mod slices;
mod walk;

use latchwork_sdk::{Job, Plan, Task, TaskError, log, task};
use report::Report;
use serde::Deserialize;
use std::{num::NonZeroU32, path::Path};

/// The job's payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Where the tree is mounted.
    root: String,
    /// How many tasks to cut the tree into: fewer where there are fewer files, more where a slice would not fit in a
    /// value of the host's keys.
    #[serde(default = "tasks_default")]
    tasks: NonZeroU32,
}

fn tasks_default() -> NonZeroU32 {
    NonZeroU32::new(256).expect("256 is not zero")
}

/// Lists the files of the tree, and those that the last interval knew and that may be missing now.
fn plan(job: &Job, order: Order) -> Result<Plan, TaskError> {
    let Order { root, tasks } = order;
    let found = walk::walk(Path::new(&root)).map_err(|error| {
        TaskError::fatal(format!(
            "cannot read the root {root}: {error}; the job's grants.directories must mount a directory there"
        ))
    })?;
    for (directory, error) in &found.unreadable {
        log::warn!("cannot read all of the directory {root}/{directory}: {error}");
    }
    let mut paths = found.files;
    paths.extend(ledger::paths()?);
    paths.sort_unstable();
    paths.dedup();
    let tasks = slices::leave(job.interval_id(), &slices::cut(&paths, tasks))?;
    log::info!("{} files in {tasks} tasks", paths.len());
    Ok(Plan::tasks(tasks))
}

/// Audits one slice of the files.
#[task(plan = plan)]
fn audit_slice(task: &Task, order: Order) -> Result<Report, TaskError> {
    let root = Path::new(&order.root);
    let mut report = Report::default();
    for path in slices::take(task.job().interval_id(), task.index())? {
        let difference = audit::file(root, &path)?;
        report.add(path, difference);
    }
    log::info!("{report}");
    Ok(report)
}
