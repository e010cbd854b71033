use super::grants::Grants;
use super::rules::{Limits, Rules, laid_over};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};

/// A new job: from a file, from flags, or from a file with flags laid over it.
///
/// The host checks the values, so that every client hears the same words. Flags with a heading of their own come last,
/// or the others would stand under it.
#[derive(Debug, clap::Args)]
pub struct NewJob {
    /// The job as JSON, in a file or, with `-`, from stdin; flags are laid over it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// The job's name
    #[arg(long)]
    name: Option<String>,

    /// The plugin that does the tasks
    #[arg(long)]
    plugin: Option<String>,

    /// What the plugin is given, as JSON [default: null]
    #[arg(long, value_name = "JSON", value_parser = parse_payload)]
    payload: Option<Value>,

    /// The number of tasks, where the plugin's plan does not say [default: 1]
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,

    /// What fires the job [default: as --interval, --cron and --at say, else manual]
    #[arg(long = "type", value_name = "TYPE", value_parser = ["interval", "cron", "once", "manual"])]
    kind: Option<String>,

    /// The time between two firings, such as 30s
    #[arg(long, value_name = "SPAN")]
    interval: Option<String>,

    /// The firings as a cron expression
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "interval")]
    cron: Option<String>,

    /// The IANA time zone that the cron expression is read in [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// A label that a host must have to run the job; repeatable, or separated by commas [default: any host]
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',', value_parser = parse_label)]
    requires: Vec<(String, String)>,

    /// Whether an interrupted interval is resumed [default: as the host says]
    #[arg(long, value_name = "BOOL")]
    enable_recovery: Option<bool>,

    /// Whose job it is [default: default]
    #[arg(long, value_name = "WORKSPACE")]
    workspace_id: Option<String>,

    #[command(flatten)]
    grants: Grants,

    #[command(flatten)]
    rules: Rules,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    retry: Retry,
}

/// A change of a job: the same flags as for a new one; what is not named stays.
#[derive(Debug, clap::Args)]
pub struct JobChange {
    /// The job's id or name
    #[arg(value_name = "JOB")]
    target: String,

    /// A field that gets its default again, such as after or interval_timeout
    #[arg(long, value_name = "FIELD")]
    unset: Vec<String>,

    #[command(flatten)]
    fields: NewJob,
}

/// How a task that failed is tried again.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retries")]
struct Retry {
    /// The most attempts at a task, the first included [default: 3]
    #[arg(long, value_name = "N")]
    retry_max_attempts: Option<u32>,

    /// The wait before the second attempt [default: 1s]
    #[arg(long, value_name = "SPAN")]
    retry_backoff: Option<String>,

    /// How many times longer each further wait is [default: 2]
    #[arg(long, value_name = "FACTOR")]
    retry_factor: Option<f64>,

    /// The longest wait between two attempts [default: 5m]
    #[arg(long, value_name = "SPAN")]
    retry_max_backoff: Option<String>,

    /// Whether each wait is longer by a random span of up to as much again [default: true]
    #[arg(long, value_name = "BOOL")]
    retry_jitter: Option<bool>,
}

impl NewJob {
    /// Returns the body of `POST /jobs`.
    pub(super) fn into_body(self) -> anyhow::Result<Value> {
        ensure!(
            self.file.is_some() || self.name.is_some() && self.plugin.is_some(),
            "a job takes --name and --plugin, or --file"
        );
        let mut body = self.into_fields()?;
        body.entry("type").or_insert_with(|| "manual".into());
        Ok(Value::Object(body))
    }

