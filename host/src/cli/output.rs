use std::io::{self, ErrorKind, Write};

use anyhow::Context;
use serde::de::DeserializeOwned;

use super::client::Answer;

/// Who the answers are printed for.
#[derive(Clone, Copy)]
pub(super) enum Output {
    /// A person.
    Text,
    /// A script: the API's JSON as it is.
    Json,
}

/// Nobody reads the output any more (`| head`): the command ends early, and that is no failure.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub(super) struct OutputClosed;

impl Output {
    /// Prints the answer as it came, or as `render` puts it.
    pub(super) fn show<T: DeserializeOwned>(
        self,
        answer: &Answer,
        render: impl FnOnce(T) -> String,
    ) -> anyhow::Result<()> {
        match self {
            Output::Json => print(&answer.text),
            Output::Text => print(&render(answer.read()?)),
        }
    }

    /// Prints the answer as it came, or a `text` that needs nothing from it.
    pub(super) fn tell(self, answer: &Answer, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Output::Json => print(&answer.text),
            Output::Text => print(&text()),
        }
    }
}

/// Writes whole lines to stdout.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        written => written.context("cannot write to stdout"),
    }
}
