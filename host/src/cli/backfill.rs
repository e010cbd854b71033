use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Client;
use super::job::job_id;
use super::output::Output;
use super::table;

/// How many firings of a dry run a person is shown.
const SHOWN_MAX: usize = 20;

/// The commands about backfills.
#[derive(Debug, clap::Subcommand)]
pub enum BackfillCommand {
    /// List the backfills of a job, newest first
    List {
        /// The job's id or name
        #[arg(long)]
        job: String,
    },

    /// Show a backfill
    Show {
        /// The backfill's id
        id: String,
    },

    /// End a backfill and cancel its open intervals
    Cancel {
        /// The backfill's id
        id: String,
    },
}

/// Which past firings are run again.
#[derive(Debug, clap::Args)]
pub struct NewBackfill {
    /// The job's id or name
    job: String,

    /// Where the range begins, such as 2030-01-31T00:00:00Z
    #[arg(long, value_name = "INSTANT")]
    from: String,

    /// Before which instant the range ends [default: now]
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,

    /// Which firings: all, those that failed, or those without a good interval
    #[arg(long, default_value = "missing", value_parser = ["all", "failed", "missing"])]
    mode: String,

    /// How many of its intervals are open at a time [default: 1]
    #[arg(long, value_name = "N")]
    max_parallel: Option<u32>,

    /// Only show what would be fired
    #[arg(long)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Backfills {
    backfills: Vec<Backfill>,
}

#[derive(Deserialize)]
struct Backfill {
    id: String,
    mode: String,
    state: String,
    from: String,
    until: String,
    planned: u64,
    fired: u64,
    open: u64,
    succeeded: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct DryRun {
    planned: usize,
    firings: Vec<String>,
}

pub(super) fn run(command: BackfillCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    match command {
        BackfillCommand::List { job } => {
            output.show(&client.get(&["jobs", &job_id(&job, client)?, "backfills"], &[])?, listed)?;
        }
        BackfillCommand::Show { id } => output.show(&client.get(&["backfills", &id], &[])?, shown)?,
        BackfillCommand::Cancel { id } => output.show(&client.command(&["backfills", &id, "cancel"])?, shown)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for a backfill, or for what it would fire.
pub(super) fn create(backfill: NewBackfill, client: &Client, output: Output) -> anyhow::Result<()> {
    let NewBackfill { job, from, until, mode, max_parallel, dry_run } = backfill;
    let fields = [
        ("from", Some(Value::from(from))),
        ("until", until.map(Value::from)),
        ("mode", Some(Value::from(mode))),
        ("max_parallel", max_parallel.map(Value::from)),
        ("dry_run", Some(Value::from(dry_run))),
    ];
    let body: Map<_, _> = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let answer = client.post(&["jobs", &job_id(&job, client)?, "backfill"], &Value::Object(body))?;
    if dry_run { output.show(&answer, foretold) } else { output.show(&answer, shown) }
}

fn foretold(dry_run: DryRun) -> String {
    let rest = dry_run.planned.saturating_sub(SHOWN_MAX);
    let more = if rest > 0 { format!("and {rest} more\n") } else { String::new() };
    let firings: String = dry_run.firings.iter().take(SHOWN_MAX).map(|at| table::instant(at) + "\n").collect();
    let count = if dry_run.planned == 1 { "1 firing".to_owned() } else { format!("{} firings", dry_run.planned) };
    format!("{count} would run\n{firings}{more}")
}

fn listed(answer: Backfills) -> String {
    let rows = answer.backfills.into_iter().map(|backfill| {
        let (from, until) = (table::instant(&backfill.from), table::instant(&backfill.until));
        let fired = format!("{}/{}", backfill.fired, backfill.planned);
        [backfill.id, backfill.mode, backfill.state, from, until, fired, backfill.failed.to_string()]
    });
    table::columns(["ID", "MODE", "STATE", "FROM", "UNTIL", "FIRED", "FAILED"], rows)
}

fn shown(backfill: Backfill) -> String {
    let intervals = format!("{} open, {} succeeded, {} failed", backfill.open, backfill.succeeded, backfill.failed);
    table::fields([
        ("id", Some(backfill.id)),
        ("mode", Some(backfill.mode)),
        ("state", Some(backfill.state)),
        ("from", Some(table::instant(&backfill.from))),
        ("until", Some(table::instant(&backfill.until))),
        ("fired", Some(format!("{} of {} planned", backfill.fired, backfill.planned))),
        ("intervals", Some(intervals)),
    ])
}
