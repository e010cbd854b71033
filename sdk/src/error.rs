//! How a call fails, and how the host refuses.

use crate::bindings::latchwork::plugin::types as wit;
use std::fmt::{self, Display, Formatter};

/// Why a task did not succeed, and whether trying again makes sense.
///
/// Any other error that `?` meets becomes a retryable one, except for a [`HostError`] that trying again cannot mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskError {
    /// It may succeed later; the host tries again as the job's retry policy says.
    Retryable(String),
    /// It will never succeed; the host does not try again.
    Fatal(String),
}

impl TaskError {
    /// An error that the host answers with another attempt, as far as the job's retry policy goes.
    pub fn retryable(message: impl Display) -> Self {
        Self::Retryable(message.to_string())
    }

    /// An error that ends the task.
    pub fn fatal(message: impl Display) -> Self {
        Self::Fatal(message.to_string())
    }
}

impl<E: std::error::Error + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        let host_error = (&error as &dyn std::error::Error).downcast_ref();
        match host_error {
            Some(HostError::Unsupported(_) | HostError::Invalid(_) | HostError::LimitExceeded(_)) => Self::fatal(error),
            Some(HostError::Unavailable(_)) | None => Self::retryable(error),
        }
    }
}

impl From<TaskError> for wit::TaskError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Retryable(message) => Self::Retryable(message),
            TaskError::Fatal(message) => Self::Fatal(message),
        }
    }
}

/// Why the host did not do what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostError {
    /// This host does not offer the function.
    Unsupported(String),
    /// What was asked for makes no sense, however often it is asked; the text says why.
    Invalid(String),
    /// A limit of the call or of the job is used up; the text names the limit and its value.
    LimitExceeded(String),
    /// The host could not answer just now.
    Unavailable(String),
}

impl Display for HostError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(out, "not offered by this host: {what}"),
            Self::Invalid(why) => write!(out, "invalid: {why}"),
            Self::LimitExceeded(what) => write!(out, "limit exceeded: {what}"),
            Self::Unavailable(what) => write!(out, "unavailable: {what}"),
        }
    }
}

impl std::error::Error for HostError {}

impl From<wit::HostError> for HostError {
    fn from(error: wit::HostError) -> Self {
        match error {
            wit::HostError::Unsupported(what) => Self::Unsupported(what),
            wit::HostError::Invalid(why) => Self::Invalid(why),
            wit::HostError::LimitExceeded(what) => Self::LimitExceeded(what),
            wit::HostError::Unavailable(what) => Self::Unavailable(what),
        }
    }
}
