//! What an interval consists of.

use crate::bindings::latchwork::plugin::types as wit;

/// The stages of an interval, in the order in which they run.
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
}

impl Plan {
    /// One stage of `tasks` tasks.
    pub fn tasks(tasks: u32) -> Self {
        Self::default().then("tasks", tasks)
    }

    /// Adds a stage that begins when all stages before it have succeeded.
    #[must_use]
    pub fn then(mut self, name: impl Into<String>, tasks: u32) -> Self {
        self.stages.push(Stage { name: name.into(), tasks });
        self
    }

    pub(crate) fn into_stages(self) -> Vec<wit::Stage> {
        let mut before: Vec<String> = Vec::new();
        self.stages
            .into_iter()
            .map(|stage| {
                let waits_for = before.last().cloned().into_iter().collect();
                before.push(stage.name.clone());
                wit::Stage { name: stage.name, tasks: stage.tasks, waits_for }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn every_stage_waits_for_the_one_before_it() {
        let stages = Plan::tasks(3).then("sum", 1).then("tell", 1).into_stages();
        let waits: Vec<_> = stages.iter().map(|stage| (stage.name.as_str(), stage.waits_for.join(","))).collect();
        assert_eq!(waits, [("tasks", String::new()), ("sum", "tasks".to_owned()), ("tell", "sum".to_owned())]);
    }
}
