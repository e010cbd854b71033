//! Calls as they begin and end: promises 1, 3, 5 and 9.

use super::rows::CalledRow;
use super::{Oracle, bits};
use crate::fate::Leaves;

/// A call that is about to begin.
#[derive(Debug, Clone)]
pub(crate) struct CallStart {
    pub(crate) host: usize,
    pub(crate) incarnation: String,
    pub(crate) interval: String,
    pub(crate) digest: String,
    /// None for the plan.
    pub(crate) index: Option<u32>,
    pub(crate) attempt: u32,
    /// What it is handed of an earlier attempt.
    pub(crate) checkpoint: Option<Vec<u8>>,
    pub(crate) fencing_token: u64,
    /// By the clock of its host.
    pub(crate) now_ms: i64,
    /// Whether the clocks were ever set back.
    pub(crate) has_gone_back: bool,
}

/// What the oracle calls a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) call: usize,
    pub(crate) interval: usize,
    /// How often the same was called before.
    pub(crate) nth: usize,
    pub(crate) attempt: u32,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallEnd {
    Succeeded(Leaves),
    Failed(&'static str),
    /// It was dropped, or its host is gone.
    BrokenOff,
}

impl CallEnd {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed(kind) => kind,
            Self::BrokenOff => "broken off",
        }
    }
}

/// A call that the plugin saw.
pub(super) struct Call {
    pub(super) incarnation: String,
    pub(super) task: super::Task,
    pub(super) attempt: u32,
    /// How often its interval had been opened again.
    pub(super) life: i64,
    pub(super) digest: String,
    pub(super) fencing_token: u64,
    /// None while it goes on.
    pub(super) end: Option<CallEnd>,
}

impl Oracle {
    pub(crate) fn call_begins(&mut self, start: &CallStart) -> Begun {
        let interval = self.names.number('i', &start.interval);
        let row = self.rows.called(&start.interval, start.index.map_or(-1, i64::from));
        let task = (interval, start.index);
        self.has_gone_back |= start.has_gone_back;
        if let (Some(row), Some(_)) = (&row, start.index) {
            *self.begun_of.entry(row.job_id.clone()).or_default() += 1;
        }
        let earlier = self.calls_of.get(&task).cloned().unwrap_or_default();
        let mut attempt = start.attempt;
        let life = row.as_ref().map_or(0, |row| row.reopened);
        match row {
            // What a host was handed before the interval ended may begin after its rows are cleared away.
            None if self.has_ended(interval) => {}
            None => self.unknown("interval", &start.interval),
            Some(row) => {
                self.check_digest(start, interval, &row);
                if start.index.is_none() {
                    attempt = u32::try_from(row.plan_attempts).expect("few") + 1;
                } else {
                    self.check_task_call(start, interval, &row, &earlier);
                }
            }
        }
        let call = self.calls.len();
        self.calls.push(Call {
            incarnation: start.incarnation.clone(),
            task,
            attempt,
            life,
            digest: start.digest.clone(),
            fencing_token: start.fencing_token,
            end: None,
        });
        self.calls_of.entry(task).or_default().push(call);
        if let Some(index) = start.index {
            self.flights.note(interval, index, &start.incarnation);
        }
        Begun { call, interval, nth: earlier.len(), attempt }
    }

    pub(crate) fn call_ends(&mut self, call: usize, end: CallEnd) {
        self.calls[call].end = Some(end);
    }

    fn check_digest(&mut self, start: &CallStart, interval: usize, row: &CalledRow) {
        if row.digest.as_ref() != Some(&start.digest) {
            self.blame(
                "promise 5",
                format!("interval {interval} is pinned to {:?}, called is {}", row.digest, start.digest),
            );
        }
        let other = self.calls.iter().find(|call| call.task.0 == interval && call.digest != start.digest);
        if let Some(other) = other {
            let text = format!("interval {interval} was called on {} and is called on {}", other.digest, start.digest);
            self.blame("promise 5", text);
        }
    }

    fn check_task_call(&mut self, start: &CallStart, interval: usize, row: &CalledRow, earlier: &[usize]) {
        let index = start.index.expect("a call of a task");
        let what = format!("task {index} of interval {interval} on host {}", start.host);
        let offset = i64::from(index) - row.first_index.unwrap_or(0);
        let has = |bitmap: &Option<Vec<u8>>| bitmap.as_ref().is_some_and(|bytes| bits::is_set(bytes, offset));
        if has(&row.done) {
            self.blame("promise 1", format!("{what} is called and was recorded as completed"));
        }
        if has(&row.failed) {
            self.blame("promise 2", format!("{what} is called and was recorded as failed for good"));
        }
        let is_open = row.state == "running";
        // An interval that has just ended no longer says what ran, also where it was opened again at once.
        if is_open
            && row.reopened == 0
            && row.is_tracked
            && !(has(&row.running) && row.owner.as_ref() == Some(&start.incarnation))
        {
            self.blame("promise 3", format!("{what} begins and no row names it as running there: {row:?}"));
        }
        let failures = row.attempts.unwrap_or(0);
        if is_open && i64::from(start.attempt) != failures + 1 {
            let text = format!("{what} is called as attempt {} after {failures} recorded failures", start.attempt);
            self.blame("promise 9", text);
        }
        if let Some(retry_at) = row.retry_at.filter(|at| is_open && *at > start.now_ms && !start.has_gone_back) {
            self.blame("retries wait", format!("{what} begins {} ms too early", retry_at - start.now_ms));
        }
        if is_open {
            self.check_checkpoint(interval, index, start.checkpoint.as_deref());
        }
        self.check_against_earlier(start, &what, row, earlier);
    }

    /// A task is called again only after a recorded failure, when the incarnation that called it is over, or when its
    /// interval was ended and opened again since.
    fn check_against_earlier(&mut self, start: &CallStart, what: &str, row: &CalledRow, earlier: &[usize]) {
        let failures = row.attempts.unwrap_or(0);
        for number in earlier {
            let Call { incarnation, attempt, life, fencing_token, end, .. } = &self.calls[*number];
            let is_of_earlier_life = *life < row.reopened;
            let is_recorded = matches!(end, Some(CallEnd::Failed(_))) && failures >= i64::from(*attempt);
            let (incarnation, earlier_token) = (incarnation.clone(), *fencing_token);
            if start.fencing_token <= earlier_token {
                let text =
                    format!("{what} has fencing token {}, call {number} had {earlier_token}", start.fencing_token);
                self.blame("fencing tokens grow", text);
            }
            if !is_recorded && !is_of_earlier_life && !self.is_over(&incarnation) {
                let end = self.calls[*number].end;
                self.blame("promise 2", format!("{what} is called again, and call {number} ({end:?}) was not lost"));
            }
        }
    }
}
