//! What an interval consists of.

use crate::bindings::latchwork::plugin::types as wit;

/// The stages of an interval: any graph without a circle, in any order.
///
/// ```
/// use latchwork_sdk::{Plan, Stage};
///
/// // A diamond: both middle stages begin when `count` has succeeded, and `report` when both of them have.
/// Plan::default()
///     .stage(Stage::new("count", 8))
///     .stage(Stage::new("top", 1).after(["count"]))
///     .stage(Stage::new("lengths", 1).after(["count"]))
///     .stage(Stage::new("report", 1).after(["top", "lengths"]));
///
/// // A chain: each stage begins when all before it have succeeded.
/// Plan::tasks(8).then("sum", 1).then("tell", 1);
/// ```
///
/// A plan without stages, the default, stands for one stage with the job's `tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    stages: Vec<Stage>,
}

/// A named group of tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Unique within the plan; 1 to 64 characters.
    pub name: String,
    /// How many tasks the stage has.
    pub tasks: u32,
    /// The names of the stages that must have succeeded before this one begins.
    pub waits_for: Vec<String>,
}

impl Stage {
    /// A stage of `tasks` tasks that waits for nothing.
    pub fn new(name: impl Into<String>, tasks: u32) -> Self {
        Self { name: name.into(), tasks, waits_for: Vec::new() }
    }

    /// Lets it begin only when these stages have succeeded, too; the plan may name them later.
    #[must_use]
    pub fn after<N: Into<String>>(mut self, stages: impl IntoIterator<Item = N>) -> Self {
        self.waits_for.extend(stages.into_iter().map(Into::into));
        self
    }
}

impl Plan {
    /// One stage of `tasks` tasks.
    pub fn tasks(tasks: u32) -> Self {
        Self::default().then("tasks", tasks)
    }

    /// Adds a stage.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stages.push(stage);
        self
    }

    /// Adds a stage that begins when all stages before it have succeeded.
    #[must_use]
    pub fn then(self, name: impl Into<String>, tasks: u32) -> Self {
        // Who waits for the ends of the graph waits for all of it.
        let is_end = |stage: &&Stage| !self.stages.iter().any(|other| other.waits_for.contains(&stage.name));
        let ends: Vec<String> = self.stages.iter().filter(is_end).map(|stage| stage.name.clone()).collect();
        self.stage(Stage::new(name, tasks).after(ends))
    }

    pub(crate) fn into_stages(self) -> Vec<wit::Stage> {
        let declared = |Stage { name, tasks, waits_for }| wit::Stage { name, tasks, waits_for };
        self.stages.into_iter().map(declared).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Stage};

    fn waits(plan: Plan) -> Vec<(String, String)> {
        plan.into_stages().into_iter().map(|stage| (stage.name, stage.waits_for.join(","))).collect()
    }

    fn drawn(stages: &[(&str, &str)]) -> Vec<(String, String)> {
        stages.iter().map(|(name, waits_for)| ((*name).to_owned(), (*waits_for).to_owned())).collect()
    }

    #[test]
    fn every_stage_of_a_chain_waits_for_the_one_before_it() {
        let chain = Plan::tasks(3).then("sum", 1).then("tell", 1);
        assert_eq!(waits(chain), drawn(&[("tasks", ""), ("sum", "tasks"), ("tell", "sum")]));
    }

    #[test]
    fn a_stage_waits_for_what_it_names_wherever_that_stands() {
        let diamond = Plan::default()
            .stage(Stage::new("report", 1).after(["left"]).after(["right"]))
            .stage(Stage::new("left", 1).after(["split"]))
            .stage(Stage::new("right", 1).after(["split"]))
            .stage(Stage::new("split", 1));
        let expected = [("report", "left,right"), ("left", "split"), ("right", "split"), ("split", "")];
        assert_eq!(waits(diamond), drawn(&expected));
    }

    #[test]
    fn what_comes_then_waits_for_all_ends_of_the_graph() {
        let plan = Plan::default().stage(Stage::new("a", 1)).stage(Stage::new("b", 1)).then("both", 1).then("last", 1);
        assert_eq!(waits(plan), drawn(&[("a", ""), ("b", ""), ("both", "a,b"), ("last", "both")]));
    }
}
