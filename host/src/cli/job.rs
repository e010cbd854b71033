use std::process::ExitCode;

use anyhow::bail;
use serde::Deserialize;
use serde_json::{Value, json};

use super::backfill::{self, NewBackfill};
use super::bounds::Bounds;
use super::client::Client;
use super::create::{JobChange, NewJob};
use super::output::Output;
use super::policies::Policies;
use super::table;
use super::watch;

/// How much of a warning the list shows: which interval it is about, and by which period.
const WARNING_CHARS_MAX: usize = 80;

/// The commands about jobs.
#[derive(Debug, clap::Subcommand)]
pub enum JobCommand {
    /// Create a job
    Create(Box<NewJob>),

    /// List the jobs
    List,

    /// Show a job
    Show {
        /// The job's id or name
        job: String,
    },

    /// Start an interval of a job now
    Trigger {
        /// The job's id or name
        job: String,

        /// The same key starts one interval only, however often it is sent
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,

        /// Watch the interval to its end; the exit code is 1 unless it succeeds
        #[arg(long)]
        watch: bool,
    },

    /// Change a job; its open intervals go on as they began
    Edit(Box<JobChange>),

    /// Keep a job from firing by itself; its open intervals go on
    Pause {
        /// The job's id or name
        job: String,

        /// Why, for whoever looks at the job
        #[arg(long)]
        reason: Option<String>,
    },

    /// Let a paused job fire again
    Resume {
        /// The job's id or name
        job: String,
    },

    /// Run past firings of a job's schedule, or run them again
    Backfill(NewBackfill),

