//! Which of the firings that are due may run: those that `catch_up` and `start_deadline` let.

use super::due::Due;
use super::{ON_TIME, Passed, Situation, named};
use crate::domain::human_duration::format as span;
use crate::domain::interval::IntervalState;
use crate::domain::rules::CatchUp;
use crate::domain::timestamp::Timestamp;
use std::time::Duration;

/// Firings that may run, the oldest first, and all that were due before them.
pub(super) struct CaughtUp {
    pub(super) kept: Vec<Timestamp>,
    pub(super) unrun: Option<Passed>,
}

pub(super) fn catch_up(situation: &Situation<'_>, due: &Due) -> CaughtUp {
    let kept = kept(situation, due);
    let last_unrun = match kept.first() {
        Some(first_kept) if *first_kept == due.first => return CaughtUp { kept, unrun: None },
        Some(first_kept) => situation.before(due.first, *first_kept),
        None => due.last,
    };
    let (first_at, last_at) = (due.first, last_unrun);
    let count = situation.count(first_at, last_at);
    let why = why(situation, kept.last());
    let state = match (situation.rules.catch_up, kept.is_empty()) {
        (CatchUp::Latest, false) => IntervalState::Coalesced,
        _ => IntervalState::Missed,
    };
    let reason = format!("{} {why}", named(first_at, last_at, count));
    CaughtUp { kept, unrun: Some(Passed { state, reason, first_at, last_at, count }) }
}

fn kept(situation: &Situation<'_>, due: &Due) -> Vec<Timestamp> {
    let starts_in_time =
        |at: Timestamp| situation.rules.start_deadline.is_none_or(|deadline| situation.lateness(at) <= deadline);
    let (max, is_wanted): (_, &dyn Fn(Timestamp) -> bool) = match situation.rules.catch_up {
        CatchUp::None => (1, &|at| situation.lateness(at) <= ON_TIME),
        CatchUp::Latest => (1, &|_| true),
        CatchUp::All { max, within } => (max as usize, &move |at| {
            let is_on_time = at == due.last && situation.lateness(at) <= ON_TIME;
            is_on_time || within.is_none_or(|within| situation.now.since(at) <= within)
        }),
    };
    let mut kept = Vec::new();
    let mut at = due.last;
    while kept.len() < max && is_wanted(at) && starts_in_time(at) {
        kept.push(at);
        if at == due.first {
            break;
        }
        at = situation.before(due.first, at);
    }
    kept.reverse();
    kept
}

/// Why firings do not run, and what would change it.
fn why(situation: &Situation<'_>, stands_for_them: Option<&Timestamp>) -> String {
    let found_late = |deadline: Duration| {
        let (now, deadline) = (situation.now, span(deadline));
        format!("found only at {now}, later than start_deadline allows (it is {deadline})")
    };
    match (situation.rules.catch_up, stands_for_them, situation.rules.start_deadline) {
        (CatchUp::Latest, Some(latest), _) => format!(
            "passed while no host fired; the one of {latest} stands for what came before it \
             (catch_up is latest; with all, each runs)"
        ),
        (CatchUp::None, ..) => {
            "passed while no host fired (catch_up is none; with latest or all it is made up for)".to_owned()
        }
        (CatchUp::Latest, None, deadline) => deadline.map(found_late).unwrap_or_default(),
        (CatchUp::All { max, within }, _, deadline) => {
            let within = within.map(|within| format!(", none due longer ago than catch_up_within, {}", span(within)));
            let deadline = deadline.map(|deadline| format!(", none later than start_deadline, {}", span(deadline)));
            let (within, deadline) = (within.unwrap_or_default(), deadline.unwrap_or_default());
            format!("passed while no host fired, and at most catch_up_max, {max}, are made up for{within}{deadline}")
        }
    }
}
