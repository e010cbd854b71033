//! Which stages may begin, and when an interval ends.

use super::interval::End;
use super::plan::Plan;

/// How far a stage is, as its segments' rows say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTally {
    /// Its name.
    pub name: String,
    /// The places of the stages that it waits for.
    pub waits_for: Vec<u32>,
    /// Whether its segments may be claimed.
    pub is_open: bool,
    /// Segments that are not settled.
    pub unsettled_segments: u64,
    /// Tasks that failed for good.
    pub failed: u64,
}

impl StageTally {
    fn has_succeeded(&self) -> bool {
        self.is_open && self.unsettled_segments == 0 && self.failed == 0
    }
}

/// What follows from the stages' states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// These stages may begin, by their places; none where the open ones just go on.
    Open(Vec<u32>),
    /// Nothing is left that could run.
    End {
        /// How the interval ends.
        end: End,
        /// Why it failed, for people; none where it succeeded.
        reason: Option<String>,
    },
}

/// Decides how an interval goes on.
///
/// A failed task does not stop the other tasks of its stage, nor stages that do not wait for it; stages that do never
/// begin. A stage without tasks succeeds as soon as it is opened, so the caller asks again after opening stages.
pub fn advance(stages: &[StageTally]) -> Advance {
    let succeeded = |place: &u32| stages.get(*place as usize).is_some_and(StageTally::has_succeeded);
    let ready: Vec<u32> = (0..)
        .zip(stages)
        .filter(|(_, stage)| !stage.is_open && stage.waits_for.iter().all(succeeded))
        .map(|(place, _)| place)
        .collect();
    if !ready.is_empty() || stages.iter().any(|stage| stage.is_open && stage.unsettled_segments > 0) {
        return Advance::Open(ready);
    }
    if stages.iter().all(StageTally::has_succeeded) {
        return Advance::End { end: End::Succeeded, reason: None };
    }
    Advance::End { end: End::Failed, reason: Some(failure(stages)) }
}

/// Which stages of a fresh plan may begin, by their places: those that wait for nothing, or only for stages without
/// tasks.
pub fn opening(plan: &Plan) -> Vec<bool> {
    let mut tallies: Vec<StageTally> = plan
        .stages()
        .iter()
        .map(|stage| StageTally {
            name: stage.name.clone(),
            waits_for: stage.waits_for.clone(),
            is_open: false,
            unsettled_segments: u64::from(stage.tasks.min(1)),
            failed: 0,
        })
        .collect();
    while let Advance::Open(places) = advance(&tallies)
        && !places.is_empty()
    {
        places.iter().for_each(|place| tallies[*place as usize].is_open = true);
    }
    tallies.iter().map(|tally| tally.is_open).collect()
}

fn failure(stages: &[StageTally]) -> String {
    let names =
        |stages: Vec<&StageTally>| stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(", ");
    let failed: u64 = stages.iter().map(|stage| stage.failed).sum();
    let guilty = names(stages.iter().filter(|stage| stage.failed > 0).collect());
    let never_begun: Vec<&StageTally> = stages.iter().filter(|stage| !stage.is_open).collect();
    let tasks = if failed == 1 { "1 task".to_owned() } else { format!("{failed} tasks") };
    if never_begun.is_empty() {
        return format!("{tasks} failed in stage {guilty}");
    }
    format!("{tasks} failed in stage {guilty}; not begun: {}", names(never_begun))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(name: &str, waits_for: &[u32]) -> StageTally {
        StageTally { name: name.into(), waits_for: waits_for.into(), is_open: false, unsettled_segments: 1, failed: 0 }
    }

    fn open(name: &str, waits_for: &[u32], unsettled_segments: u64, failed: u64) -> StageTally {
        StageTally { is_open: true, unsettled_segments, failed, ..blocked(name, waits_for) }
    }

    #[test]
    fn a_stage_begins_when_all_that_it_waits_for_has_succeeded() {
        let diamond = |left, right| vec![open("a", &[], 0, 0), left, right, blocked("d", &[1, 2])];
        assert_eq!(advance(&diamond(blocked("b", &[0]), blocked("c", &[0]))), Advance::Open(vec![1, 2]));
        assert_eq!(advance(&diamond(open("b", &[0], 0, 0), open("c", &[0], 2, 0))), Advance::Open(vec![]));
        assert_eq!(advance(&diamond(open("b", &[0], 0, 0), open("c", &[0], 0, 0))), Advance::Open(vec![3]));
    }

    #[test]
    fn an_interval_succeeds_when_every_stage_has() {
        let stages = [open("a", &[], 0, 0), open("b", &[0], 0, 0)];
        assert_eq!(advance(&stages), Advance::End { end: End::Succeeded, reason: None });
    }

    #[test]
    fn a_failed_task_stops_only_the_stages_that_wait_for_it() {
        let stages = [open("a", &[], 0, 1), blocked("b", &[0]), open("c", &[], 3, 0)];
        assert_eq!(advance(&stages), Advance::Open(vec![]));
        let stages = [open("a", &[], 0, 1), blocked("b", &[0]), open("c", &[], 0, 0)];
        let reason = Some("1 task failed in stage a; not begun: b".to_owned());
        assert_eq!(advance(&stages), Advance::End { end: End::Failed, reason });
    }

    #[test]
    fn an_interval_without_tasks_succeeds() {
        assert_eq!(advance(&[]), Advance::End { end: End::Succeeded, reason: None });
    }

    #[test]
    fn a_fresh_plan_opens_what_waits_for_nothing_and_what_waits_for_empty_stages_only() {
        use crate::domain::plan::DeclaredStage;
        let stage = |&(name, tasks, waits_for): &(&str, u32, &[&str])| DeclaredStage {
            name: name.to_owned(),
            tasks,
            waits_for: waits_for.iter().map(|&name| name.to_owned()).collect(),
        };
        let opened =
            |declared: &[(&str, u32, &[&str])]| opening(&Plan::new(declared.iter().map(stage).collect(), 1).unwrap());
        assert_eq!(opened(&[]), [true]);
        assert_eq!(opened(&[("a", 2, &[]), ("b", 2, &["a"]), ("c", 1, &[])]), [true, false, true]);
        assert_eq!(opened(&[("none", 0, &[]), ("nothing", 0, &["none"]), ("b", 2, &["nothing"])]), [true, true, true]);
    }
}
