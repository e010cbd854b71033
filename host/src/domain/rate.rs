//! How many tasks of a job may begin each second: the generic cell rate algorithm.

use super::ids::JobId;
use super::timestamp::Timestamp;
use std::collections::HashMap;

/// What a job that did not use its rate may make up for at once: a tenth of a second's tasks, beside the one that is
/// due. It is more than a timer is late, so that the rate is met on average, and too little to be felt as a burst.
const CREDIT_NS: i128 = 100 * NS_PER_MS;

const NS_PER_MS: i128 = 1_000_000;

/// When the next task of each job with a rate limit may begin on this host.
///
/// In any span of `t` seconds at most `1 + rate * (t + 0.1)` tasks of a job begin.
#[derive(Debug, Default)]
pub struct Rates {
    /// The instant, in nanoseconds, up to which the begun tasks have used up the job's rate.
    used_until: HashMap<JobId, i128>,
}

impl Rates {
    /// How many tasks of a job may begin now.
    pub fn allowance(&self, job: JobId, rate: f64, now: Timestamp) -> u32 {
        let credit = CREDIT_NS + ns(now) - self.used_until(job, now);
        if credit < 0 {
            return 0;
        }
        u32::try_from(credit / spacing(rate) + 1).unwrap_or(u32::MAX)
    }

    /// Notes that a task of a job begins.
    pub fn begin(&mut self, job: JobId, rate: f64, now: Timestamp) {
        let used_until = self.used_until(job, now) + spacing(rate);
        if !self.used_until.contains_key(&job) {
            // A job that has made up for what it used is as good as forgotten.
            self.used_until.retain(|_, until| *until > ns(now));
        }
        self.used_until.insert(job, used_until);
    }

    /// When a task of a job may begin that comes after `before` others; not after `now` where it may at once.
    pub fn next_at(&self, job: JobId, rate: f64, before: u32, now: Timestamp) -> Timestamp {
        let at = self.used_until(job, now) + spacing(rate) * i128::from(before) - CREDIT_NS;
        // Rounded up, or whoever waits until then would find that it is too early.
        Timestamp::from_ms(i64::try_from(-(-at).div_euclid(NS_PER_MS)).unwrap_or(i64::MAX))
    }

    fn used_until(&self, job: JobId, now: Timestamp) -> i128 {
        self.used_until.get(&job).map_or(ns(now), |until| (*until).max(ns(now)))
    }
}

/// The span between two tasks in nanoseconds, at least one.
fn spacing(rate: f64) -> i128 {
    ((1e9 / rate).round() as i128).max(1)
}

fn ns(at: Timestamp) -> i128 {
    i128::from(at.ms()) * NS_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

    /// How many tasks begin until `END`, where all begin that may whenever somebody looks.
    fn begun(rate: f64, looks_every: Duration, end: Duration) -> u32 {
        let (job, mut rates, mut now, mut begun) = (JobId::generate(), Rates::default(), START, 0);
        while now < START + end {
            for _ in 0..rates.allowance(job, rate, now) {
                rates.begin(job, rate, now);
                begun += 1;
            }
            assert_eq!(rates.allowance(job, rate, now), 0);
            assert!(rates.next_at(job, rate, 0, now) > now);
            now = now + looks_every;
        }
        begun
    }

    #[test]
    fn a_rate_is_met_on_average_and_never_exceeded_by_more_than_the_credit() {
        let cases = [
            (0.1, 1, 60.0),
            (0.5, 7, 60.0),
            (5.0, 1, 60.0),
            (5.0, 30, 60.0),
            (33.3, 10, 60.0),
            (1e3, 20, 9.0),
            (1e6, 3, 0.1),
        ];
        for (rate, every_ms, seconds) in cases {
            let (every, end) = (Duration::from_millis(every_ms), Duration::from_secs_f64(seconds));
            let begun = f64::from(begun(rate, every, end));
            assert!(begun <= 1.0 + rate * (seconds + 0.1), "{rate}: {begun}");
            assert!(begun >= rate * (seconds - 0.01) - 1.0, "{rate}: {begun}");
        }
    }

    #[test]
    fn a_task_may_begin_at_the_instant_that_is_foretold_and_not_before() {
        let (job, mut rates) = (JobId::generate(), Rates::default());
        for rate in [0.3, 2.0, 7.0, 640.0] {
            let mut now = START;
            for _ in 0..50 {
                now = rates.next_at(job, rate, 0, now).max(now);
                let foretold = rates.next_at(job, rate, rates.allowance(job, rate, now), now);
                assert!(rates.allowance(job, rate, now) >= 1, "{rate} at {now}");
                while rates.allowance(job, rate, now) > 0 {
                    rates.begin(job, rate, now);
                }
                let next = rates.next_at(job, rate, 0, now);
                assert_eq!(next, foretold);
                assert_eq!(rates.allowance(job, rate, next - Duration::from_millis(1)), 0, "{rate} before {next}");
            }
        }
    }

    #[test]
    fn after_a_rest_a_slow_job_begins_one_task_and_a_fast_one_a_tenth_of_a_seconds() {
        let rates = Rates::default();
        for (rate, at_once) in [(0.001, 1), (5.0, 1), (10.0, 2), (1_000.0, 101)] {
            assert_eq!(rates.allowance(JobId::generate(), rate, START), at_once, "{rate}");
        }
    }

    #[test]
    fn jobs_do_not_share_a_rate_and_a_job_at_rest_is_forgotten() {
        let [busy, other] = [JobId::generate(), JobId::generate()];
        let mut rates = Rates::default();
        rates.begin(busy, 1.0, START);
        assert_eq!((rates.allowance(busy, 1.0, START), rates.allowance(other, 1.0, START)), (0, 1));
        rates.begin(other, 1.0, START + Duration::from_secs(9));
        assert_eq!(rates.used_until.len(), 1);
    }
}
