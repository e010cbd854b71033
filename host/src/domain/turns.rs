//! Whose turn it is to compute: workspaces take turns, within one its jobs by their weights, and the calls of one job in
//! the order in which they came.
//!
//! Stride scheduling (Waldspurger and Weihl, 1995): whoever has a turn is charged for it, the less the larger its weight,
//! and who was charged least is next. Whoever comes back after a pause is not charged for it, and has saved up nothing.

use super::ids::JobId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a turn costs at a weight of 1; divided by the weight otherwise.
const STRIDE: u64 = 1 << 20;

/// The weights that a job may have.
pub const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=100;

/// For whom a call computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The workspace that owns the job.
    pub workspace: Arc<str>,
    /// The job.
    pub job: JobId,
    /// How many turns it gets for each of a job of weight 1, in `WEIGHTS`.
    pub weight: u32,
}

/// Those who wait for a turn.
#[derive(Debug)]
pub struct TurnQueue<T>(Lines<Arc<str>, Lines<JobId, VecDeque<T>>>);

/// Lines that take turns.
#[derive(Debug)]
struct Lines<K, V> {
    lines: BTreeMap<K, Line<V>>,
    /// How many of them have somebody who waits.
    waiting: usize,
    /// What whoever was served last had been charged before.
    now: u64,
}

#[derive(Debug)]
struct Line<V> {
    charged: u64,
    stride: u64,
    is_waiting: bool,
    who: V,
}

impl<T> Default for TurnQueue<T> {
    fn default() -> Self {
        Self(Lines::default())
    }
}

impl<T> TurnQueue<T> {
    /// Lets somebody wait at the end of its job's line.
    pub fn push(&mut self, party: &Party, who: T) {
        let jobs = self.0.enter(Arc::clone(&party.workspace), STRIDE);
        jobs.enter(party.job, STRIDE / u64::from(party.weight.max(1))).push_back(who);
    }

    /// Takes out whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let workspace = self.0.next()?;
        let jobs = &mut workspace.who;
        let job = jobs.next()?;
        let who = job.who.pop_front();
        job.is_waiting = !job.who.is_empty();
        let job_waits = job.is_waiting;
        jobs.served(job_waits);
        workspace.is_waiting = jobs.waiting > 0;
        let workspace_waits = workspace.is_waiting;
        self.0.served(workspace_waits);
        who
    }
}

impl<K, V> Default for Lines<K, V> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), waiting: 0, now: 0 }
    }
}

impl<K: Ord, V: Default> Lines<K, V> {
    /// The line of `key`, in which somebody is about to wait.
    fn enter(&mut self, key: K, stride: u64) -> &mut V {
        let now = self.now;
        let new = || Line { charged: now, stride, is_waiting: false, who: V::default() };
        let line = self.lines.entry(key).or_insert_with(new);
        line.stride = stride;
        if !line.is_waiting {
            line.is_waiting = true;
            line.charged = line.charged.max(now);
            self.waiting += 1;
        }
        &mut line.who
    }

    /// The line whose turn it is, charged for it.
    fn next(&mut self) -> Option<&mut Line<V>> {
        let waiting = self.lines.values_mut().filter(|line| line.is_waiting);
        let line = waiting.min_by_key(|line| line.charged)?;
        self.now = line.charged;
        line.charged += line.stride;
        Some(line)
    }

    /// Takes in that the line that was served has or has not more who wait.
    fn served(&mut self, is_waiting: bool) {
        if is_waiting {
            return;
        }
        self.waiting -= 1;
        // What it was charged is forgotten when others have been charged as much.
        let now = self.now;
        self.lines.retain(|_, line| line.is_waiting || line.charged > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(workspace: &str, job: u128, weight: u32) -> Party {
        Party { workspace: workspace.into(), job: format!("{job:032x}").parse().unwrap(), weight }
    }

    /// Who gets so many turns, where each waits again as soon as its turn is over.
    fn turns(parties: &[(Party, char)], calls: &[usize], count: usize) -> String {
        let mut queue = TurnQueue::default();
        for ((party, name), calls) in parties.iter().zip(calls) {
            (0..*calls).for_each(|_| queue.push(party, *name));
        }
        let mut served = String::new();
        for _ in 0..count {
            let name = queue.pop().unwrap();
            served.push(name);
            let (party, _) = parties.iter().find(|(_, of)| *of == name).unwrap();
            queue.push(party, name);
        }
        served
    }

    fn count(served: &str, name: char) -> usize {
        served.matches(name).count()
    }

    #[test]
    fn a_job_with_many_calls_gets_no_more_turns_than_one_with_a_single_call() {
        let parties = [(party("w", 1, 1), 'a'), (party("w", 2, 1), 'b')];
        let served = turns(&parties, &[100, 1], 40);
        assert_eq!((count(&served, 'a'), count(&served, 'b')), (20, 20), "{served}");
    }

    #[test]
    fn jobs_have_turns_by_their_weights() {
        let parties = [(party("w", 1, 3), 'a'), (party("w", 2, 1), 'b')];
        let served = turns(&parties, &[1, 8], 40);
        assert_eq!((count(&served, 'a'), count(&served, 'b')), (30, 10), "{served}");
    }

    #[test]
    fn workspaces_take_turns_however_many_jobs_they_have_and_however_heavy_those_are() {
        let parties = [(party("v", 1, 100), 'a'), (party("v", 2, 1), 'b'), (party("w", 3, 1), 'c')];
        let served = turns(&parties, &[5, 5, 1], 40);
        assert_eq!(count(&served, 'c'), 20, "{served}");
    }

    #[test]
    fn whoever_comes_late_waits_its_turn_and_has_saved_up_nothing() {
        let (early, late) = (party("w", 1, 1), party("w", 2, 1));
        let mut queue = TurnQueue::default();
        (0..100).for_each(|_| queue.push(&early, 'a'));
        (0..50).for_each(|_| assert_eq!(queue.pop(), Some('a')));
        (0..50).for_each(|_| queue.push(&late, 'b'));
        let served: String = (0..8).filter_map(|_| queue.pop()).collect();
        assert_eq!(count(&served, 'b'), 4, "{served}");
    }

    #[test]
    fn within_a_job_the_first_comes_first_and_an_empty_queue_is_forgotten() {
        let job = party("w", 1, 1);
        let mut queue = TurnQueue::default();
        "xyz".chars().for_each(|who| queue.push(&job, who));
        assert_eq!([queue.pop(), queue.pop(), queue.pop(), queue.pop()], [Some('x'), Some('y'), Some('z'), None]);
        let other = party("v", 2, 1);
        (0..3).for_each(|_| queue.push(&other, 'o'));
        while queue.pop().is_some() {}
        assert!(queue.0.lines.len() <= 1, "{queue:?}");
    }
}
