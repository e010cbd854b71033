//! Segments: their bitmaps say what is true, and only ever grow.

use super::calls::CallEnd;
use super::rows::{IntervalRow, SegmentRow, Snapshot};
use super::{FailuresAllowed, Oracle, bits};
use std::collections::{BTreeMap, BTreeSet};

/// A segment at the last look.
pub(super) struct SegmentSeen {
    first: i64,
    /// How often the interval had been opened again.
    life: i64,
    epoch: i64,
    done: BTreeSet<i64>,
    failed: BTreeSet<i64>,
}

impl SegmentSeen {
    pub(super) fn has_done(&self, index: i64) -> bool {
        self.done.contains(&(index - self.first))
    }
}

const CONSISTENT: &str = "rows are consistent";

impl Oracle {
    pub(super) fn check_segments(&mut self, snapshot: &Snapshot, live: &[&IntervalRow]) {
        let known: BTreeMap<&str, &IntervalRow> = live.iter().map(|row| (row.id.as_str(), *row)).collect();
        let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
        let mut running: BTreeMap<&str, i64> = BTreeMap::new();
        for segment in &snapshot.segments {
            let Some((id, interval)) = known.get_key_value(segment.interval_id.as_str()) else { continue };
            self.check_segment(snapshot, interval, segment);
            let sums = sums.entry(id).or_default();
            if sums.length != segment.first_index {
                self.blame(
                    CONSISTENT,
                    format!("segment {} of interval {} begins elsewhere", segment.number, interval.number),
                );
            }
            sums.add(segment);
            // Without tracking rows are only written now and then.
            if interval.is_tracked {
                *running.entry(id).or_default() += segment.running_count;
            }
        }
        for (id, sums) in &sums {
            self.check_sums(known[id], sums);
        }
        for (id, running) in running {
            let max_parallel = self.jobs.get(&known[id].job_id).map_or(0, |job| i64::from(job.max_parallel));
            if running > max_parallel {
                let text = format!("{running} tasks of interval {id} run on all hosts, {max_parallel} may");
                self.blame("max_parallel holds", text);
            }
        }
    }

    fn check_segment(&mut self, snapshot: &Snapshot, interval: &IntervalRow, row: &SegmentRow) {
        let what = format!("segment {} of interval {}", row.number, interval.number);
        let (done, failed, running) = (bits::set(&row.done), bits::set(&row.failed), bits::set(&row.running));
        let counts = [&done, &failed, &running].map(|bits| i64::try_from(bits.len()).expect("few"));
        if counts != [row.done_count, row.failed_count, row.running_count] {
            self.blame(CONSISTENT, format!("{what} counts other bits than it has: {row:?}"));
        }
        if !(done.is_disjoint(&failed) && done.is_disjoint(&running) && failed.is_disjoint(&running)) {
            self.blame(CONSISTENT, format!("{what} has a task in two states: {row:?}"));
        }
        if [&done, &failed, &running].iter().any(|bits| bits.last().is_some_and(|last| *last >= row.length)) {
            self.blame(CONSISTENT, format!("{what} has bits beyond its end"));
        }
        let is_settled = counts[0] + counts[1] == row.length;
        if is_settled != (row.state == "done") && row.state != "blocked" {
            self.blame(
                CONSISTENT,
                format!("{what} is {} with {} of {} settled", row.state, counts[0] + counts[1], row.length),
            );
        }
        if !running.is_empty() && row.owner.is_none() {
            self.blame(CONSISTENT, format!("{what} has running tasks and no owner"));
        }
        if let Some(owner) = &row.owner {
            if !self.hosts.values().any(|host| host.incarnation == *owner) {
                self.unknown("incarnation", owner);
            }
            self.note_running(interval.number, row.first_index, &row.running, owner);
        }
        let (newly_done, newly_failed) = self.check_growth(interval, row, &what, done, failed);
        let index = |offset: i64| u32::try_from(row.first_index + offset).expect("an index");
        newly_done.into_iter().for_each(|offset| self.check_done(interval.number, index(offset)));
        newly_failed.into_iter().for_each(|offset| self.check_failed(snapshot, interval, index(offset)));
    }

