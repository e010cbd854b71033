use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::job::job_id;
use super::output::Output;
use super::pages;
use super::table;
use super::watch;

/// A reason beyond this is left to `interval show`.
const REASON_CHARS: usize = 120;

/// The commands about intervals.
#[derive(Debug, clap::Subcommand)]
pub enum IntervalCommand {
    /// List the intervals of a job, newest first
    List {
        /// The job's id or name
        #[arg(long)]
        job: String,

        /// How many at most, to 1000 [default: 100]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: Option<u32>,
    },

    /// Show an interval
    Show {
        /// The interval's id
        id: String,
    },

    /// Follow an interval to its end; the exit code is 1 unless it succeeds
    Watch {
        /// The interval's id
        id: String,
    },

    /// End an open interval; its running tasks are interrupted
    Cancel {
        /// The interval's id
        id: String,

        /// Why, for whoever looks at the interval
        #[arg(long)]
        reason: Option<String>,
    },

    /// Run what failed of an ended interval, or was cut off, again
    Retry {
        /// The interval's id
        id: String,

        /// Watch the interval to its end; the exit code is 1 unless it succeeds
        #[arg(long)]
        watch: bool,
    },

    /// List the tasks of an interval, with how they ended
    Tasks {
        /// The interval's id
        id: String,

        /// Only tasks in this state
        #[arg(long, value_parser = ["pending", "running", "waiting", "succeeded", "failed"])]
        state: Option<String>,
    },

    /// Print what an interval's tasks logged
    Logs {
        /// The interval's id
        id: String,

        /// Only this task
        #[arg(long)]
        index: Option<u32>,
    },

    /// Print what an interval's tasks emitted for whoever watches
    Events {
        /// The interval's id
        id: String,

        /// Go on until the interval has ended; the exit code is 1 unless it succeeds
        #[arg(long)]
        follow: bool,
    },
}

#[derive(Deserialize)]
struct Intervals {
    intervals: Vec<Interval>,
}

/// The members of an interval that are shown.
#[derive(Deserialize)]
pub(super) struct Interval {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) total: Option<u64>,
    pub(super) completed: u64,
    pub(super) failed: u64,
    running: u64,
    duplicates: u64,
    recovery_attempts: Option<u32>,
    plugin: Option<String>,
    digest: Option<String>,
    origin: Option<String>,
    scheduled_at: Option<String>,
    lateness_ms: Option<i64>,
    waits_for: Option<String>,
    #[serde(default)]
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    name: String,
    tasks: u64,
    #[serde(default)]
    waits_for: Vec<String>,
    state: String,
    completed: u64,
    failed: u64,
}

pub(super) fn run(command: IntervalCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        IntervalCommand::List { job, limit } => {
            let limit = limit.map(|limit| limit.to_string());
            let query: Vec<_> = limit.iter().map(|limit| ("limit", limit.as_str())).collect();
            output.show(&client.get(&["jobs", &job_id(&job, client)?, "intervals"], &query)?, listed)?;
        }
        IntervalCommand::Show { id } => output.show(&client.get(&["intervals", &id], &[])?, shown)?,
        IntervalCommand::Watch { id } => return watch::watch(&id, client, output),
        IntervalCommand::Cancel { id, reason } => {
            output.show(&client.post(&["intervals", &id, "cancel"], &json!({ "reason": reason }))?, shown)?;
        }
        IntervalCommand::Retry { id, watch } => {
            let answer = client.command(&["intervals", &id, "retry"])?;
            if watch {
                return watch::watch(&id, client, output);
            }
            output.show(&answer, shown)?;
        }
        IntervalCommand::Tasks { id, state } => pages::print_tasks(&id, state.as_deref(), client, output)?,
        IntervalCommand::Events { id, follow: true } => return watch::follow_events(&id, client, output),
        IntervalCommand::Events { id, follow: false } => {
            pages::print_events(&id, &mut None, client, output)?;
        }
        IntervalCommand::Logs { id, index } => pages::print_logs(&id, index, client, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(answer: Intervals) -> String {
    let rows = answer.intervals.into_iter().map(|interval| {
        let took = interval.took().unwrap_or_default();
        let scheduled = interval.scheduled_at.as_deref().map(table::instant).unwrap_or_default();
        let tasks = interval.total.map(|total| format!("{}/{total}", interval.completed)).unwrap_or_default();
        let reason = table::shortened(&interval.reason.unwrap_or_default(), REASON_CHARS);
        [interval.id, interval.state, scheduled, took, tasks, interval.failed.to_string(), reason]
    });
    table::columns(["ID", "STATE", "SCHEDULED", "TOOK", "COMPLETED", "FAILED", "REASON"], rows)
}

fn shown(interval: Interval) -> String {
    let took = interval.took();
    let tasks = interval.total.map(|total| {
        format!("{} of {total} completed, {} failed, {} running", interval.completed, interval.failed, interval.running)
    });
    let fields = table::fields([
        ("id", Some(interval.id)),
        ("state", Some(interval.state)),
        ("reason", interval.reason),
        ("waits for", interval.waits_for),
        ("plugin", interval.plugin),
        ("digest", interval.digest),
        ("origin", interval.origin),
        ("scheduled", interval.scheduled_at.as_deref().map(table::instant)),
        ("started", interval.started_at.as_deref().map(table::instant)),
        ("finished", interval.finished_at.as_deref().map(table::instant)),
        ("took", took),
        ("late by", interval.lateness_ms.map(|late| format!("{late} ms"))),
        ("tasks", tasks),
        ("called twice", Some(interval.duplicates.to_string())),
        ("recoveries", interval.recovery_attempts.map(|attempts| attempts.to_string())),
    ]);
    if interval.stages.is_empty() { fields } else { format!("{fields}\n\n{}", stages(interval.stages)) }
}

fn stages(stages: Vec<Stage>) -> String {
    let rows = stages.into_iter().map(|stage| {
        let completed = format!("{}/{}", stage.completed, stage.tasks);
        [stage.name, stage.state, completed, stage.failed.to_string(), stage.waits_for.join(", ")]
    });
    table::columns(["STAGE", "STATE", "COMPLETED", "FAILED", "WAITS FOR"], rows)
}

impl Interval {
    /// Whether nothing of it will run any more.
    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.state.as_str(), "pending" | "running")
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.state == "succeeded"
    }

    /// How long it ran, once it has ended.
    pub(super) fn took(&self) -> Option<String> {
        table::span(self.started_at.as_deref(), self.finished_at.as_deref())
    }
}
