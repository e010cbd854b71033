//! What tasks saved in the middle, and what they are handed of it; and what they read of one another.

use super::Oracle;
use super::calls::CallEnd;

/// What may be handed to the next attempt at a task.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// The last one that the host said it keeps.
    kept: Option<String>,
    /// Those after it of which the host has said nothing.
    doubtful: Vec<String>,
}

impl Saved {
    /// The task's interval has ended, and what was kept with it; what was on its way may arrive later.
    pub(super) fn ends(&mut self) {
        self.doubtful.extend(self.kept.take());
    }

    fn allows(&self, handed: Option<&str>) -> bool {
        self.kept.as_deref() == handed || handed.is_some_and(|handed| self.doubtful.iter().any(|one| one == handed))
    }
}

impl Oracle {
    pub(crate) fn checkpoint_may_be_kept(&mut self, task: (usize, u32), checkpoint: &str) {
        self.checkpoints.entry(task).or_default().doubtful.push(checkpoint.to_owned());
    }

    pub(crate) fn checkpoint_is_kept(&mut self, task: (usize, u32), checkpoint: &str) {
        let saved = self.checkpoints.entry(task).or_default();
        // They are kept in the order in which they were asked for.
        if let Some(place) = saved.doubtful.iter().position(|one| one == checkpoint) {
            saved.doubtful.drain(..=place);
            saved.kept = Some(checkpoint.to_owned());
        }
    }

    pub(super) fn check_checkpoint(&mut self, interval: usize, index: u32, handed: Option<&[u8]>) {
        let handed = handed.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let saved = self.checkpoints.entry((interval, index)).or_default();
        if !saved.allows(handed.as_deref()) {
            let text = format!("task {index} of interval {interval} is handed {handed:?} and had saved {saved:?}");
            self.blame("checkpoints come back", text);
        }
    }

    /// What a task of a later stage sees of a task is what its successful call left.
    pub(crate) fn output_is_read(&mut self, task: (usize, u32), output: Option<Vec<u8>>) {
        let calls = self.calls_of.get(&(task.0, Some(task.1))).into_iter().flatten();
        let is_right = |call: &usize| match self.calls[*call].end {
            Some(CallEnd::Succeeded(leaves)) => {
                output.as_deref() == leaves.output.then(|| format!("call {call}")).as_deref().map(str::as_bytes)
            }
            _ => false,
        };
        if !calls.into_iter().any(is_right) {
            let text = format!("{output:?} was read as the output of {task:?}, and no call that succeeded left that");
            self.blame("stages", text);
        }
    }
}
