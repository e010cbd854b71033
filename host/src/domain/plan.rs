//! What an interval consists of: its stages, numbered through, and their segments.

use super::segment::{self, Span};
use super::stage_order;
use std::collections::HashMap;

/// The most tasks an interval may have.
pub const TASKS_MAX: u32 = 10_000_000;

/// The most stages an interval may have.
pub const STAGES_MAX: usize = 1_000;

/// The most characters a stage's name may have.
const NAME_MAX: usize = 64;

/// The most steps of a circle that a message draws.
const STEPS_MAX: usize = 12;

/// The name of the stage of a plan that names none.
pub const ONLY_STAGE: &str = "tasks";

/// A stage as a plugin declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredStage {
    /// Its name.
    pub name: String,
    /// How many tasks it has.
    pub tasks: u32,
    /// The names of the stages that it waits for.
    pub waits_for: Vec<String>,
}

/// A stage with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, unique in the plan.
    pub name: String,
    /// Its first task's index in the interval.
    pub first: u32,
    /// How many tasks it has.
    pub tasks: u32,
    /// The places in the plan of the stages that it waits for, ascending; they may be larger than its own.
    pub waits_for: Vec<u32>,
}

/// A sound plan: no stage waits for itself, directly or through others, and the tasks are not too many.
///
/// Stages are numbered, and their tasks with them, in the order in which they are declared; what a stage waits for says
/// nothing about its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    stages: Vec<Stage>,
}

/// A plan that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A name that is empty or too long.
    #[error("the plan's stage name `{0}` does not have 1 to 64 characters, none of them NUL")]
    Name(String),
    /// Two stages with one name.
    #[error("the plan has two stages named `{0}`")]
    Duplicate(String),
    /// A stage waits for one that there is not.
    #[error("stage `{stage}` waits for `{waits_for}`, which is no stage of the plan")]
    WaitsFor {
        /// The stage.
        stage: String,
        /// What it waits for.
        waits_for: String,
    },
    /// Stages that wait for one another, so that none can begin: each for the next, the last is the first again.
    #[error("stages of the plan wait for one another: {}", path(.0))]
    Circle(Vec<String>),
    /// Too many tasks.
    #[error("the plan has {0} tasks; an interval has at most {TASKS_MAX}")]
    TooManyTasks(u64),
    /// Too many stages.
    #[error("the plan has {0} stages; an interval has at most {STAGES_MAX}")]
    TooManyStages(usize),
}