    /// The fields that the file and the flags name.
    fn into_fields(self) -> anyhow::Result<Map<String, Value>> {
        let mut body = self.base()?;
        let kind = self.kind();
        let retry = self.retry.laid_over(body.get("retry"));
        let grants = self.grants.laid_over(body.get("grants"));
        let rules = self.rules.into_fields(body.get("retention")).into_iter().chain(self.limits.into_fields());
        let flags = [
            ("name", self.name.map(Value::from)),
            ("plugin", self.plugin.map(Value::from)),
            ("type", kind.map(Value::from)),
            ("interval", self.interval.map(Value::from)),
            ("cron", self.cron.map(Value::from)),
            ("timezone", self.timezone.map(Value::from)),
            ("payload", self.payload),
            ("tasks", self.tasks.map(Value::from)),
            ("workspace_id", self.workspace_id.map(Value::from)),
            ("retry", retry),
            ("enable_recovery", self.enable_recovery.map(Value::from)),
            (
                "requires",
                (!self.requires.is_empty()).then(|| BTreeMap::from_iter(self.requires)).map(|labels| json!(labels)),
            ),
            ("grants", grants),
        ];
        body.extend(flags.into_iter().chain(rules).filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Ok(body)
    }

    fn base(&self) -> anyhow::Result<Map<String, Value>> {
        let Some(file) = &self.file else { return Ok(Map::new()) };
        let (name, text) = if file.as_os_str() == "-" {
            ("stdin".to_owned(), io::read_to_string(io::stdin()))
        } else {
            (file.display().to_string(), std::fs::read_to_string(file))
        };
        let text = text.with_context(|| format!("cannot read {name}"))?;
        match serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))? {
            Value::Object(job) => Ok(job),
            _ => bail!("{name} holds no JSON object"),
        }
    }

    /// The type that the flags say or imply.
    fn kind(&self) -> Option<String> {
        let implied = match (&self.interval, &self.cron, self.rules.is_once()) {
            (Some(_), ..) => Some("interval"),
            (_, Some(_), _) => Some("cron"),
            (.., true) => Some("once"),
            _ => None,
        };
        self.kind.clone().or_else(|| implied.map(str::to_owned))
    }
}

impl JobChange {
    /// Returns the job and the body of `PATCH /jobs/{id}`.
    pub(super) fn into_patch(self) -> anyhow::Result<(String, Value)> {
        let mut patch = self.fields.into_fields()?;
        patch.extend(self.unset.into_iter().map(|field| (field, Value::Null)));
        ensure!(!patch.is_empty(), "name what is to change: the flags are those of `job create`");
        Ok((self.target, Value::Object(patch)))
    }
}

impl Retry {
    fn laid_over(self, base: Option<&Value>) -> Option<Value> {
        let flags = [
            ("max_attempts", self.retry_max_attempts.map(Value::from)),
            ("backoff", self.retry_backoff.map(Value::from)),
            ("factor", self.retry_factor.map(Value::from)),
            ("max_backoff", self.retry_max_backoff.map(Value::from)),
            ("jitter", self.retry_jitter.map(Value::from)),
        ];
        laid_over(base, flags)
    }
}

fn parse_payload(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let label = text.split_once('=').ok_or("a label is NAME=VALUE")?;
    Ok((label.0.to_owned(), label.1.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn body(flags: &[&str]) -> Value {
        let matches = NewJob::augment_args(Command::new("create").no_binary_name(true)).get_matches_from(flags);
        NewJob::from_arg_matches(&matches).expect("valid flags").into_body().expect("a whole job")
    }

    #[test]
    fn flags_become_the_body_of_the_request() {
        let body =
            body(&["--name=n", "--plugin=p", "--interval=30s", "--payload={\"a\":1}", "--grant-dir=/d:/data:ro"]);
        let grants = json!({ "directories": [{ "path": "/d", "mount": "/data", "access": "read" }] });
        assert_eq!(
            body,
            json!({
                "name": "n", "plugin": "p", "type": "interval", "interval": "30s", "payload": { "a": 1 },
                "grants": grants,
            })
        );
    }

    #[test]
    fn a_job_without_a_schedule_is_manual() {
        assert_eq!(body(&["--name=n", "--plugin=p"]), json!({ "name": "n", "plugin": "p", "type": "manual" }));
    }

    #[test]
    fn a_change_holds_what_it_names_and_nothing_else() {
        let matches = JobChange::augment_args(Command::new("edit").no_binary_name(true));
        let patch = |flags: &[&str]| {
            let matches = matches.clone().get_matches_from(flags);
            JobChange::from_arg_matches(&matches).expect("valid flags").into_patch()
        };
        let (job, change) = patch(&["j", "--tasks=3", "--unset=after", "--retry-factor=3"]).unwrap();
        assert_eq!((job.as_str(), change), ("j", json!({ "tasks": 3, "after": null, "retry": { "factor": 3.0 } })));
        let (_, change) = patch(&["j", "--interval=30s"]).unwrap();
        assert_eq!(change, json!({ "type": "interval", "interval": "30s" }));
        assert!(patch(&["j"]).is_err());
    }
}
