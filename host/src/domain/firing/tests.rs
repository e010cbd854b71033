use super::*;
use crate::domain::cron::{CronSchedule, DstRules};
use crate::domain::schedule::Period;
use IntervalState::{Coalesced, Missed, Skipped};
use proptest::prelude::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// An instant in seconds of the tests' own time.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_767_225_600_000) + Duration::from_secs(seconds)
}

fn every(seconds: u64) -> Schedule {
    Schedule::Every { period: Period::new(Duration::from_secs(seconds)).unwrap(), anchor: at(0) }
}

fn all(max: u32, within: Option<u64>) -> CatchUp {
    CatchUp::All { max, within: within.map(Duration::from_secs) }
}

fn open(scheduled_at: u64) -> StillOpen {
    let at = at(scheduled_at);
    StillOpen { id: IntervalId::generate(), scheduled_at: at, began_at: at, is_scheduled: true, is_queued: false }
}

fn queued(scheduled_at: u64) -> StillOpen {
    StillOpen { is_queued: true, ..open(scheduled_at) }
}

/// A due job, and what is decided about it.
struct Case {
    schedule: Schedule,
    rules: JobRules,
    next: u64,
    open: Vec<StillOpen>,
}

impl Case {
    /// An hourly job whose firing after one hour has come.
    fn hourly(overlap: Overlap, catch_up: CatchUp) -> Self {
        let rules = JobRules { overlap, catch_up, ..JobRules::default() };
        Self { schedule: every(HOUR), rules, next: HOUR, open: Vec::new() }
    }

    fn with(self, open: impl Into<Vec<StillOpen>>) -> Self {
        Self { open: open.into(), ..self }
    }

    fn decide(&self, now: Timestamp) -> Option<Verdict> {
        let next = NextFiring { scheduled_at: at(self.next), fire_at: at(self.next) };
        let (schedule, rules, open) = (&self.schedule, &self.rules, &self.open[..]);
        let situation = Situation { job: JobId::generate(), schedule, rules, next, open, now };
        decide(&situation, IntervalId::generate)
    }

    fn at(&self, seconds: u64) -> Verdict {
        self.decide(at(seconds)).expect("the job is due")
    }
}

/// When each of the firings that begin at once was due, in seconds, and when each that waits.
fn runs(verdict: &Verdict) -> (Vec<u64>, Vec<u64>) {
    let due = |run: &&Run| run.firing.scheduled_at.since(at(0)).as_secs();
    let (waiting, beginning): (Vec<_>, Vec<_>) = verdict.runs.iter().partition(|run| run.waits.is_some());
    (beginning.iter().map(due).collect(), waiting.iter().map(due).collect())
}

/// The records: what became of how many firings from when on.
fn unrun(verdict: &Verdict) -> Vec<(IntervalState, u64, u64)> {
    let seconds = |at_: Timestamp| at_.since(at(0)).as_secs();
    verdict.unrun.iter().map(|unrun| (unrun.state, seconds(unrun.scheduled_at), unrun.count.number)).collect()
}

#[test]
fn nothing_is_decided_before_the_time() {
    let job = Case::hourly(Overlap::Skip, CatchUp::Latest);
    assert!(job.decide(at(HOUR) - Duration::from_millis(1)).is_none());
    let verdict = job.at(HOUR);
    assert_eq!((runs(&verdict), unrun(&verdict)), ((vec![HOUR], vec![]), vec![]));
    assert_eq!(verdict.next.unwrap().scheduled_at, at(2 * HOUR));
}

#[test]
fn what_is_open_decides_as_the_overlap_rule_says() {
    use Overlap::{Allow, CancelRunning, Queue, Skip};
    let busy = |waiting: usize| [&[open(HOUR)][..], &vec![queued(HOUR); waiting]].concat();
    let (runs_now, waits, skips) = ((vec![2 * HOUR], vec![]), (vec![], vec![2 * HOUR]), (vec![], vec![]));
    let cases = [
        (Skip, 0, &skips, 0),
        (Skip, 1, &skips, 0),
        (Queue { max: 1 }, 0, &waits, 0),
        (Queue { max: 1 }, 1, &skips, 0),
        (Queue { max: 3 }, 2, &waits, 0),
        (Queue { max: 3 }, 3, &skips, 0),
        (Allow, 0, &runs_now, 0),
        (Allow, 2, &runs_now, 0),
        (CancelRunning, 0, &runs_now, 1),
        (CancelRunning, 2, &runs_now, 3),
    ];
    for (overlap, waiting, wanted, cancels) in cases {
        let case = Case { next: 2 * HOUR, ..Case::hourly(overlap, CatchUp::Latest) }.with(busy(waiting));
        let verdict = case.at(2 * HOUR);
        assert_eq!(&runs(&verdict), wanted, "{overlap:?} behind {waiting}");
        assert_eq!(verdict.cancels.len(), cancels, "{overlap:?} behind {waiting}");
        let skipped = if *wanted == skips { vec![(Skipped, 2 * HOUR, 1)] } else { vec![] };
        assert_eq!(unrun(&verdict), skipped, "{overlap:?} behind {waiting}");
    }
}

