use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::host::Host;

/// The words of the lines that an operator greps for, in the order of a recovery.
const LINES: [&str; 5] = [
    "Starting recovery check on startup",
    "with incomplete intervals",
    "Scheduled recovery for job",
    "Skipping ",
    "All tasks completed for interval",
];

/// How long the last line may follow the interval's end.
const LAST_LINE_WITHIN: Duration = Duration::from_secs(5);

/// What a host's log said of recovery.
#[derive(Default)]
pub(super) struct RecoveryLog {
    lines_read: usize,
    lines: Vec<String>,
}

impl RecoveryLog {
    /// Takes up the lines of recovery that were added to the log, and tells each.
    pub(super) fn read(&mut self, log: &str, tell: impl Fn(&str)) {
        // The last line may still be in the writing.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines().skip(self.lines_read) {
            self.lines_read += 1;
            if LINES.iter().any(|words| line.contains(words)) {
                tell(line);
                self.lines.push(line.to_owned());
            }
        }
    }

    /// Reads on until every line that there should be is there, or the wait for it ends.
    pub(super) fn read_the_rest(&mut self, host: &Host, tell: impl Fn(&str)) {
        let started_at = Instant::now();
        while self.missing().next().is_some() && started_at.elapsed() < LAST_LINE_WITHIN {
            self.read(&host.log_text(), &tell);
            sleep(Duration::from_millis(20));
        }
    }

    /// The lines that should be there and are not.
    pub(super) fn missing(&self) -> impl Iterator<Item = &'static str> {
        LINES.into_iter().filter(|words| !self.lines.iter().any(|line| line.contains(words)))
    }

    /// How many tasks recovery found completed.
    pub(super) fn skipped(&self) -> Option<u64> {
        let count = self.lines.iter().find_map(|line| line.split_once("Skipping "))?.1;
        count.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_of_recovery_are_taken_up_once() {
        let mut log = RecoveryLog::default();
        log.read("boot\nSkipping 88 completed tasks\nAll tasks comp", |_| ());
        log.read("boot\nSkipping 88 completed tasks\nAll tasks completed for interval i\n", |_| ());
        assert_eq!(log.lines, ["Skipping 88 completed tasks", "All tasks completed for interval i"]);
        assert_eq!(log.skipped(), Some(88));
        assert_eq!(log.missing().collect::<Vec<_>>(), &LINES[..3]);
    }
}
