use serde_json::{Value, json};

/// How the job's firings become intervals.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Firing")]
pub(super) struct Rules {
    /// The one instant at which the job fires, such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "INSTANT", conflicts_with_all = ["interval", "cron"])]
    at: Option<String>,

    /// What becomes of a cron firing at a time that the clocks leave out [default: shift]
    #[arg(long, value_name = "RULE", value_parser = ["skip", "shift"])]
    dst_gap: Option<String>,

    /// How often a cron firing is due at a time that the clocks show twice [default: once]
    #[arg(long, value_name = "RULE", value_parser = ["once", "twice"])]
    dst_fold: Option<String>,

    /// Fire when an interval of this other job, by its id or name, ends, too
    #[arg(long, value_name = "JOB")]
    after: Option<String>,

    /// At which end of the other job's interval [default: success]
    #[arg(long, value_name = "END", requires = "after", value_parser = ["success", "failure", "any"])]
    after_on: Option<String>,

    /// What a firing does while an interval is open [default: skip]
    #[arg(long, value_name = "RULE", value_parser = ["skip", "queue", "allow", "cancel_running"])]
    overlap: Option<String>,

    /// How many firings wait with --overlap queue [default: 1]
    #[arg(long, value_name = "N")]
    queue_max: Option<u32>,

    /// What becomes of firings that were due while no host ran [default: latest]
    #[arg(long, value_name = "RULE", value_parser = ["none", "latest", "all"])]
    catch_up: Option<String>,

    /// How many firings --catch-up all makes up for [default: 100]
    #[arg(long, value_name = "N")]
    catch_up_max: Option<u32>,

    /// How old a firing may be for --catch-up all, such as 12h [default: any age]
    #[arg(long, value_name = "SPAN")]
    catch_up_within: Option<String>,

    /// The most by which a firing is delayed, such as 30s [default: 0s]
    #[arg(long, value_name = "SPAN")]
    jitter: Option<String>,

    /// How late a firing may be found and still run, such as 10m [default: any]
    #[arg(long, value_name = "SPAN")]
    start_deadline: Option<String>,

    /// After how many failed intervals in a row the job is paused [default: never]
    #[arg(long, value_name = "N")]
    pause_after_failures: Option<u32>,

    /// How many ended intervals are kept [default: as the host says]
    #[arg(long, value_name = "N")]
    keep_intervals: Option<u32>,

    /// For how many days ended intervals are kept [default: as the host says]
    #[arg(long, value_name = "N")]
    keep_days: Option<u32>,

    /// What open intervals do when a new version of the plugin is uploaded [default: finish]
    #[arg(long, value_name = "RULE", value_parser = ["finish", "restart"])]
    on_upgrade: Option<String>,
}

/// How far an interval and its tasks may go.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// The most tasks of an interval that run at once [default: 8]
    #[arg(long, value_name = "N")]
    max_parallel: Option<u32>,

    /// The longest a task may take [default: 5m]
    #[arg(long, value_name = "SPAN")]
    timeout: Option<String>,

    /// The most memory that a task may take [default: 134217728]
    #[arg(long, value_name = "BYTES")]
    memory_limit_bytes: Option<u64>,

    /// The longest an interval may take, such as 2h [default: as long as it likes]
    #[arg(long, value_name = "SPAN")]
    interval_timeout: Option<String>,

    /// How many tasks may fail, a number or a share such as 5%; one more cuts the interval short [default: any number]
    #[arg(long, value_name = "N|SHARE")]
    max_failed: Option<String>,

    /// How many tasks of the job begin each second at most [default: as many as can]
    #[arg(long, value_name = "N")]
    rate_limit: Option<f64>,

    /// Intervals with a higher one go first, -100 to 100 [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,

    /// The most that the job's keys and their values may take [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    key_limit_bytes: Option<u64>,

    /// The longest a task may compute; what it waits for costs none of it [default: 1m]
    #[arg(long, value_name = "SPAN")]
    cpu_limit: Option<String>,

    /// The longest output of a task [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    output_limit_bytes: Option<u64>,

    /// What is kept of a task's log [default: 262144]
    #[arg(long, value_name = "BYTES")]
    log_limit_bytes: Option<u64>,

    /// The largest checkpoint of a task [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    checkpoint_limit_bytes: Option<u64>,

    /// The most handles of a task: files, streams, requests [default: 512]
    #[arg(long, value_name = "N")]
    handle_limit: Option<u32>,

    /// The most random bytes of a task in one piece [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    random_limit_bytes: Option<u64>,

    /// The largest body of a request that a task sends, and of its response [default: 16777216]
    #[arg(long, value_name = "BYTES")]
    http_body_limit_bytes: Option<u64>,

    /// How many tasks one sandbox serves; what a task leaves in its memory is seen by the next [default: 0, a fresh one
    /// for each]
    #[arg(long, value_name = "N")]
    warm_calls: Option<u32>,

    /// How many lanes and how much of the processors the job gets beside others, 1 to 100 [default: 1]
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
}