#[test]
fn firings_that_no_host_looked_for_are_made_up_for_as_the_catch_up_rule_says() {
    // Due at the hours 1 to 5; the last is found in time, or not.
    let (in_time, late) = (5 * HOUR + 59, 5 * HOUR + 61);
    let cases = [
        (CatchUp::Latest, in_time, vec![5], Some((Coalesced, HOUR, 4))),
        (CatchUp::Latest, late, vec![5], Some((Coalesced, HOUR, 4))),
        (CatchUp::None, in_time, vec![5], Some((Missed, HOUR, 4))),
        (CatchUp::None, late, vec![], Some((Missed, HOUR, 5))),
        (all(9, None), late, vec![1, 2, 3, 4, 5], None),
        (all(2, None), late, vec![4, 5], Some((Missed, HOUR, 3))),
        (all(9, Some(2 * HOUR)), late, vec![4, 5], Some((Missed, HOUR, 3))),
        (all(9, Some(1)), late, vec![], Some((Missed, HOUR, 5))),
        (all(9, Some(1)), in_time, vec![5], Some((Missed, HOUR, 4))),
    ];
    for (catch_up, now, hours, record) in cases {
        let verdict = Case::hourly(Overlap::Allow, catch_up).at(now);
        let hours: Vec<_> = hours.iter().map(|hour| hour * HOUR).collect();
        assert_eq!(runs(&verdict), (hours, vec![]), "{catch_up:?}");
        assert_eq!(unrun(&verdict), Vec::from_iter(record), "{catch_up:?}");
        assert_eq!(verdict.next.unwrap().scheduled_at, at(6 * HOUR), "the grid has not shifted");
    }
}

#[test]
fn a_firing_beyond_its_start_deadline_is_missed() {
    let deadline = Some(Duration::from_secs(90));
    for (catch_up, now, runs_at, record) in [
        (CatchUp::Latest, HOUR + 90, vec![HOUR], None),
        (CatchUp::Latest, HOUR + 91, vec![], Some((Missed, HOUR, 1))),
        (CatchUp::Latest, 3 * HOUR + 91, vec![], Some((Missed, HOUR, 3))),
        (CatchUp::Latest, 3 * HOUR + 90, vec![3 * HOUR], Some((Coalesced, HOUR, 2))),
        (all(9, None), 3 * HOUR + 90, vec![3 * HOUR], Some((Missed, HOUR, 2))),
    ] {
        let mut case = Case::hourly(Overlap::Skip, catch_up);
        case.rules.start_deadline = deadline;
        let verdict = case.at(now);
        assert_eq!(runs(&verdict), (runs_at, vec![]), "{catch_up:?}");
        assert_eq!(unrun(&verdict), Vec::from_iter(record), "{catch_up:?}");
        assert!(verdict.unrun.iter().all(|unrun| unrun.state == Coalesced || unrun.reason.contains("start_deadline")));
    }
}

#[test]
fn firings_that_are_made_up_for_take_turns_unless_they_may_overlap() {
    use Overlap::{Allow, CancelRunning, Queue, Skip};
    let hours = |range: std::ops::RangeInclusive<u64>| range.map(|hour| hour * HOUR).collect::<Vec<_>>();
    for overlap in [Skip, Queue { max: 1 }] {
        let idle = Case::hourly(overlap, all(9, None)).at(4 * HOUR);
        assert_eq!((runs(&idle), unrun(&idle)), ((hours(1..=1), hours(2..=4)), vec![]), "{overlap:?}");
        let busy = Case::hourly(overlap, all(3, None)).with([open(0), queued(0)]).at(4 * HOUR);
        assert_eq!(runs(&busy), (vec![], hours(2..=3)), "{overlap:?}");
        assert_eq!(unrun(&busy), [(Missed, HOUR, 1), (Skipped, 4 * HOUR, 1)], "{overlap:?}");
    }
    let beside = Case::hourly(Allow, all(9, None)).with([open(0)]).at(3 * HOUR);
    assert_eq!(runs(&beside), (hours(1..=3), vec![]));
    let instead = Case::hourly(CancelRunning, all(9, None)).with([open(0)]).at(3 * HOUR);
    assert_eq!((runs(&instead), unrun(&instead)), ((hours(3..=3), vec![]), vec![(Coalesced, HOUR, 2)]));
    assert_eq!(instead.cancels.len(), 1);
}

