use super::*;

const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

fn ask(rate: f64, wanted: u32) -> RateAsk {
    RateAsk { job: JobId::generate(), rate, wanted }
}

/// A host's way to use a rate: the executor reserves and begins what it can, lanes take what is left a little later.
#[derive(Default)]
struct Host {
    reservations: Reservations,
    begun: Vec<Timestamp>,
}

impl Host {
    fn look(&mut self, row: &mut Option<i64>, ask: RateAsk, now: Timestamp) {
        let wanted = self.reservations.to_reserve(ask.job, ask.wanted, now);
        if wanted > 0 {
            let (grant, used_until) = reserve(*row, RateAsk { wanted, ..ask }, now);
            *row = Some(used_until);
            self.reservations.note(ask.job, grant, now);
        }
        self.begin(ask, now);
    }

    fn begin(&mut self, ask: RateAsk, now: Timestamp) {
        let begin = self.reservations.left(ask.job, now).min(ask.wanted);
        self.reservations.begin(ask.job, begin);
        self.begun.extend(std::iter::repeat_n(now, begin as usize));
    }
}

/// All instants at which tasks begin until `end` on so many hosts, which look every so often and not at one time.
fn begun(hosts: u64, ask: RateAsk, looks_every_ms: u64, end: Duration) -> Vec<Timestamp> {
    let mut row = None;
    let mut hosts: Vec<Host> = (0..hosts).map(|_| Host::default()).collect();
    for ms in 0..u64::try_from(end.as_millis()).unwrap() {
        let now = START + Duration::from_millis(ms);
        for (offset, host) in (0..).zip(&mut hosts) {
            match (ms + 7 * offset) % looks_every_ms {
                0 => host.look(&mut row, ask, now),
                1 => host.begin(ask, now),
                _ => {}
            }
        }
    }
    let mut begun: Vec<_> = hosts.into_iter().flat_map(|host| host.begun).collect();
    begun.sort_unstable();
    begun
}

#[test]
fn a_rate_is_met_on_average_and_exceeded_in_no_span_by_more_than_the_credit_however_many_hosts_there_are() {
    let cases = [
        (0.1, 2, 60.0),
        (0.5, 7, 60.0),
        (5.0, 2, 60.0),
        (5.0, 30, 60.0),
        (33.3, 10, 30.0),
        (1e3, 20, 3.0),
        (1e5, 3, 0.1),
    ];
    for hosts in [1, 2, 5] {
        for (rate, every_ms, seconds) in cases {
            let begun = begun(hosts, ask(rate, 1_000_000), every_ms, Duration::from_secs_f64(seconds));
            let count = begun.len() as f64;
            assert!(count >= rate * (seconds - 0.03) - 1.0, "{rate} on {hosts}: {count} in {seconds} s");
            for span in [1, 10, 100, 1_000, 10_000] {
                let most = 1.0 + rate * (span as f64 / 1e3 + 0.2);
                let within = |first: usize| {
                    begun[first..].partition_point(|at| at.since(begun[first]) <= Duration::from_millis(span))
                };
                let worst = (0..begun.len()).step_by(1 + begun.len() / 500).map(within).max().unwrap();
                assert!(worst as f64 <= most, "{rate} on {hosts}: {worst} tasks in {span} ms");
            }
        }
    }
}

#[test]
fn slow_tasks_begin_one_by_one_wherever_they_run() {
    let begun = begun(4, ask(0.1, 1), 50, Duration::from_secs(95));
    assert_eq!(begun.len(), 10);
    assert!(begun.windows(2).all(|pair| pair[1].since(pair[0]) >= Duration::from_millis(9_900)), "{begun:?}");
}

#[test]
fn what_is_reserved_and_not_used_in_time_is_lost() {
    let (ask, now) = (ask(1_000.0, 10), START);
    let mut host = Host::default();
    let (grant, _) = reserve(None, ask, now);
    host.reservations.note(ask.job, grant, now);
    assert_eq!(host.reservations.left(ask.job, now + Duration::from_millis(99)), 10);
    assert_eq!(host.reservations.left(ask.job, now + RESERVED_FOR), 0);
    assert_eq!(host.reservations.left(ask.job, now - Duration::from_millis(1)), 0, "the clock was set back");
}

#[test]
fn whoever_uses_up_what_it_reserved_reserves_twice_as_much_and_whoever_is_told_when_waits() {
    let (ask, mut host) = (ask(1_000.0, 10), Host::default());
    assert_eq!(host.reservations.to_reserve(ask.job, 10, START), 10);
    host.reservations.note(ask.job, RateGrant { tasks: 10, next_at: START }, START);
    assert_eq!(host.reservations.to_reserve(ask.job, 10, START), 0, "some are left");
    host.reservations.begin(ask.job, 10);
    assert_eq!(host.reservations.to_reserve(ask.job, 3, START), 20);
    let next_at = START + Duration::from_millis(30);
    host.reservations.note(ask.job, RateGrant { tasks: 0, next_at }, START);
    assert_eq!(host.reservations.to_reserve(ask.job, 10, START), 0, "it is too soon");
    assert_eq!(host.reservations.next_at(ask.job), Some(next_at));
    assert_eq!(host.reservations.to_reserve(ask.job, 10, next_at), 10);
}

#[test]
fn a_task_may_begin_at_the_instant_that_is_foretold_and_not_before() {
    for rate in [0.3, 2.0, 7.0, 640.0] {
        let (mut row, mut now) = (None, START);
        for _ in 0..50 {
            let (grant, used_until) = reserve(row, ask(rate, u32::MAX), now);
            assert!(grant.tasks >= 1, "{rate} at {now}");
            let too_soon = grant.next_at - Duration::from_millis(1);
            assert_eq!(reserve(Some(used_until), ask(rate, 1), too_soon).0, RateGrant { tasks: 0, ..grant }, "{rate}");
            (row, now) = (Some(used_until), grant.next_at);
        }
    }
}

#[test]
fn after_a_rest_a_slow_job_begins_one_task_and_a_fast_one_a_tenth_of_a_seconds() {
    for (rate, at_once) in [(0.001, 1), (5.0, 1), (10.0, 2), (1_000.0, 101)] {
        let long_ago = i64::try_from(ns(START) - 1_000_000 * NS_PER_MS).unwrap();
        for row in [None, Some(long_ago)] {
            assert_eq!(reserve(row, ask(rate, u32::MAX), START).0.tasks, at_once, "{rate}");
        }
    }
}

#[test]
fn a_clock_that_was_far_ahead_does_not_stop_a_job_for_as_long() {
    let year = START + Duration::from_hours(24 * 365);
    let (_, used_until) = reserve(None, ask(0.1, 1), year);
    assert_eq!(reserve(Some(used_until), ask(0.1, 1), START).0.tasks, 1);
}

#[test]
fn jobs_do_not_share_a_reservation_and_a_job_at_rest_is_forgotten() {
    let [busy, other] = [JobId::generate(), JobId::generate()];
    let mut reservations = Reservations::default();
    reservations.note(busy, RateGrant { tasks: 3, next_at: START }, START);
    assert_eq!((reservations.left(busy, START), reservations.left(other, START)), (3, 0));
    reservations.note(other, RateGrant { tasks: 1, next_at: START }, START + Duration::from_secs(9));
    assert_eq!(reservations.0.len(), 1);
}
