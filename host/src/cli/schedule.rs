use std::process::ExitCode;

use serde::Deserialize;

use super::client::Client;
use super::output::Output;
use super::table;

/// The commands about schedules.
#[derive(Debug, clap::Subcommand)]
pub enum ScheduleCommand {
    /// List the next firings of a schedule, before a job has it
    Preview(Preview),
}

/// A schedule, as `job create` takes it.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("schedule").required(true).args(["interval", "cron", "at"])))]
pub struct Preview {
    /// The time between two firings, such as 30s
    #[arg(long, value_name = "SPAN")]
    interval: Option<String>,

    /// The firings as a cron expression
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,

    /// The IANA time zone that the cron expression is read in [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// What becomes of a firing at a time that the clocks leave out [default: shift]
    #[arg(long, value_name = "RULE", value_parser = ["skip", "shift"])]
    dst_gap: Option<String>,

    /// How often a firing is due at a time that the clocks show twice [default: once]
    #[arg(long, value_name = "RULE", value_parser = ["once", "twice"])]
    dst_fold: Option<String>,

    /// The one instant of the firing, such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,

    /// List the firings after this instant [default: now]
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,

    /// How many firings to list [default: 10]
    #[arg(long, value_name = "N")]
    count: Option<u32>,
}

#[derive(Deserialize)]
struct Firings {
    firings: Vec<Firing>,
    skipped: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Firing {
    at: String,
    local: String,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Skipped {
    note: String,
}

pub(super) fn run(command: ScheduleCommand, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    let ScheduleCommand::Preview(preview) = command;
    let query = preview.into_query();
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    output.show(&client.get(&["schedule", "preview"], &query)?, listed)?;
    Ok(ExitCode::SUCCESS)
}

impl Preview {
    fn into_query(self) -> Vec<(&'static str, String)> {
        let flags = [
            ("interval", self.interval),
            ("cron", self.cron),
            ("timezone", self.timezone),
            ("dst_gap", self.dst_gap),
            ("dst_fold", self.dst_fold),
            ("at", self.at),
            ("from", self.from),
            ("count", self.count.map(|count| count.to_string())),
        ];
        flags.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn listed(answer: Firings) -> String {
    let rows = answer.firings.into_iter().map(|firing| {
        let at = table::instant(&firing.at);
        [at, firing.local, firing.note.unwrap_or_default()]
    });
    let firings = table::columns(["UTC", "LOCAL", "NOTE"], rows);
    let skipped = answer.skipped.iter().map(|skipped| format!("\n{}", table::printable(&skipped.note)));
    firings + &skipped.collect::<String>()
}
