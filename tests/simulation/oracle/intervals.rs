//! Intervals and what their jobs show of them: promises 2 and 5, and that nothing changes once it has ended.

use super::rows::{IntervalRow, JobRow, Snapshot};
use super::{All, Oracle, WhenOpen};
use std::collections::BTreeMap;

/// An interval at the last look.
pub(super) struct IntervalSeen {
    pub(super) row: IntervalRow,
}

const CONSISTENT: &str = "rows are consistent";

impl Oracle {
    /// A job shows its latest interval that is open and waits for no other.
    pub(super) fn check_jobs(&mut self, snapshot: &Snapshot) {
        for JobRow { id, current_interval_id, .. } in &snapshot.jobs {
            let is_at_work = |row: &&IntervalRow| row.job_id == *id && row.is_open() && !row.is_queued;
            let open: Vec<_> = snapshot.intervals.iter().filter(is_at_work).collect();
            let latest = open.iter().map(|row| row.fired_at).max();
            let is_shown = |row: &&&IntervalRow| current_interval_id.as_ref() == Some(&row.id);
            let is_right = match current_interval_id {
                Some(_) => open.iter().find(is_shown).is_some_and(|row| Some(row.fired_at) == latest),
                None => open.is_empty(),
            };
            if !is_right {
                let open: Vec<_> = open.iter().map(|row| row.number).collect();
                self.blame(CONSISTENT, format!("job {id} shows interval {current_interval_id:?}, open are {open:?}"));
            }
        }
    }

    pub(super) fn check_interval(&mut self, snapshot: &Snapshot, row: &IntervalRow) {
        self.check_shape(row);
        let mut row = row.clone();
        match self.intervals.remove(&row.number) {
            Some(before) => {
                // What it names may be removed before it is.
                row.caused_by = before.row.caused_by.clone().or(row.caused_by);
                row.replaces = before.row.replaces.clone().or(row.replaces);
                self.check_step(snapshot, &before.row, &row);
            }
            None => {
                self.new.push(row.number);
                if !row.is_open() && row.did_run() {
                    self.check_end(snapshot, &row);
                }
            }
        }
        self.intervals.insert(row.number, IntervalSeen { row });
    }

    fn check_shape(&mut self, row: &IntervalRow) {
        let IntervalRow { number, state, total, completed, failed, .. } = row;
        let timeout_ms = self.jobs.get(&row.job_id).and_then(|job| job.interval_timeout_ms);
        let deadline = row.started_at.zip(timeout_ms).map(|(started, most_ms)| started + most_ms);
        if row.reopened == 0 && row.deadline_at != deadline {
            self.blame(CONSISTENT, format!("interval {number} is due by {:?}, not {deadline:?}", row.deadline_at));
        }
        if row.is_open() != row.finished_at.is_none() {
            self.blame(CONSISTENT, format!("interval {number} is {state} and finished at {:?}", row.finished_at));
        }
        if state == "succeeded" && (completed != total || *failed > 0) {
            self.blame(
                "promise 2",
                format!("interval {number} succeeded with {completed} of {total}, {failed} failed"),
            );
        }
        if matches!(state.as_str(), "failed" | "skipped" | "coalesced" | "missed" | "abandoned" | "cancelled")
            && row.reason.as_ref().is_none_or(String::is_empty)
        {
            self.blame("promise 8", format!("interval {number} is {state} for no reason"));
        }
    }

    /// What may become of an interval between two looks.
    fn check_step(&mut self, snapshot: &Snapshot, before: &IntervalRow, row: &IntervalRow) {
        let IntervalRow { number, .. } = row;
        let is_reopened = row.reopened > before.reopened;
        let may_become = match before.state.as_str() {
            "pending" => ["pending", "running", "succeeded", "failed", "cancelled", "abandoned"].as_slice(),
            "running" => ["running", "succeeded", "failed", "cancelled", "abandoned"].as_slice(),
            "failed" | "cancelled" if is_reopened => {
                ["pending", "running", "succeeded", "failed", "cancelled"].as_slice()
            }
            state => &[state],
        };
        if !may_become.contains(&row.state.as_str()) {
            self.blame(CONSISTENT, format!("interval {number} was {} and is {}", before.state, row.state));
        }
        // One that waits for another has not begun, and may be moved to a new version.
        if before.digest != row.digest && !before.is_queued {
            self.blame("promise 5", format!("interval {number} has another digest than it had"));
        }
        let is_planned = before.started_at.is_some();
        let stays = [
            (before.is_tracked == row.is_tracked, "tracking"),
            (before.scheduled_at == row.scheduled_at, "instant"),
            (!is_planned || before.total == row.total, "total"),
            (before.duplicates <= row.duplicates, "duplicates"),
            (before.recovery_attempts <= row.recovery_attempts, "recoveries"),
            (before.is_open() || is_reopened || before.finished_at == row.finished_at, "end"),
        ];
        for (_, what) in stays.into_iter().filter(|(stays, _)| !stays) {
            self.blame(CONSISTENT, format!("interval {number} has changed its {what}: {before:?}, {row:?}"));
        }
        if (before.is_open() || is_reopened) && !row.is_open() {
            self.check_end(snapshot, row);
        }
    }