impl Plan {
    /// Checks what a plugin declared. No stage at all stands for one with `default_tasks` tasks.
    pub fn new(declared: Vec<DeclaredStage>, default_tasks: u32) -> Result<Self, PlanError> {
        let declared = if declared.is_empty() { only_stage(default_tasks) } else { declared };
        if declared.len() > STAGES_MAX {
            return Err(PlanError::TooManyStages(declared.len()));
        }
        let total: u64 = declared.iter().map(|stage| u64::from(stage.tasks)).sum();
        if total > u64::from(TASKS_MAX) {
            return Err(PlanError::TooManyTasks(total));
        }
        let numbers = numbered(&declared)?;
        let mut stages: Vec<Stage> = Vec::new();
        for stage in declared {
            let waits_for = places(&stage, &numbers)?;
            let first = stages.last().map_or(0, |before| before.first + before.tasks);
            stages.push(Stage { name: stage.name, first, tasks: stage.tasks, waits_for });
        }
        match stage_order::circle(&stages) {
            None => Ok(Self { stages }),
            Some(circle) => {
                let steps = circle.iter().chain(circle.first());
                Err(PlanError::Circle(steps.map(|place| stages[*place].name.clone()).collect()))
            }
        }
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// How many tasks all stages have together.
    pub fn total(&self) -> u32 {
        self.stages.iter().map(|stage| stage.tasks).sum()
    }

    /// The segments of all stages, in order, cut so that they can be shared out to so many lanes.
    pub fn segments(&self, lanes: u32) -> Vec<Span> {
        let mut spans = Vec::new();
        for (number, stage) in (0..).zip(&self.stages) {
            let length = segment::length_for(stage.tasks, lanes);
            for start in (0..stage.tasks).step_by(length as usize) {
                spans.push(Span {
                    number: u32::try_from(spans.len()).expect("fewer segments than tasks"),
                    stage: number,
                    first: stage.first + start,
                    length: length.min(stage.tasks - start),
                });
            }
        }
        spans
    }
}

fn only_stage(tasks: u32) -> Vec<DeclaredStage> {
    vec![DeclaredStage { name: ONLY_STAGE.to_owned(), tasks, waits_for: Vec::new() }]
}

/// Gives every name its place.
fn numbered(declared: &[DeclaredStage]) -> Result<HashMap<String, u32>, PlanError> {
    let mut numbers = HashMap::new();
    for (number, stage) in (0..).zip(declared) {
        if !(1..=NAME_MAX).contains(&stage.name.chars().count()) || stage.name.contains('\0') {
            return Err(PlanError::Name(shortened(&stage.name)));
        }
        if numbers.insert(stage.name.clone(), number).is_some() {
            return Err(PlanError::Duplicate(stage.name.clone()));
        }
    }
    Ok(numbers)
}

fn places(stage: &DeclaredStage, numbers: &HashMap<String, u32>) -> Result<Vec<u32>, PlanError> {
    let unknown = |name: &str| PlanError::WaitsFor { stage: stage.name.clone(), waits_for: shortened(name) };
    let place = |name: &String| numbers.get(name).copied().ok_or_else(|| unknown(name));
    let mut places = stage.waits_for.iter().map(place).collect::<Result<Vec<u32>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// What a plugin calls a stage may be of any length.
pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Draws a circle; a long one without its middle.
fn path(steps: &[String]) -> String {
    if steps.len() <= STEPS_MAX {
        return steps.join(" -> ");
    }
    let (front, back) = (&steps[..STEPS_MAX / 2], &steps[steps.len() - STEPS_MAX / 2..]);
    format!("{} -> … -> {}", front.join(" -> "), back.join(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, tasks: u32, waits_for: &[&str]) -> DeclaredStage {
        DeclaredStage { name: name.into(), tasks, waits_for: waits_for.iter().map(|&name| name.into()).collect() }
    }

    #[test]
    fn segments_cover_every_index_once_and_no_segment_crosses_a_stage() {
        let declared = vec![stage("fetch", 100, &[]), stage("none", 0, &[]), stage("merge", 9_000, &["fetch"])];
        let plan = Plan::new(declared, 1).unwrap();
        assert_eq!(plan.total(), 9_100);
        let mut next = 0;
        for span in plan.segments(8) {
            let stage = &plan.stages()[span.stage as usize];
            assert_eq!(span.first, next);
            assert!(span.first >= stage.first && span.first + span.length <= stage.first + stage.tasks);
            next += span.length;
        }
        assert_eq!(next, 9_100);
    }

    #[test]
    fn stages_are_numbered_as_they_are_declared_whatever_they_wait_for() {
        let declared =
            vec![stage("report", 1, &["left", "right", "left"]), stage("left", 2, &[]), stage("right", 3, &[])];
        let plan = Plan::new(declared, 1).unwrap();
        let drawn: Vec<_> = plan.stages().iter().map(|stage| (stage.first, stage.waits_for.clone())).collect();
        assert_eq!(drawn, [(0, vec![1, 2]), (1, vec![]), (3, vec![])]);
    }

    #[test]
    fn a_long_circle_is_drawn_without_its_middle_and_a_long_name_without_its_end() {
        let name = |number: u32| format!("s{number}");
        let ring = (0..100).map(|number| stage(&name(number), 1, &[&name((number + 1) % 100)])).collect();
        let message = Plan::new(ring, 1).unwrap_err().to_string();
        assert!(
            message.ends_with("s0 -> s1 -> s2 -> s3 -> s4 -> s5 -> … -> s95 -> s96 -> s97 -> s98 -> s99 -> s0"),
            "{message}"
        );
        let message = Plan::new(vec![stage(&"x".repeat(1_000), 1, &[])], 1).unwrap_err().to_string();
        assert!(message.contains(&format!("`{}…`", "x".repeat(64))), "{message}");
    }

    #[test]
    fn a_plan_without_stages_is_the_jobs_own_count() {
        let plan = Plan::new(Vec::new(), 7).unwrap();
        assert_eq!((plan.total(), plan.stages().len(), plan.stages()[0].name.as_str()), (7, 1, ONLY_STAGE));
    }

    #[test]
    fn unsound_plans_are_refused_by_name() {
        let cases = [
            (vec![stage("a", 1, &["b"])], "stage `a` waits for `b`, which is no stage of the plan"),
            (vec![stage("a", 1, &["a"])], "stages of the plan wait for one another: a -> a"),
            (
                vec![
                    stage("free", 1, &[]),
                    stage("behind", 1, &["a"]),
                    stage("a", 1, &["free", "b"]),
                    stage("b", 1, &["a"]),
                ],
                "stages of the plan wait for one another: a -> b -> a",
            ),
            (vec![stage("a", 1, &[]), stage("a", 1, &[])], "the plan has two stages named `a`"),
            (vec![stage("", 1, &[])], "the plan's stage name `` does not have 1 to 64 characters, none of them NUL"),
            (
                vec![stage("a\0b", 1, &[])],
                "the plan's stage name `a\0b` does not have 1 to 64 characters, none of them NUL",
            ),
            (
                vec![stage("a", u32::MAX, &[]), stage("b", u32::MAX, &[])],
                "the plan has 8589934590 tasks; an interval has at most 10000000",
            ),
        ];
        for (declared, message) in cases {
            assert_eq!(Plan::new(declared, 1).unwrap_err().to_string(), message);
        }
    }
}
