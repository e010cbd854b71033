use std::collections::BTreeSet;

use anyhow::bail;

use super::MAX_PARALLEL;
use super::evidence::Evidence;
use super::indices;

/// The least that counts as real work, where the directory has so many files.
const TASKS_MIN: u64 = 200;

/// One thing that was promised, and whether the evidence bears it out.
struct Promise {
    text: &'static str,
    is_kept: bool,
    found: String,
}

/// Tells each promise and whether it was kept; fails with the names of those that were not.
pub(super) fn ensure_kept(evidence: &Evidence) -> anyhow::Result<()> {
    let promises = promises(evidence);
    for Promise { text, is_kept, found } in &promises {
        println!("{} {text} ({found})", if *is_kept { "kept  " } else { "BROKEN" });
    }
    let broken: Vec<_> = promises.iter().filter(|promise| !promise.is_kept).map(|promise| promise.text).collect();
    if !broken.is_empty() {
        bail!("not every promise was kept: {}", broken.join("; "));
    }
    Ok(())
}

fn promises(evidence: &Evidence) -> Vec<Promise> {
    vec![
        succeeded(evidence),
        every_task_completed(evidence),
        recovery_was_told(evidence),
        nothing_told_was_lost(evidence),
        nothing_completed_ran_again(evidence),
        only_the_rest_ran(evidence),
        few_ran_twice(evidence),
        the_work_was_real(evidence),
        every_file_was_audited(evidence),
    ]
}

fn succeeded(Evidence { interval, .. }: &Evidence) -> Promise {
    let reason = interval.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Promise {
        text: "the interval succeeds",
        is_kept: interval.state == "succeeded",
        found: format!("{}{reason}", interval.state),
    }
}

fn every_task_completed(Evidence { interval, .. }: &Evidence) -> Promise {
    let total = interval.total();
    let all = format!("0-{}", total.saturating_sub(1));
    Promise {
        text: "every task is recorded as completed, once",
        is_kept: interval.completed_indices == all && interval.completed == total,
        found: format!("{} of {total}: {}", interval.completed, interval.completed_indices),
    }
}

fn recovery_was_told(Evidence { log, .. }: &Evidence) -> Promise {
    let missing: Vec<_> = log.missing().collect();
    let found = if missing.is_empty() { "all lines found".into() } else { format!("missing: {}", missing.join(", ")) };
    Promise { text: "the log tells of the recovery", is_kept: missing.is_empty(), found }
}

/// What is completed at the end and was not called after the restart had completed before: it must hold what was told.
fn nothing_told_was_lost(Evidence { interval, completed_seen, called_after, .. }: &Evidence) -> Promise {
    let completed = indices::parse(&interval.completed_indices).unwrap_or_default();
    let outlived: BTreeSet<_> = completed.difference(called_after).copied().collect();
    let lost = completed_seen.difference(&outlived).count();
    Promise {
        text: "what was told as completed has outlived the kill",
        is_kept: lost == 0,
        found: format!("{lost} of {} were lost", completed_seen.len()),
    }
}

fn nothing_completed_ran_again(Evidence { completed_seen, called_after, .. }: &Evidence) -> Promise {
    let again = completed_seen.intersection(called_after).count();
    Promise {
        text: "no completed task is invoked again",
        is_kept: again == 0,
        found: format!("{again} of {} were", completed_seen.len()),
    }
}

fn only_the_rest_ran(Evidence { interval, log, called_after, .. }: &Evidence) -> Promise {
    let (before, after) = (log.skipped().unwrap_or_default(), called_after.len() as u64);
    Promise {
        text: "exactly the tasks that were left are invoked",
        is_kept: before + after == interval.total(),
        found: format!("{before} before + {after} after, of {}", interval.total()),
    }
}

fn few_ran_twice(Evidence { interval, .. }: &Evidence) -> Promise {
    Promise {
        text: "at most max_parallel tasks are invoked twice",
        is_kept: interval.duplicates <= MAX_PARALLEL,
        found: format!("{} of at most {MAX_PARALLEL}", interval.duplicates),
    }
}

fn the_work_was_real(Evidence { interval, files_before, .. }: &Evidence) -> Promise {
    let wanted = TASKS_MIN.min(*files_before);
    let why = if wanted < TASKS_MIN { ", which is all the files there are" } else { "" };
    Promise {
        text: "the interval has tasks enough",
        is_kept: interval.total() >= wanted,
        found: format!("{} of at least {wanted}{why}", interval.total()),
    }
}

fn every_file_was_audited(Evidence { files_before, files_audited, files_after, .. }: &Evidence) -> Promise {
    // Others may write to the directory while it is audited; then the count must lie between the two.
    let (least, most) = (files_before.min(files_after), files_before.max(files_after));
    let counted = if least == most { least.to_string() } else { format!("{least} to {most}, for the tree changed") };
    Promise {
        text: "every file is audited once",
        is_kept: (least..=most).contains(&files_audited),
        found: format!("{files_audited} audited, {counted} counted"),
    }
}