    /// Delete a job
    Delete {
        /// The job's id or name
        job: String,
    },
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    name: String,
    plugin: String,
    #[serde(rename = "type")]
    kind: String,
    interval: Option<String>,
    cron: Option<String>,
    timezone: Option<String>,
    at: Option<String>,
    status: String,
    pause_reason: Option<String>,
    failures_in_a_row: Option<u32>,
    warning: Option<String>,
    enable_recovery: Option<bool>,
    max_parallel: Option<u32>,
    timeout: Option<String>,
    payload: Option<Value>,
    #[serde(flatten)]
    policies: Policies,
    #[serde(flatten)]
    bounds: Bounds,
    current_interval_id: Option<String>,
    interval_progress: Option<Progress>,
    interval_started_at: Option<String>,
    next_fire_at: Option<String>,
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct Progress {
    total: u64,
    completed: u64,
    failed: u64,
    running: u64,
}

impl Progress {
    /// Whether the interval has a plan, and has been looked at since.
    fn is_known(&self) -> bool {
        self.total > 0
    }
}

#[derive(Deserialize)]
struct Triggered {
    interval_id: String,
}

pub(super) fn run(command: JobCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        JobCommand::Create(job) => {
            let mut body = job.into_body()?;
            name_by_id(&mut body, client)?;
            output.show(&client.post(&["jobs"], &body)?, shown)?;
        }
        JobCommand::List => output.show(&client.get(&["jobs"], &[])?, listed)?,
        JobCommand::Show { job } => output.show(&client.get(&["jobs", &job_id(&job, client)?], &[])?, shown)?,
        JobCommand::Trigger { job, idempotency_key, watch } => {
            let body = json!({ "idempotency_key": idempotency_key });
            let answer = client.post(&["jobs", &job_id(&job, client)?, "trigger"], &body)?;
            if watch {
                return watch::watch(&answer.read::<Triggered>()?.interval_id, client, output);
            }
            output.show(&answer, |triggered: Triggered| triggered.interval_id)?;
        }
        JobCommand::Edit(change) => {
            let (job, mut patch) = change.into_patch()?;
            name_by_id(&mut patch, client)?;
            output.show(&client.patch(&["jobs", &job_id(&job, client)?], &patch)?, shown)?;
        }
        JobCommand::Pause { job, reason } => {
            let path = ["jobs", &job_id(&job, client)?, "pause"];
            output.show(&client.post(&path, &json!({ "reason": reason }))?, shown)?;
        }
        JobCommand::Resume { job } => {
            output.show(&client.command(&["jobs", &job_id(&job, client)?, "resume"])?, shown)?;
        }
        JobCommand::Backfill(backfill) => backfill::create(backfill, client, output)?,
        JobCommand::Delete { job } => {
            let answer = client.delete(&["jobs", &job_id(&job, client)?])?;
            output.tell(&answer, || format!("deleted {}", table::printable(&job)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds the job that a person means by an id or by an exact name.
pub(super) fn job_id(id_or_name: &str, client: &Client) -> anyhow::Result<String> {
    let Jobs { jobs } = client.get(&["jobs"], &[])?.read()?;
    if jobs.iter().any(|job| job.id == id_or_name) {
        return Ok(id_or_name.to_owned());
    }
    let ids: Vec<_> = jobs.into_iter().filter(|job| job.name == id_or_name).map(|job| job.id).collect();
    match &ids[..] {
        [id] => Ok(id.clone()),
        [] => bail!("no job has the id or the name {id_or_name:?}"),
        ids => bail!("{} jobs are named {id_or_name:?}; say which by its id: {}", ids.len(), ids.join(", ")),
    }
}

/// Puts the id of the job that another one waits for in the place of its name: the host knows it by that alone.
fn name_by_id(fields: &mut Value, client: &Client) -> anyhow::Result<()> {
    if let Some(Value::String(job)) = fields.pointer_mut("/after/job") {
        *job = job_id(job, client)?;
    }
    Ok(())
}

fn listed(answer: Jobs) -> String {
    let rows = answer.jobs.into_iter().map(|job| {
        let schedule = schedule(&job);
        let next = job.next_fire_at.as_deref().map(table::instant).unwrap_or_default();
        let progress = job.interval_progress.filter(Progress::is_known);
        let progress = progress.map(|now| format!("{}/{}", now.completed, now.total));
        let warning = job.warning.map(|warning| table::shortened(&warning, WARNING_CHARS_MAX)).unwrap_or_default();
        [job.id, job.name, job.plugin, schedule, job.status, next, progress.unwrap_or_default(), warning]
    });
    table::columns(["ID", "NAME", "PLUGIN", "FIRES", "STATUS", "NEXT", "PROGRESS", "WARNING"], rows)
}

fn shown(job: Job) -> String {
    let schedule = schedule(&job);
    let progress = job.interval_progress.filter(Progress::is_known).map(|now| {
        format!("{} of {} completed, {} failed, {} running", now.completed, now.total, now.failed, now.running)
    });
    let who = [
        ("id", Some(job.id)),
        ("name", Some(job.name)),
        ("plugin", Some(job.plugin)),
        ("fires", Some(schedule)),
        ("status", Some(job.status)),
        ("paused", job.pause_reason),
        ("failures in a row", job.failures_in_a_row.filter(|count| *count > 0).map(|count| count.to_string())),
        ("warning", job.warning),
        ("payload", job.payload.filter(|payload| !payload.is_null()).map(|payload| payload.to_string())),
        ("recovery", job.enable_recovery.map(|on| if on { "on" } else { "off" }.into())),
        ("max parallel", job.max_parallel.map(|lanes| lanes.to_string())),
        ("timeout", job.timeout),
    ];
    let now = [
        ("interval", job.current_interval_id),
        ("progress", progress),
        ("started", job.interval_started_at.as_deref().map(table::instant)),
        ("next", job.next_fire_at.as_deref().map(table::instant)),
        ("created", job.created_at.as_deref().map(table::instant)),
    ];
    table::fields(who.into_iter().chain(job.policies.fields()).chain(job.bounds.fields()).chain(now))
}

fn schedule(job: &Job) -> String {
    match (&job.interval, &job.cron) {
        (Some(interval), _) => format!("every {interval}"),
        (_, Some(cron)) => format!("{cron} {}", job.timezone.as_deref().unwrap_or_default()).trim_end().to_owned(),
        _ => job.at.as_deref().map_or_else(|| job.kind.clone(), |at| format!("once at {}", table::instant(at))),
    }
}
