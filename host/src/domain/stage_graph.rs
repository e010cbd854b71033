//! Whether the rows that hold an interval's stages and segments still say the same.

use super::plan::Stage;
use super::segment::Span;

/// What the rows of a planned interval say of its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageGraph {
    /// How many tasks the interval has.
    pub total: u64,
    /// Its stages, by their number.
    pub stages: Vec<Stage>,
    /// Its segments, by their number.
    pub spans: Vec<Span>,
}

/// A contradiction, for whoever must understand why the interval cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The stages do not add up.
    #[error("the interval was planned with {total} tasks, but its stages have {found}")]
    Total {
        /// What the interval says.
        total: u64,
        /// What the stages say.
        found: u64,
    },
    /// A stage does not begin where the one before it ends.
    #[error("stage `{stage}` begins at task {first}, but the stages before it end at task {expected}")]
    Place {
        /// The stage.
        stage: String,
        /// Where it begins.
        first: u32,
        /// Where it would have to.
        expected: u64,
    },
    /// A stage waits for one that is not there, or for itself.
    #[error("stage `{stage}` waits for stage number {number}, and there is no such other stage")]
    WaitsFor {
        /// The stage.
        stage: String,
        /// What it waits for.
        number: u32,
    },
    /// Stages wait for each other.
    #[error("stage `{0}` waits for stages that wait for it")]
    Cycle(String),
    /// A segment belongs to no stage.
    #[error("segment {segment} belongs to stage number {number}, and there is no such stage")]
    NoStage {
        /// The segment.
        segment: u32,
        /// Its stage.
        number: u32,
    },
    /// The segments of a stage leave tasks out or have them twice.
    #[error("the segments of stage `{stage}` do not cover its tasks {first}..{end}: {found} is expected at task {at}")]
    Cover {
        /// The stage.
        stage: String,
        /// Its first task.
        first: u32,
        /// The task after its last.
        end: u64,
        /// Up to where they are covered.
        at: u64,
        /// What is missing there.
        found: &'static str,
    },
}

impl StageGraph {
    /// Checks that stages and segments fit together. A graph that does not was not written by this program.
    pub fn check(&self) -> Result<(), GraphError> {
        let mut end = 0;
        for (number, stage) in (0..).zip(&self.stages) {
            if u64::from(stage.first) != end {
                return Err(GraphError::Place { stage: stage.name.clone(), first: stage.first, expected: end });
            }
            end += u64::from(stage.tasks);
            let is_other = |other: &u32| *other != number && (*other as usize) < self.stages.len();
            if let Some(other) = stage.waits_for.iter().find(|other| !is_other(other)) {
                return Err(GraphError::WaitsFor { stage: stage.name.clone(), number: *other });
            }
        }
        if end != self.total {
            return Err(GraphError::Total { total: self.total, found: end });
        }
        self.check_order()?;
        self.check_segments()
    }

    /// Every stage can begin once those that it waits for are through.
    fn check_order(&self) -> Result<(), GraphError> {
        let mut is_through = vec![false; self.stages.len()];
        loop {
            let can_begin = |(number, stage): &(usize, &Stage)| {
                !is_through[*number] && stage.waits_for.iter().all(|other| is_through[*other as usize])
            };
            let ready: Vec<usize> =
                self.stages.iter().enumerate().filter(can_begin).map(|(number, _)| number).collect();
            if ready.is_empty() {
                break;
            }
            ready.into_iter().for_each(|number| is_through[number] = true);
        }
        match is_through.iter().position(|through| !through) {
            Some(stuck) => Err(GraphError::Cycle(self.stages[stuck].name.clone())),
            None => Ok(()),
        }
    }

