//! What calls wrote through the host: promise 6.

use super::Oracle;
use super::calls::CallEnd;
use super::rows::{IntervalRow, LeftRow, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

const PROMISE: &str = "promise 6";

/// What rows hold of what calls left, each by the text that names its call.
struct Left<'a> {
    outputs: BTreeMap<(usize, u32), &'a str>,
    keys: BTreeMap<&'a str, &'a str>,
    logs: BTreeMap<(usize, Option<u32>), Vec<&'a str>>,
    events: BTreeMap<(usize, Option<u32>), Vec<&'a str>>,
}

impl Oracle {
    pub(super) fn check_effects(&mut self, snapshot: &Snapshot, live: &[&IntervalRow]) {
        let left = self.left(snapshot);
        let deleted: BTreeSet<&str> =
            snapshot.jobs.iter().filter(|job| job.is_deleted).map(|job| job.id.as_str()).collect();
        for row in live {
            let keys_are_kept = !deleted.contains(row.job_id.as_str());
            for index in 0..u32::try_from(row.total).expect("few") {
                if self.is_done(row.number, index) {
                    self.check_completed(&left, row.number, index, keys_are_kept);
                } else {
                    self.check_not_completed(&left, row.number, index);
                }
            }
        }
    }

    fn left<'a>(&mut self, snapshot: &'a Snapshot) -> Left<'a> {
        let mut outputs = BTreeMap::new();
        for row in &snapshot.outputs {
            let task = (self.names.number('i', &row.interval_id), row.task_index.unwrap_or_default());
            outputs.insert(task, row.text.as_str());
        }
        let (logs, events) = (self.told(&snapshot.logs), self.told(&snapshot.events));
        let keys = snapshot.keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        for (task, lines) in &logs {
            let mut seen = BTreeSet::new();
            if let Some(twice) = lines.iter().find(|line| !seen.insert(**line)) {
                let text = format!("the log of {task:?} has `{twice}` twice");
                self.blame(PROMISE, text);
            }
        }
        Left { outputs, keys, logs, events }
    }

    fn told<'a>(&mut self, rows: &'a [LeftRow]) -> BTreeMap<(usize, Option<u32>), Vec<&'a str>> {
        let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            let task = (self.names.number('i', &row.interval_id), row.task_index);
            told.entry(task).or_default().push(row.text.as_str());
        }
        told
    }

    /// All that a completed task left is there, and one call left it.
    fn check_completed(&mut self, left: &Left<'_>, interval: usize, index: u32, keys_are_kept: bool) {
        let output = left.outputs.get(&(interval, index));
        let key = left.keys.get(format!("{interval}/{index}").as_str());
        let logs = left.logs.get(&(interval, Some(index)));
        let events = left.events.get(&(interval, Some(index))).cloned().unwrap_or_default();
        let calls = self.calls_of.get(&(interval, Some(index))).into_iter().flatten();
        let is_right = |call: &usize| {
            let Some(CallEnd::Succeeded(leaves)) = self.calls[*call].end else { return false };
            let name = format!("call {call}");
            let is_there = |found: Option<&&str>, is_left: bool| found.copied() == is_left.then_some(name.as_str());
            let has_logged = logs.is_some_and(|lines| lines.contains(&name.as_str()));
            let told = if leaves.event { vec![name.as_str()] } else { Vec::new() };
            is_there(output, leaves.output)
                && events == told
                && (!keys_are_kept || is_there(key, leaves.key))
                && has_logged == leaves.log
        };
        if !calls.into_iter().any(is_right) {
            let text = format!(
                "task {index} of interval {interval} is completed, and no call left output {output:?}, key {key:?}, events {events:?} and log {logs:?}"
            );
            self.blame(PROMISE, text);
        }
    }

    fn check_not_completed(&mut self, left: &Left<'_>, interval: usize, index: u32) {
        let output = left.outputs.get(&(interval, index));
        let key = left.keys.get(format!("{interval}/{index}").as_str());
        let events = left.events.get(&(interval, Some(index)));
        if output.is_some() || key.is_some() || events.is_some() {
            let text = format!(
                "task {index} of interval {interval} is not completed and left {output:?}, {key:?}, {events:?}"
            );
            self.blame(PROMISE, text);
        }
        for line in left.logs.get(&(interval, Some(index))).into_iter().flatten() {
            let call = line.trim_start_matches("call ").parse().ok().and_then(|call: usize| self.calls.get(call));
            if !call.is_some_and(|call| matches!(call.end, Some(CallEnd::Failed(_)))) {
                self.blame(
                    PROMISE,
                    format!("task {index} of interval {interval} is not completed and logged `{line}`"),
                );
            }
        }
    }

    /// Whether a task counted as completed at the last look at its segment.
    pub(super) fn is_done(&self, interval: usize, index: u32) -> bool {
        let segments = self.segments.range((interval, i64::MIN)..=(interval, i64::MAX));
        segments.map(|(_, segment)| segment).any(|segment| segment.has_done(i64::from(index)))
    }
}
