//! When an interval is ended before its tasks are: its job allows it only so much time, or only so many failures.

use super::human_duration;
use super::job::{MaxFailed, Policy};
use super::timestamp::Timestamp;
use std::time::Duration;

/// When an interval whose plan is recorded at `started_at` is ended, if it is open then. The deadline stands whatever
/// happens to the interval's hosts.
pub fn deadline(policy: &Policy, started_at: Timestamp) -> Option<Timestamp> {
    policy.interval_timeout.map(|timeout| started_at + timeout)
}

/// Why an interval was ended at its deadline, for people.
pub fn overdue(interval_timeout: Option<Duration>) -> String {
    match interval_timeout {
        Some(timeout) => format!("took longer than interval_timeout ({})", human_duration::format(timeout)),
        None => "took longer than interval_timeout".to_owned(),
    }
}

/// Why an interval is cut short of whose `total` tasks so many have failed for good; none where it goes on.
pub fn too_many_failed(max_failed: Option<MaxFailed>, failed: u64, total: u32) -> Option<String> {
    let max = max_failed?;
    (failed > u64::from(max.of(total))).then(|| {
        let max = match max {
            MaxFailed::Count(count) => count.to_string(),
            // A share is written as percent; what rounding left of it is no news.
            MaxFailed::Share(share) => format!("{}%", (share * 1e8).round() / 1e6),
        };
        format!("cut short: {failed} of {total} tasks failed and max_failed is {max}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_from_the_plan() {
        let started_at = Timestamp::from_ms(5_000);
        let policy = Policy { interval_timeout: Some(Duration::from_secs(90)), ..Policy::default() };
        assert_eq!(deadline(&policy, started_at), Some(Timestamp::from_ms(95_000)));
        assert_eq!(deadline(&Policy::default(), started_at), None);
        assert_eq!(overdue(policy.interval_timeout), "took longer than interval_timeout (1m30s)");
    }

    #[test]
    fn an_interval_is_cut_short_by_one_failure_more_than_it_may_have() {
        let ten = Some(MaxFailed::Count(10));
        assert_eq!(too_many_failed(ten, 10, 100), None);
        let reason = "cut short: 11 of 100 tasks failed and max_failed is 10";
        assert_eq!(too_many_failed(ten, 11, 100).as_deref(), Some(reason));
        assert_eq!(too_many_failed(None, 100, 100), None);
    }

    #[test]
    fn a_share_is_of_all_tasks_and_none_may_fail_where_it_is_nothing() {
        let share = |share| Some(MaxFailed::Share(share));
        assert_eq!(too_many_failed(share(0.05), 10, 200), None);
        let reason = "cut short: 11 of 200 tasks failed and max_failed is 5%";
        assert_eq!(too_many_failed(share(0.05), 11, 200).as_deref(), Some(reason));
        assert!(too_many_failed(share(0.05), 1, 19).is_some(), "5 % of 19 is no whole task");
        assert!(too_many_failed(share(0.0), 1, 10).is_some());
        assert_eq!(too_many_failed(share(1.0), 10, 10), None);
        let reason = too_many_failed(share(0.07), 8, 100).unwrap();
        assert!(reason.ends_with("max_failed is 7%"), "{reason}");
    }
}