    /// What was settled stays so; answers with what is newly done and newly failed.
    fn check_growth(
        &mut self,
        interval: &IntervalRow,
        row: &SegmentRow,
        what: &str,
        done: BTreeSet<i64>,
        failed: BTreeSet<i64>,
    ) -> (Vec<i64>, Vec<i64>) {
        let key = (interval.number, row.number);
        let life = interval.reopened;
        let (had_done, had_failed, had_epoch) = match self.segments.remove(&key) {
            // A retry gives what had failed another chance, and leaves what has completed.
            Some(seen) if seen.life < life => (seen.done, BTreeSet::new(), seen.epoch),
            Some(seen) => (seen.done, seen.failed, seen.epoch),
            None => (BTreeSet::new(), BTreeSet::new(), 0),
        };
        if !had_done.is_subset(&done) || !had_failed.is_subset(&failed) {
            self.blame("promise 1", format!("{what} has lost what was settled: done {had_done:?} is {done:?} now"));
        }
        if row.epoch < had_epoch {
            self.blame("fencing tokens grow", format!("{what} has epoch {} after {had_epoch}", row.epoch));
        }
        let newly_done = done.difference(&had_done).copied().collect();
        let newly_failed = failed.difference(&had_failed).copied().collect();
        self.segments.insert(key, SegmentSeen { first: row.first_index, life, epoch: row.epoch, done, failed });
        (newly_done, newly_failed)
    }

    /// What counts as completed was called and succeeded.
    fn check_done(&mut self, interval: usize, index: u32) {
        let calls = self.calls_of.get(&(interval, Some(index))).into_iter().flatten();
        if !calls.into_iter().any(|call| matches!(self.calls[*call].end, Some(CallEnd::Succeeded(_)))) {
            self.blame(
                "promise 2",
                format!("task {index} of interval {interval} counts as completed, no call succeeded"),
            );
        }
    }

    /// What counts as failed for good has used up its retries, is beyond them, or is poison.
    fn check_failed(&mut self, snapshot: &Snapshot, interval: &IntervalRow, index: u32) {
        let number = interval.number;
        let row = snapshot.tasks.iter().find(|row| row.interval_id == interval.id && row.task_index == index);
        let Some((row, kind)) = row.and_then(|row| row.failure_kind.clone().map(|kind| (row, kind))) else {
            self.blame("promise 2", format!("task {index} of interval {number} failed for no reason"));
            return;
        };
        if kind == "poison" {
            self.poison_is_found(number, index, row.crashes);
            return;
        }
        let is_beyond = matches!(kind.as_str(), "fatal" | "out_of_memory" | "limit_exceeded");
        let max_attempts = self.jobs.get(&interval.job_id).map_or(0, |job| i64::from(job.max_attempts));
        let has_failed_so = self
            .calls_of
            .get(&(number, Some(index)))
            .into_iter()
            .flatten()
            .any(|call| matches!(self.calls[*call].end, Some(CallEnd::Failed(how)) if how == kind));
        let failures = self.failed_calls(number, index);
        if !has_failed_so || !is_beyond && (row.attempts < max_attempts || failures < max_attempts) {
            let text = format!(
                "task {index} of interval {number} failed as {kind} after {failures} failed calls of {max_attempts}"
            );
            self.blame("promise 2", text);
        }
    }

    fn check_sums(&mut self, interval: &IntervalRow, sums: &Sums) {
        let IntervalRow { number, total, completed, failed, .. } = interval;
        if sums.length != *total {
            self.blame(CONSISTENT, format!("interval {number} has {total} tasks, its segments {}", sums.length));
        }
        let allowed = self.jobs.get(&interval.job_id).map_or(FailuresAllowed::Any, |job| job.failures_allowed);
        if interval.is_open() && allowed.are_exceeded(sums.failed, *total) {
            self.blame("promise 2", format!("interval {number} goes on after {} failures of {allowed:?}", sums.failed));
        }
        if !interval.is_open() && (sums.done, sums.failed) != (*completed, *failed) {
            let text =
                format!("interval {number} says {completed} completed and {failed} failed, its segments say {sums:?}");
            self.blame(CONSISTENT, text);
        }
        if !interval.is_open() && sums.leased > 0 {
            self.blame(CONSISTENT, format!("interval {number} has ended and segments of it are leased"));
        }
    }
}

/// What the segments of an interval come to.
#[derive(Debug, Default)]
struct Sums {
    length: i64,
    done: i64,
    failed: i64,
    leased: i64,
}

impl Sums {
    fn add(&mut self, row: &SegmentRow) {
        self.length += row.length;
        self.done += row.done_count;
        self.failed += row.failed_count;
        self.leased += i64::from(row.state == "leased");
    }
}
