//! When a job that keeps failing is paused.

use super::ids::IntervalId;
use super::interval::IntervalState;

/// How many intervals in a row have failed, once one more has ended.
///
/// One that was cancelled or did not run says nothing of how the job does.
pub fn failures_after(failures: u32, end: IntervalState) -> u32 {
    match end {
        IntervalState::Failed | IntervalState::Abandoned => failures.saturating_add(1),
        IntervalState::Succeeded => 0,
        _ => failures,
    }
}

/// Why a job is paused after that many failures, the last one `interval`; none where it goes on.
pub fn pause_reason(failures: u32, failures_max: Option<u32>, interval: IntervalId) -> Option<String> {
    if failures == 0 || failures < failures_max? {
        return None;
    }
    let intervals = if failures == 1 { "1 interval".to_owned() } else { format!("{failures} intervals in a row") };
    Some(format!(
        "{intervals} failed (pause_after_failures), the last one {interval}: mend the cause, then resume the job"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use IntervalState::{Abandoned, Cancelled, Coalesced, Failed, Missed, Skipped, Succeeded};

    #[test]
    fn failures_add_up_until_a_success_and_nothing_else_counts() {
        let ends =
            [(Failed, 3), (Abandoned, 3), (Succeeded, 0), (Cancelled, 2), (Skipped, 2), (Coalesced, 2), (Missed, 2)];
        for (end, failures) in ends {
            assert_eq!(failures_after(2, end), failures, "{end}");
        }
    }

    #[test]
    fn the_reason_names_the_count_the_last_interval_and_the_mend() {
        let interval = IntervalId::generate();
        assert_eq!(pause_reason(9, None, interval), None);
        assert_eq!(pause_reason(2, Some(3), interval), None);
        let reason = pause_reason(3, Some(3), interval).unwrap();
        assert!(reason.starts_with("3 intervals in a row failed"), "{reason}");
        assert!(reason.contains(&interval.to_string()) && reason.ends_with("resume the job"), "{reason}");
        assert!(pause_reason(1, Some(1), interval).unwrap().starts_with("1 interval failed"));
    }
}
