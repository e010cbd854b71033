use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::Client;
use super::output::Output;
use super::table;

/// An output or a failure beyond this is left to `--json`.
const RESULT_CHARS: usize = 100;

/// A part of a list that is too long for one answer.
#[derive(Deserialize)]
struct Page<Row> {
    #[serde(alias = "tasks", alias = "logs", alias = "events")]
    rows: Vec<Row>,
}

/// What is asked for page by page, and how a page is shown.
struct Listing<'a, Row> {
    path: [&'a str; 3],
    filter: Option<(&'a str, String)>,
    cursor: fn(&Row) -> u64,
    render: fn(Vec<Row>) -> String,
}

#[derive(Deserialize)]
struct Task {
    index: u64,
    stage: Option<String>,
    state: String,
    attempts: u32,
    crashes: u32,
    failure: Option<Failure>,
    output: Option<Value>,
}

#[derive(Deserialize)]
struct Failure {
    kind: String,
    message: String,
}

#[derive(Deserialize)]
struct LogLine {
    id: u64,
    index: Option<u64>,
    attempt: Option<u32>,
    at: String,
    level: String,
    message: String,
}

#[derive(Deserialize)]
struct Event {
    id: u64,
    index: Option<u64>,
    at: String,
    name: String,
    body: Value,
}

pub(super) fn print_tasks(interval: &str, state: Option<&str>, client: &Client, output: Output) -> anyhow::Result<()> {
    Listing {
        path: ["intervals", interval, "tasks"],
        filter: state.map(|state| ("state", state.to_owned())),
        cursor: |task: &Task| task.index,
        render: rendered_tasks,
    }
    .print(client, output)
}

pub(super) fn print_logs(interval: &str, index: Option<u32>, client: &Client, output: Output) -> anyhow::Result<()> {
    Listing {
        path: ["intervals", interval, "logs"],
        filter: index.map(|index| ("index", index.to_string())),
        cursor: |line: &LogLine| line.id,
        render: |lines| lines.iter().map(rendered_line).collect(),
    }
    .print(client, output)
}

/// Prints the events after a place, and moves the place behind them.
pub(super) fn print_events(
    interval: &str,
    after: &mut Option<String>,
    client: &Client,
    output: Output,
) -> anyhow::Result<()> {
    Listing {
        path: ["intervals", interval, "events"],
        filter: None,
        cursor: |event: &Event| event.id,
        render: |events| events.iter().map(rendered_event).collect(),
    }
    .print_after(after, client, output)
}

impl<Row: DeserializeOwned> Listing<'_, Row> {
    /// Prints each page as it comes, so that a pipe sees the first lines of a long list at once.
    fn print(&self, client: &Client, output: Output) -> anyhow::Result<()> {
        self.print_after(&mut None, client, output)
    }

    fn print_after(&self, after: &mut Option<String>, client: &Client, output: Output) -> anyhow::Result<()> {
        loop {
            let filter = self.filter.as_ref().map(|(name, value)| (*name, value.as_str()));
            let cursor = after.as_deref().map(|after| ("after", after));
            let answer = client.get(&self.path, &filter.into_iter().chain(cursor).collect::<Vec<_>>())?;
            let Page { rows } = answer.read::<Page<Row>>()?;
            let last = rows.last().map(self.cursor);
            if last.is_some() || after.is_none() {
                output.tell(&answer, || (self.render)(rows))?;
            }
            let Some(last) = last else { return Ok(()) };
            *after = Some(last.to_string());
        }
    }
}

fn rendered_tasks(tasks: Vec<Task>) -> String {
    let rows = tasks.into_iter().map(|task| {
        let result = task.failure.map(|failure| format!("{}: {}", failure.kind, failure.message));
        let result = result.or_else(|| task.output.map(plain)).unwrap_or_default();
        let result = table::shortened(&result, RESULT_CHARS);
        let (index, stage) = (task.index.to_string(), task.stage.unwrap_or_default());
        [index, stage, task.state, task.attempts.to_string(), task.crashes.to_string(), result]
    });
    table::columns(["INDEX", "STAGE", "STATE", "ATTEMPTS", "CRASHES", "RESULT"], rows)
}

fn rendered_event(event: &Event) -> String {
    let index = event.index.map(|index| format!(" #{index}")).unwrap_or_default();
    let text = table::printable(&format!("{} {}", event.name, event.body));
    format!("{}{index} {text}\n", table::instant(&event.at))
}

fn rendered_line(line: &LogLine) -> String {
    let index = line.index.map(|index| format!("#{index}")).unwrap_or_default();
    let attempt = line.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!(".{attempt}"));
    let message = table::printable(&line.message);
    let at = table::instant(&line.at);
    format!("{at} {:<5} {index}{} {message}\n", line.level, attempt.unwrap_or_default())
}

fn plain(output: Value) -> String {
    match output {
        Value::String(text) => text,
        Value::Null => String::new(),
        json => json.to_string(),
    }
}