    fn check_end(&mut self, snapshot: &Snapshot, row: &IntervalRow) {
        self.ended_now.insert(row.number);
        let is_cut_short = row.state == "failed" && self.may_be_cut_short(row);
        match row.state.as_str() {
            // What a cancel, an end before time and a retry let go is no loss, and is not counted.
            "succeeded" | "failed" if row.is_tracked && row.reopened == 0 && !is_cut_short => {
                self.check_duplicates(snapshot, row);
            }
            "abandoned" => self.check_abandoned(row),
            _ => {}
        }
        if row.state == "failed" && row.total > 0 && !is_cut_short {
            self.check_failed_interval(snapshot, row);
        }
    }

    /// Whether a failed interval took too long or had too many failures.
    fn may_be_cut_short(&self, row: &IntervalRow) -> bool {
        let Some(job) = self.jobs.get(&row.job_id) else { return false };
        let is_overdue = row.deadline_at.is_some_and(|deadline| row.finished_at.is_some_and(|at| at >= deadline));
        is_overdue || job.failures_allowed.are_exceeded(row.failed, row.total)
    }

    /// Calls that were lost are counted: no more than rows say are called again.
    fn check_duplicates(&mut self, snapshot: &Snapshot, row: &IntervalRow) {
        let mut explained: BTreeMap<u32, i64> = BTreeMap::new();
        let mut poisoned = 0;
        for task in snapshot.tasks.iter().filter(|task| task.interval_id == row.id) {
            poisoned += i64::from(task.failure_kind.as_deref() == Some("poison"));
            explained.insert(task.task_index, task.attempts);
        }
        let mut lost = 0;
        for index in 0..u32::try_from(row.total).expect("few") {
            let calls = self.calls_of.get(&(row.number, Some(index))).map_or(0, Vec::len);
            let is_done = i64::from(self.is_done(row.number, index));
            lost += i64::try_from(calls).expect("few") - explained.get(&index).copied().unwrap_or(0) - is_done;
        }
        if lost > row.duplicates + poisoned {
            let text = format!("{lost} calls of interval {} were lost, {} are counted", row.number, row.duplicates);
            self.blame("promise 2", text);
        }
    }

    /// A failed interval has left no task that could have run.
    fn check_failed_interval(&mut self, snapshot: &Snapshot, row: &IntervalRow) {
        let mut failed = 0;
        for segment in snapshot.segments.iter().filter(|segment| segment.interval_id == row.id) {
            failed += segment.failed_count;
            let is_closed = snapshot.closed_stages.contains(&(row.id.clone(), segment.stage));
            if !is_closed && segment.done_count + segment.failed_count != segment.length {
                let text = format!("interval {} failed and left tasks of segment {}", row.number, segment.number);
                self.blame("promise 2", text);
            }
        }
        if failed == 0 {
            self.blame("promise 2", format!("interval {} failed and none of its tasks did", row.number));
        }
    }

    /// Only what could not be recovered is abandoned.
    fn check_abandoned(&mut self, row: &IntervalRow) {
        if row.is_tracked && self.recovers && row.recovery_attempts < i64::from(self.attempts_max) {
            let text = format!("interval {} is abandoned after {} recoveries", row.number, row.recovery_attempts);
            self.blame("promise 2", text);
        }
        if !self.has_lost_time && !self.rows.has_dead_incarnation(self.latest_ms) {
            self.blame("promise 2", format!("interval {} is abandoned and every host lives", row.number));
        }
    }

    /// What runs alone by its job's rules does so.
    pub(super) fn check_overlaps(&mut self, snapshot: &Snapshot) {
        let mut at_work: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let is_fired = |row: &&IntervalRow| row.origin == "schedule" && row.reopened == 0;
        for row in snapshot.intervals.iter().filter(is_fired).filter(|row| row.is_open() && !row.is_queued) {
            at_work.entry(&row.job_id).or_default().push(row.number);
        }
        for (job, at_work) in at_work {
            let runs_alone = self.jobs.get(job).is_some_and(|job| job.when_open == WhenOpen::RunsAlone);
            if runs_alone && at_work.len() > 1 {
                self.blame("overlap", format!("intervals {at_work:?} of job {job} run beside each other"));
            }
        }
    }

    /// What was abandoned although it was to be recovered has one replacement, and nothing else has any.
    pub(super) fn check_replacements(&mut self, all: &All) {
        let rows = || all.values().map(|seen| &seen.row);
        // Where the restart is gone, what it replaced may be retried.
        let counts = |row: &&IntervalRow| row.origin == "fallback" || !self.removed.contains(&row.number);
        let count = |origin: &str| {
            let mut replaced: BTreeMap<&str, u32> = BTreeMap::new();
            for row in rows().filter(|row| row.origin == origin).filter(counts) {
                *replaced.entry(row.replaces.as_deref().unwrap_or_default()).or_default() += 1;
            }
            replaced
        };
        let (replacements, restarts) = (count("fallback"), count("upgrade"));
        for row in rows() {
            let restarts = restarts.get(row.id.as_str()).copied().unwrap_or(0);
            if restarts > u32::from(row.state == "cancelled") {
                let text = format!("interval {} is {} and was restarted {restarts} times", row.number, row.state);
                self.blame("upgrades", text);
            }
            let expected = u32::from(row.state == "abandoned" && row.is_tracked && self.recovers);
            let found = replacements.get(row.id.as_str()).copied().unwrap_or(0);
            if found != expected {
                let text = format!("interval {} is {} and has {found} replacements", row.number, row.state);
                self.blame("promise 2", text);
            }
        }
    }
}
