//! Which stage waits for which, in whatever order the plan names them.

use super::ids::TaskIndex;
use super::plan::{self, Stage};
use fixedbitset::FixedBitSet;
use std::collections::HashMap;

/// What each stage of a plan waits for, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageOrder {
    stages: Vec<Stage>,
    places: HashMap<String, u32>,
    waited_for: Vec<FixedBitSet>,
}

/// An output that a task may not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReadable {
    /// There is no such stage.
    #[error("the plan has no stage `{0}`")]
    Unknown(String),
    /// The task's stage does not wait for it: whether its tasks have run is a matter of chance.
    #[error("stage `{own}` does not wait for stage `{other}`, so it cannot read what that returned")]
    NotWaitedFor {
        /// The task's own stage.
        own: String,
        /// The stage whose output it asked for.
        other: String,
    },
    /// The stage has no such task.
    #[error("stage `{stage}` has {tasks} tasks; there is no task {index} among them")]
    NoTask {
        /// The stage.
        stage: String,
        /// How many tasks it has.
        tasks: u32,
        /// Which was asked for.
        index: u32,
    },
}

impl StageOrder {
    /// Follows what the stages of a sound plan wait for.
    pub fn new(stages: &[Stage]) -> Self {
        let mut waited_for = vec![FixedBitSet::with_capacity(stages.len()); stages.len()];
        for place in in_order(stages) {
            let mut all = FixedBitSet::with_capacity(stages.len());
            for direct in &stages[place].waits_for {
                all.insert(*direct as usize);
                all.union_with(&waited_for[*direct as usize]);
            }
            waited_for[place] = all;
        }
        let places = (0..).zip(stages).map(|(place, stage)| (stage.name.clone(), place)).collect();
        Self { stages: stages.to_vec(), places, waited_for }
    }

    /// Whether a stage waits for another, directly or through others; never for itself.
    pub fn waits_for(&self, stage: u32, other: u32) -> bool {
        self.waited_for.get(stage as usize).is_some_and(|all| all.contains(other as usize))
    }

    /// The task whose output a task of `own` means by a stage's name and an index in it.
    pub fn readable(&self, own: u32, name: &str, index: u32) -> Result<TaskIndex, NotReadable> {
        let place = *self.places.get(name).ok_or_else(|| NotReadable::Unknown(plan::shortened(name)))?;
        let stage = &self.stages[place as usize];
        if !self.waits_for(own, place) {
            let own = self.stages.get(own as usize).map(|stage| stage.name.clone()).unwrap_or_default();
            return Err(NotReadable::NotWaitedFor { own, other: stage.name.clone() });
        }
        if index >= stage.tasks {
            return Err(NotReadable::NoTask { stage: stage.name.clone(), tasks: stage.tasks, index });
        }
        // Beyond the numbers there is no task, and only a damaged row leads there.
        Ok(TaskIndex(stage.first.saturating_add(index)))
    }
}

/// The places of stages of which each waits for the next and the last for the first; none where there is no such circle.
pub(super) fn circle(stages: &[Stage]) -> Option<Vec<usize>> {
    let mut is_left = FixedBitSet::with_capacity(stages.len());
    is_left.insert_range(..);
    for place in in_order(stages) {
        is_left.remove(place);
    }
    let mut path = vec![is_left.minimum()?];
    loop {
        // A stage that is left waits for another that is left, so the walk comes back to one of its own steps.
        let here = path[path.len() - 1];
        let mut waits_for = stages[here].waits_for.iter().map(|place| *place as usize);
        let next = waits_for.find(|place| is_left.contains(*place))?;
        if let Some(at) = path.iter().position(|place| *place == next) {
            return Some(path.split_off(at));
        }
        path.push(next);
    }
}

/// Places such that each comes after all that it waits for (Kahn's algorithm). Those in a circle, and those that wait
/// for one, are left out.
fn in_order(stages: &[Stage]) -> Vec<usize> {
    let mut missing: Vec<usize> = stages.iter().map(|stage| stage.waits_for.len()).collect();
    let mut waiting = vec![Vec::new(); stages.len()];
    for (place, stage) in stages.iter().enumerate() {
        for direct in &stage.waits_for {
            // A place beyond the plan, which only a damaged row names, never comes.
            if let Some(waiting) = waiting.get_mut(*direct as usize) {
                waiting.push(place);
            }
        }
    }
    let mut order: Vec<usize> = (0..stages.len()).filter(|place| missing[*place] == 0).collect();
    let mut next = 0;
    while let Some(place) = order.get(next).copied() {
        next += 1;
        for freed in &waiting[place] {
            missing[*freed] -= 1;
            if missing[*freed] == 0 {
                order.push(*freed);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::{DeclaredStage, Plan};

    /// `last` stands first, and waits for `first` only through the two in the middle.
    fn diamond() -> StageOrder {
        let stage = |name: &str, tasks, waits_for: &[&str]| DeclaredStage {
            name: name.into(),
            tasks,
            waits_for: waits_for.iter().map(|&name| name.into()).collect(),
        };
        let declared = vec![
            stage("last", 1, &["left", "right"]),
            stage("left", 2, &["first"]),
            stage("right", 2, &["first"]),
            stage("first", 3, &[]),
        ];
        StageOrder::new(Plan::new(declared, 1).unwrap().stages())
    }

    #[test]
    fn a_stage_waits_for_what_its_stages_wait_for_and_never_for_itself() {
        let order = diamond();
        let pairs: Vec<_> = (0..4)
            .flat_map(|stage| (0..4).map(move |other| (stage, other)))
            .filter(|(a, b)| order.waits_for(*a, *b))
            .collect();
        assert_eq!(pairs, [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]);
    }

    #[test]
    fn outputs_are_read_of_stages_that_were_waited_for_and_no_others() {
        let order = diamond();
        assert_eq!(order.readable(0, "right", 1), Ok(TaskIndex(4)));
        assert_eq!(order.readable(0, "first", 2), Ok(TaskIndex(7)), "through the stages in the middle");
        let refusals = [
            (0, "nowhere", 0, "the plan has no stage `nowhere`"),
            (0, "last", 0, "stage `last` does not wait for stage `last`, so it cannot read what that returned"),
            (1, "right", 0, "stage `left` does not wait for stage `right`, so it cannot read what that returned"),
            (3, "last", 0, "stage `first` does not wait for stage `last`, so it cannot read what that returned"),
            (1, "first", 3, "stage `first` has 3 tasks; there is no task 3 among them"),
        ];
        for (own, name, index, message) in refusals {
            assert_eq!(order.readable(own, name, index).unwrap_err().to_string(), message);
        }
    }
}
