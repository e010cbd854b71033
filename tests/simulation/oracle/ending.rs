//! What must hold when the trouble is over: nothing is stuck.

use super::Oracle;
use crate::tally::Tally;

impl Oracle {
    /// Checks what healthy hosts have led to in a while.
    pub(crate) fn check_peace(&mut self, open_before: &[usize], now_ms: i64) {
        let open = self.open_intervals();
        let stuck: Vec<_> = open_before.iter().filter(|interval| open.contains(interval)).collect();
        if !stuck.is_empty() {
            self.blame("promise 2", format!("intervals {stuck:?} do not end"));
        }
        self.check_punctuality(now_ms);
    }

    /// How the intervals of a run ended, and what became of their tasks.
    pub(crate) fn sum_up(&self) -> Tally {
        let mut tally = Tally::default();
        for seen in self.intervals.values() {
            tally.count("intervals", &seen.row.state);
            tally.count_so_many("recovery", "recoveries", seen.row.recovery_attempts);
            tally.count_so_many("recovery", "tasks called twice", seen.row.duplicates);
        }
        let poisoned = i64::try_from(self.flights.poisoned()).expect("few");
        tally.count_so_many("recovery", "poison tasks", poisoned);
        tally
    }
}
