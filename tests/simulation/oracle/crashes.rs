//! What crashes leave: promises 2 and 9.

use super::rows::{Snapshot, TaskRow};
use super::{Oracle, bits};
use std::collections::BTreeMap;

/// The incarnations on which a task was in flight, by call or by row, in the order of time.
#[derive(Default)]
pub(super) struct Flights {
    of_task: BTreeMap<(usize, u32), Vec<String>>,
    /// The incarnations whose death failed a task as poison.
    poisoned: BTreeMap<String, (usize, u32)>,
}

impl Flights {
    pub(super) fn note(&mut self, interval: usize, index: u32, incarnation: &str) {
        let flights = self.of_task.entry((interval, index)).or_default();
        if !flights.iter().any(|known| known == incarnation) {
            flights.push(incarnation.to_owned());
        }
    }

    /// How many crashes made a task poison.
    pub(super) fn poisoned(&self) -> usize {
        self.poisoned.len()
    }

    fn of(&self, interval: usize, index: u32) -> impl Iterator<Item = &String> {
        self.of_task.get(&(interval, index)).into_iter().flatten()
    }
}

impl Oracle {
    /// Notes which tasks rows name as running, before a recovery takes them off.
    pub(crate) fn before_takeover(&mut self) {
        for (interval, first, running, owner) in self.rows.held() {
            let interval = self.names.number('i', &interval);
            self.note_running(interval, first, &running, &owner);
        }
    }

    pub(super) fn note_running(&mut self, interval: usize, first: i64, running: &[u8], owner: &str) {
        for offset in bits::set(running) {
            self.flights.note(interval, u32::try_from(first + offset).expect("an index"), owner);
        }
    }

    /// How many incarnations died with a task in flight.
    pub(super) fn crashes_of(&self, interval: usize, index: u32) -> i64 {
        let gave_back = |incarnation: &String| {
            self.hosts.values().any(|host| host.incarnation == *incarnation && host.has_given_back)
        };
        let crashes = self.flights.of(interval, index).filter(|incarnation| !gave_back(incarnation));
        i64::try_from(crashes.count()).expect("few")
    }

    /// A poison task was in flight in as many crashes as the setting says, and in the last one it was the only suspect.
    pub(super) fn poison_is_found(&mut self, interval: usize, index: u32, counted: i64) {
        let crashes = self.crashes_of(interval, index);
        let most = i64::from(self.attempts_max);
        if counted < most || crashes < most {
            let text =
                format!("task {index} of interval {interval} is poison after {crashes} crashes, {counted} counted");
            self.blame("promise 9", text);
        }
        let Some(last) = self.flights.of(interval, index).last().cloned() else { return };
        let other = self.flights.poisoned.insert(last, (interval, index));
        if let Some(other) = other.filter(|_| most > 1) {
            let text = format!("one crash made poison of task {index} of interval {interval} and of {other:?}");
            self.blame("promise 9", text);
        }
    }

    pub(super) fn check_tasks(&mut self, snapshot: &Snapshot) {
        for row in &snapshot.tasks {
            let interval = self.names.number('i', &row.interval_id);
            self.check_task(interval, row);
        }
    }

    fn check_task(&mut self, interval: usize, row: &TaskRow) {
        let index = row.task_index;
        let failures = self.failed_calls(interval, index);
        if row.attempts > failures {
            let text =
                format!("task {index} of interval {interval} has {} attempts, {failures} calls failed", row.attempts);
            self.blame("promise 9", text);
        }
        let crashes = self.crashes_of(interval, index);
        if row.crashes > crashes {
            let text = format!("task {index} of interval {interval} counts {} crashes of {crashes}", row.crashes);
            self.blame("promise 9", text);
        }
    }

    /// How many calls of a task have failed by themselves.
    pub(super) fn failed_calls(&self, interval: usize, index: u32) -> i64 {
        let calls = self.calls_of.get(&(interval, Some(index))).into_iter().flatten();
        let failed = calls.filter(|call| matches!(self.calls[**call].end, Some(super::CallEnd::Failed(_))));
        i64::try_from(failed.count()).expect("few")
    }
}