#[test]
fn a_month_asleep_under_a_one_second_period_is_one_record_and_one_run() {
    let month = 30 * 24 * HOUR;
    let second = Case { schedule: every(1), next: 1, ..Case::hourly(Overlap::Skip, CatchUp::Latest) };
    let verdict = second.at(month);
    assert_eq!((runs(&verdict), unrun(&verdict)), ((vec![month], vec![]), vec![(Coalesced, 1, month - 1)]));
    let reason = &verdict.unrun[0].reason;
    assert!(
        reason.starts_with("2591999 firings from 2026-01-01T00:00:01.000Z to 2026-01-30T23:59:59.000Z"),
        "{reason}"
    );

    let cron = CronSchedule::new("* * * * * *", "Europe/Berlin", DstRules::default()).unwrap();
    let cron = Case { schedule: Schedule::Cron(cron), next: 1, ..Case::hourly(Overlap::Skip, all(1_000, None)) };
    let verdict = cron.at(month);
    assert_eq!((verdict.runs.len(), verdict.unrun.len()), (1_000, 1));
    let reason = &verdict.unrun[0].reason;
    assert!(reason.starts_with("more than 10001 firings from 2026-01-01T00:00:01.000Z to "), "{reason}");
}

#[test]
fn reasons_name_the_interval_the_rule_and_what_would_change_it() {
    let running = open(0);
    let skipped = Case::hourly(Overlap::Skip, CatchUp::Latest).with([running]).at(HOUR);
    let reason = &skipped.unrun[0].reason;
    let wanted = format!("the firing of 2026-01-01T01:00:00.000Z found interval {} of the job still open", running.id);
    assert!(reason.starts_with(&wanted) && reason.contains("overlap is skip; with queue"), "{reason}");

    let waits = Case::hourly(Overlap::Queue { max: 2 }, CatchUp::Latest).with([running, queued(0)]).at(HOUR);
    let wanted = format!("waits for interval {} and the 1 queued before it", running.id);
    assert_eq!(waits.runs[0].waits.as_ref(), Some(&wanted));
    let full = Case::hourly(Overlap::Queue { max: 1 }, CatchUp::Latest).with([running, queued(0)]).at(HOUR);
    let reason = &full.unrun[0].reason;
    assert!(reason.contains("all 1 places behind it taken") && reason.contains("larger queue_max"), "{reason}");

    let cancels = Case::hourly(Overlap::CancelRunning, CatchUp::Latest).with([running]).at(HOUR);
    let wanted = "the firing of 2026-01-01T01:00:00.000Z runs in its place (overlap is cancel_running)";
    assert_eq!((cancels.cancels[0].interval, cancels.cancels[0].reason.as_str()), (running.id, wanted));

    let missed = Case::hourly(Overlap::Skip, CatchUp::None).at(3 * HOUR);
    let reason = &missed.unrun[0].reason;
    assert!(reason.contains("catch_up is none; with latest or all"), "{reason}");
    let bounded = Case::hourly(Overlap::Skip, all(1, Some(2 * HOUR))).at(5 * HOUR);
    let reason = &bounded.unrun[0].reason;
    assert!(reason.contains("catch_up_max, 1,") && reason.contains("catch_up_within, 2h"), "{reason}");
}

#[test]
fn an_interval_that_is_open_when_the_next_is_due_raises_a_warning_unless_it_only_began_late() {
    let job = Case { schedule: every(10 * MINUTE), next: 20 * MINUTE, ..Case::hourly(Overlap::Skip, CatchUp::Latest) };
    let warning = |open: StillOpen| {
        let case = Case { schedule: job.schedule.clone(), next: job.next, rules: job.rules, open: vec![open] };
        case.at(20 * MINUTE + 5).warning
    };
    let slow = open(10 * MINUTE);
    let text = warning(slow).unwrap();
    assert!(text.starts_with(&format!("interval {} outlasts its period of 10m", slow.id)), "{text}");
    assert!(text.ends_with("after 10m5s"), "{text}");
    assert!(warning(StillOpen { began_at: at(10 * MINUTE + 30), ..slow }).is_some(), "moments late");
    assert_eq!(warning(StillOpen { began_at: at(15 * MINUTE), ..slow }), None, "it began late");
    assert_eq!(warning(StillOpen { is_scheduled: false, ..slow }), None, "it is not of the schedule");
    assert_eq!(warning(queued(10 * MINUTE)), None, "it waits");
    assert!(ends_within_period(&job.schedule, at(10 * MINUTE), at(15 * MINUTE), at(24 * MINUTE)));
    assert!(!ends_within_period(&job.schedule, at(10 * MINUTE), at(10 * MINUTE), at(20 * MINUTE)));
}

