use std::collections::BTreeSet;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::recovery_log::RecoveryLog;
use crate::host::Host;

/// The members of an interval that the demo looks at.
#[derive(Default, Deserialize)]
pub(super) struct Interval {
    pub(super) state: String,
    pub(super) reason: Option<String>,
    total: Option<u64>,
    pub(super) completed: u64,
    pub(super) duplicates: u64,
    pub(super) completed_indices: String,
}

/// What was seen of the interval from outside, before the kill and after it.
#[derive(Default)]
pub(super) struct Evidence {
    /// The indices that the first host told of as completed, right before it was killed.
    pub(super) completed_seen: BTreeSet<u64>,
    pub(super) log: RecoveryLog,
    /// The indices whose calls wrote a log line after the restart.
    pub(super) called_after: BTreeSet<u64>,
    pub(super) resumed_within: Option<SignedDuration>,
    /// The interval at its end.
    pub(super) interval: Interval,
    pub(super) files_before: u64,
    pub(super) files_audited: u64,
    pub(super) files_after: u64,
}

#[derive(Deserialize)]
struct LogLine {
    id: u64,
    index: Option<u64>,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Task {
    index: u64,
    output: Option<Report>,
}

/// What fixity outputs for each task.
#[derive(Deserialize)]
struct Report {
    files: u64,
    unreadable: Vec<IgnoredAny>,
}

impl Report {
    fn audited(&self) -> u64 {
        self.files + self.unreadable.len() as u64
    }
}

impl Interval {
    /// Zero until the plugin's plan is known.
    pub(super) fn total(&self) -> u64 {
        self.total.unwrap_or_default()
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "pending" | "running")
    }
}

impl Evidence {
    /// Reads what the resumed host recorded: fixity logs one line for each call, and outputs how many files it audited.
    ///
    /// A call that was cut off by the kill left no line, so that lines since the restart are the calls since then.
    pub(super) fn gather(host: &Host, interval_id: &str, restarted_at: Timestamp) -> anyhow::Result<Evidence> {
        let lines: Vec<LogLine> = host.get_all(&format!("/intervals/{interval_id}/logs"), |line: &LogLine| line.id)?;
        let after = || lines.iter().filter(|line| line.at >= restarted_at && line.index.is_some());
        let tasks: Vec<Task> = host.get_all(&format!("/intervals/{interval_id}/tasks"), |task: &Task| task.index)?;
        Ok(Evidence {
            called_after: after().filter_map(|line| line.index).collect(),
            resumed_within: after().map(|line| line.at).min().map(|at| at.duration_since(restarted_at)),
            files_audited: tasks.iter().filter_map(|task| task.output.as_ref()).map(Report::audited).sum(),
            ..Evidence::default()
        })
    }

    pub(super) fn table(&self) -> String {
        let unknown = || "unknown".to_owned();
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.add_rows([
            ["tasks", &self.interval.total().to_string()],
            ["completed before the kill", &self.log.skipped().map_or_else(unknown, |skipped| skipped.to_string())],
            ["invoked after it", &self.called_after.len().to_string()],
            ["invoked twice", &self.interval.duplicates.to_string()],
            ["files audited", &self.files_audited.to_string()],
            [
                "restart to first resumed task",
                &self.resumed_within.map_or_else(unknown, |span| format!("{:.3} s", span.as_secs_f64())),
            ],
        ]);
        table.trim_fmt()
    }
}