    fn check_segments(&self) -> Result<(), GraphError> {
        let mut covered: Vec<u64> = self.stages.iter().map(|stage| u64::from(stage.first)).collect();
        for span in &self.spans {
            let at = covered
                .get_mut(span.stage as usize)
                .ok_or(GraphError::NoStage { segment: span.number, number: span.stage })?;
            if u64::from(span.first) != *at {
                return Err(self.uncovered(span.stage as usize, *at, "a segment"));
            }
            *at += u64::from(span.length);
        }
        for (number, (stage, at)) in self.stages.iter().zip(&covered).enumerate() {
            if *at != u64::from(stage.first) + u64::from(stage.tasks) {
                return Err(self.uncovered(number, *at, "the stage's end, or a segment,"));
            }
        }
        Ok(())
    }

    fn uncovered(&self, number: usize, at: u64, found: &'static str) -> GraphError {
        let Stage { name, first, tasks, .. } = &self.stages[number];
        let end = u64::from(*first) + u64::from(*tasks);
        GraphError::Cover { stage: name.clone(), first: *first, end, at, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::{DeclaredStage, Plan};

    fn sound() -> StageGraph {
        let stage = |name: &str, tasks, waits_for: &[&str]| DeclaredStage {
            name: name.to_owned(),
            tasks,
            waits_for: waits_for.iter().map(|&name| name.to_owned()).collect(),
        };
        let declared = vec![stage("a", 100, &[]), stage("none", 0, &[]), stage("b", 70, &["a", "none"])];
        let plan = Plan::new(declared, 1).unwrap();
        StageGraph { total: plan.total().into(), stages: plan.stages().to_vec(), spans: plan.segments(0) }
    }

    fn damaged(damage: impl FnOnce(&mut StageGraph)) -> String {
        let mut graph = sound();
        damage(&mut graph);
        graph.check().unwrap_err().to_string()
    }

    #[test]
    fn what_a_plan_was_written_as_is_sound_and_so_is_a_plan_without_tasks() {
        assert_eq!(sound().check(), Ok(()));
        assert_eq!(StageGraph { total: 0, stages: Vec::new(), spans: Vec::new() }.check(), Ok(()));
    }

    #[test]
    fn a_stage_may_wait_for_a_later_one_but_not_in_a_circle() {
        let mut graph = sound();
        graph.stages[0].waits_for = vec![1];
        assert_eq!(graph.check(), Ok(()));
        assert_eq!(damaged(|graph| graph.stages[0].waits_for = vec![2]), "stage `a` waits for stages that wait for it");
    }

    #[test]
    fn stages_that_contradict_each_other_or_the_interval_are_named() {
        let message = damaged(|graph| graph.total = 171);
        assert_eq!(message, "the interval was planned with 171 tasks, but its stages have 170");
        let message = damaged(|graph| graph.stages[2].first = 99);
        assert_eq!(message, "stage `b` begins at task 99, but the stages before it end at task 100");
        let message = damaged(|graph| graph.stages[2].waits_for = vec![7]);
        assert_eq!(message, "stage `b` waits for stage number 7, and there is no such other stage");
        assert!(damaged(|graph| graph.stages[2].waits_for = vec![2]).contains("no such other stage"));
        assert!(damaged(|graph| graph.stages.clear()).contains("its stages have 0"));
    }

    #[test]
    fn segments_that_do_not_cover_their_stage_are_named() {
        let message = damaged(|graph| graph.spans[1].stage = 9);
        assert_eq!(message, "segment 1 belongs to stage number 9, and there is no such stage");
        let missing = damaged(|graph| graph.spans.truncate(3));
        assert!(missing.starts_with("the segments of stage `b` do not cover its tasks 100..170"), "{missing}");
        assert!(damaged(|graph| graph.spans.clear()).contains("stage `a`"));
        assert!(damaged(|graph| graph.spans[0].length = 63).contains("expected at task 63"));
        assert!(damaged(|graph| graph.spans[0].length = 65).contains("expected at task 65"));
        assert!(damaged(|graph| graph.spans[2].stage = 0).contains("do not cover"));
    }
}