#[test]
fn jitter_is_the_same_for_a_firing_on_every_host_and_never_reaches_the_next_one() {
    let (job, other) = (JobId::generate(), JobId::generate());
    let day = Duration::from_hours(24);
    let delays = |job, jitter| {
        let firings = std::iter::successors(next_after(job, &every(MINUTE), jitter, at(0)), |firing| {
            next_after(job, &every(MINUTE), jitter, firing.scheduled_at)
        });
        firings.take(100).map(|firing| firing.fire_at.since(firing.scheduled_at).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(delays(job, day), delays(job, day));
    assert_ne!(delays(job, day), delays(other, day), "jobs of one period are spread");
    assert!(delays(job, day).iter().all(|delay| *delay < 60_000));
    let short = delays(job, Duration::from_secs(10));
    assert!(short.iter().all(|delay| *delay < 10_000) && short.iter().any(|delay| *delay > 5_000), "{short:?}");
    assert!(delays(job, Duration::ZERO).iter().all(|delay| *delay == 0));
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let cron = |text: &str| Schedule::Cron(CronSchedule::new(text, "Europe/Berlin", DstRules::default()).unwrap());
    prop::sample::select(vec![
        every(1),
        every(7),
        every(HOUR),
        cron("*/5 * * * *"),
        cron("*/20 * * * * *"),
        cron("30 2 * * *"),
        Schedule::Once { at: at(900) },
    ])
}

fn rules() -> impl Strategy<Value = JobRules> {
    let overlap = prop_oneof![
        Just(Overlap::Skip),
        (1u32..4).prop_map(|max| Overlap::Queue { max }),
        Just(Overlap::Allow),
        Just(Overlap::CancelRunning),
    ];
    let catch_up = prop_oneof![
        Just(CatchUp::None),
        Just(CatchUp::Latest),
        (1u32..40, prop::option::of(1u64..4_000)).prop_map(|(max, within)| all(max, within)),
    ];
    let span = |max| prop::option::of(0u64..max).prop_map(|span| span.map(Duration::from_secs));
    (overlap, catch_up, span(100), span(4_000)).prop_map(|(overlap, catch_up, jitter, start_deadline)| JobRules {
        overlap,
        catch_up,
        jitter: jitter.unwrap_or_default(),
        start_deadline,
        ..JobRules::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_due_firing_runs_or_waits_or_is_covered_by_one_record(
        schedule in schedules(),
        rules in rules(),
        open in prop::collection::vec(prop_oneof![Just(open(0)), Just(queued(0))], 0..4),
        slept in 0u64..7_000,
    ) {
        let job = JobId::generate();
        let Some(next) = next_after(job, &schedule, rules.jitter, at(0)) else { return Ok(()) };
        let now = at(slept).max(next.fire_at);
        let (schedule, rules) = (&schedule, &rules);
        let situation = Situation { job, schedule, rules, next, open: &open, now };
        let verdict = decide(&situation, IntervalId::generate).expect("it is due");

        let walk = |from| std::iter::successors(from, |firing: &NextFiring| {
            next_after(job, schedule, rules.jitter, firing.scheduled_at)
        });
        let due: Vec<_> = walk(Some(next)).take_while(|firing| firing.fire_at <= now).collect();
        let following = walk(Some(next)).find(|firing| firing.fire_at > now);
        prop_assert_eq!(verdict.next, following, "the first that is not due is next");
        for firing in &due {
            let at = firing.scheduled_at;
            let runs = verdict.runs.iter().filter(|run| run.firing.scheduled_at == at).count();
            let records = verdict.unrun.iter().filter(|unrun| unrun.scheduled_at <= at && at <= unrun.last_at).count();
            prop_assert_eq!(runs + records, 1, "{} of {:?}", at, verdict);
        }
        let recorded: u64 = verdict.unrun.iter().map(|unrun| unrun.count.number).sum();
        prop_assert_eq!(verdict.runs.len() as u64 + recorded, due.len() as u64, "nothing else is counted");
        prop_assert!(verdict.unrun.len() <= 2, "records are few");

        let most = match rules.catch_up { CatchUp::All { max, .. } => max as usize, _ => 1 };
        prop_assert!(verdict.runs.len() <= most);
        let beginning = verdict.runs.iter().filter(|run| run.waits.is_none()).count();
        match rules.overlap {
            Overlap::Allow => {}
            Overlap::CancelRunning => prop_assert!(beginning == 0 || verdict.cancels.len() == open.len()),
            _ => prop_assert!(beginning <= usize::from(open.is_empty()), "one at a time"),
        }
        prop_assert!(matches!(rules.overlap, Overlap::CancelRunning) || verdict.cancels.is_empty());
    }
}