/// A field of the request's body, none where no flag gives it.
pub(super) type Field = (&'static str, Option<Value>);

impl Rules {
    /// Whether the job fires at one instant.
    pub(super) fn is_once(&self) -> bool {
        self.at.is_some()
    }

    /// The fields of the body; `retention` is what the file says of it.
    pub(super) fn into_fields(self, retention: Option<&Value>) -> Vec<Field> {
        let on = self.after_on.unwrap_or_else(|| "success".to_owned());
        let kept = [("intervals", self.keep_intervals.map(Value::from)), ("days", self.keep_days.map(Value::from))];
        vec![
            ("at", self.at.map(Value::from)),
            ("dst_gap", self.dst_gap.map(Value::from)),
            ("dst_fold", self.dst_fold.map(Value::from)),
            ("after", self.after.map(|job| json!({ "job": job, "on": on }))),
            ("overlap", self.overlap.map(Value::from)),
            ("queue_max", self.queue_max.map(Value::from)),
            ("catch_up", self.catch_up.map(Value::from)),
            ("catch_up_max", self.catch_up_max.map(Value::from)),
            ("catch_up_within", self.catch_up_within.map(Value::from)),
            ("jitter", self.jitter.map(Value::from)),
            ("start_deadline", self.start_deadline.map(Value::from)),
            ("pause_after_failures", self.pause_after_failures.map(Value::from)),
            ("retention", laid_over(retention, kept)),
            ("on_upgrade", self.on_upgrade.map(Value::from)),
        ]
    }
}

impl Limits {
    pub(super) fn into_fields(self) -> Vec<Field> {
        let number_or_text = |text: String| text.parse::<u32>().map_or_else(|_| Value::from(text.clone()), Value::from);
        vec![
            ("max_parallel", self.max_parallel.map(Value::from)),
            ("timeout", self.timeout.map(Value::from)),
            ("memory_limit_bytes", self.memory_limit_bytes.map(Value::from)),
            ("interval_timeout", self.interval_timeout.map(Value::from)),
            ("max_failed", self.max_failed.map(number_or_text)),
            ("rate_limit", self.rate_limit.map(Value::from)),
            ("priority", self.priority.map(Value::from)),
            ("key_limit_bytes", self.key_limit_bytes.map(Value::from)),
            ("cpu_limit", self.cpu_limit.map(Value::from)),
            ("output_limit_bytes", self.output_limit_bytes.map(Value::from)),
            ("log_limit_bytes", self.log_limit_bytes.map(Value::from)),
            ("checkpoint_limit_bytes", self.checkpoint_limit_bytes.map(Value::from)),
            ("handle_limit", self.handle_limit.map(Value::from)),
            ("random_limit_bytes", self.random_limit_bytes.map(Value::from)),
            ("http_body_limit_bytes", self.http_body_limit_bytes.map(Value::from)),
            ("warm_calls", self.warm_calls.map(Value::from)),
            ("weight", self.weight.map(Value::from)),
        ]
    }
}

/// Lays flags over an object of the file; without any flag, the object stays what it is.
pub(super) fn laid_over(base: Option<&Value>, flags: impl IntoIterator<Item = Field>) -> Option<Value> {
    let flags: Vec<_> = flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if flags.is_empty() {
        return base.cloned();
    }
    let mut object = base.and_then(Value::as_object).cloned().unwrap_or_default();
    object.extend(flags);
    Some(Value::Object(object))
}
