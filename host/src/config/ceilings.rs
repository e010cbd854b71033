//! The settings of what no job goes beyond on this host.

use super::readers::{bare, parsed, quoted, take};
use crate::domain::call_limits::CallLimits;
use crate::domain::ceilings::Ceilings;
use crate::domain::human_duration;
use crate::domain::job::{MAX_PARALLEL_MAX, MEMORY_BYTES_MAX, TIMEOUT_MAX};
use crate::domain::lanes::LaneCaps;
use std::time::Duration;

/// One page of wasm: with less nothing can be called.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

/// The ceilings, as flags, as variables and as keys of the TOML file.
#[derive(Debug, Default, Clone, clap::Args)]
#[command(next_help_heading = "Ceilings")]
pub struct CeilingSettings {
    /// The longest a call may take, whatever its job says [default: 24h]
    #[arg(long, env = "LATCHWORK_TASK_TIMEOUT_MAX", value_name = "DURATION", value_parser = task_timeout_max)]
    pub task_timeout_max: Option<Duration>,

    /// The longest a call may compute [default: 24h]
    #[arg(long, env = "LATCHWORK_TASK_CPU_MAX", value_name = "DURATION", value_parser = task_cpu_max)]
    pub task_cpu_max: Option<Duration>,

    /// The most memory that a call may be given [default: 1073741824]
    #[arg(long, env = "LATCHWORK_TASK_MEMORY_BYTES_MAX", value_name = "BYTES", value_parser = task_memory_bytes_max)]
    pub task_memory_bytes_max: Option<u64>,

    /// The longest output that a task may be given [default: 8388608]
    #[arg(long, env = "LATCHWORK_TASK_OUTPUT_BYTES_MAX", value_name = "BYTES", value_parser = task_output_bytes_max)]
    pub task_output_bytes_max: Option<u64>,

    /// The most that may be kept of a task's log [default: 16777216]
    #[arg(long, env = "LATCHWORK_TASK_LOG_BYTES_MAX", value_name = "BYTES", value_parser = task_log_bytes_max)]
    pub task_log_bytes_max: Option<u64>,

    /// The largest checkpoint that a task may be given [default: 8388608]
    #[arg(long, env = "LATCHWORK_TASK_CHECKPOINT_BYTES_MAX", value_name = "BYTES", value_parser = task_checkpoint_bytes_max)]
    pub task_checkpoint_bytes_max: Option<u64>,

    /// The most handles that a call may be given [default: 10000]
    #[arg(long, env = "LATCHWORK_TASK_HANDLES_MAX", value_name = "COUNT", value_parser = task_handles_max)]
    pub task_handles_max: Option<u32>,

    /// The most random bytes that a call may be given in one piece [default: 8388608]
    #[arg(long, env = "LATCHWORK_TASK_RANDOM_BYTES_MAX", value_name = "BYTES", value_parser = task_random_bytes_max)]
    pub task_random_bytes_max: Option<u64>,

    /// The largest body of a request or a response that a call may be given [default: 1073741824]
    #[arg(long, env = "LATCHWORK_TASK_HTTP_BODY_BYTES_MAX", value_name = "BYTES", value_parser = task_http_body_bytes_max)]
    pub task_http_body_bytes_max: Option<u64>,

    /// The most that a job's keys and their values may be given [default: 17179869184]
    #[arg(long, env = "LATCHWORK_JOB_KEY_BYTES_MAX", value_name = "BYTES", value_parser = job_key_bytes_max)]
    pub job_key_bytes_max: Option<u64>,

    /// The most tasks of one job that this host runs at a time, to 1024 [default: 512]
    #[arg(long, env = "LATCHWORK_JOB_LANES_MAX", value_name = "COUNT", value_parser = job_lanes_max)]
    pub job_lanes_max: Option<u32>,

    /// The most tasks of one workspace that this host runs at a time, to 1024 [default: 768]
    #[arg(long, env = "LATCHWORK_WORKSPACE_LANES_MAX", value_name = "COUNT", value_parser = workspace_lanes_max)]
    pub workspace_lanes_max: Option<u32>,

    /// The most memory that all calls together may have; who has most is refused more first [default: half of the machine's]
    #[arg(long, env = "LATCHWORK_CALLS_MEMORY_BYTES_MAX", value_name = "BYTES", value_parser = calls_memory_bytes_max)]
    pub calls_memory_bytes_max: Option<u64>,

    /// The most memory that compiled plugins take which no interval is running on [default: 1073741824]
    #[arg(long, env = "LATCHWORK_CODE_MEMORY_BYTES_MAX", value_name = "BYTES", value_parser = code_memory_bytes_max)]
    pub code_memory_bytes_max: Option<u64>,
}

impl CeilingSettings {
    pub(super) fn from_toml(file: &mut toml::Table) -> Result<Self, String> {
        Ok(Self {
            task_timeout_max: take(file, "task_timeout_max", quoted, task_timeout_max)?,
            task_cpu_max: take(file, "task_cpu_max", quoted, task_cpu_max)?,
            task_memory_bytes_max: take(file, "task_memory_bytes_max", bare, task_memory_bytes_max)?,
            task_output_bytes_max: take(file, "task_output_bytes_max", bare, task_output_bytes_max)?,
            task_log_bytes_max: take(file, "task_log_bytes_max", bare, task_log_bytes_max)?,
            task_checkpoint_bytes_max: take(file, "task_checkpoint_bytes_max", bare, task_checkpoint_bytes_max)?,
            task_handles_max: take(file, "task_handles_max", bare, task_handles_max)?,
            task_random_bytes_max: take(file, "task_random_bytes_max", bare, task_random_bytes_max)?,
            task_http_body_bytes_max: take(file, "task_http_body_bytes_max", bare, task_http_body_bytes_max)?,
            job_key_bytes_max: take(file, "job_key_bytes_max", bare, job_key_bytes_max)?,
            job_lanes_max: take(file, "job_lanes_max", bare, job_lanes_max)?,
            workspace_lanes_max: take(file, "workspace_lanes_max", bare, workspace_lanes_max)?,
            calls_memory_bytes_max: take(file, "calls_memory_bytes_max", bare, calls_memory_bytes_max)?,
            code_memory_bytes_max: take(file, "code_memory_bytes_max", bare, code_memory_bytes_max)?,
        })
    }

    /// These settings, and where they are silent those of `file`.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            task_timeout_max: self.task_timeout_max.or(file.task_timeout_max),
            task_cpu_max: self.task_cpu_max.or(file.task_cpu_max),
            task_memory_bytes_max: self.task_memory_bytes_max.or(file.task_memory_bytes_max),
            task_output_bytes_max: self.task_output_bytes_max.or(file.task_output_bytes_max),
            task_log_bytes_max: self.task_log_bytes_max.or(file.task_log_bytes_max),
            task_checkpoint_bytes_max: self.task_checkpoint_bytes_max.or(file.task_checkpoint_bytes_max),
            task_handles_max: self.task_handles_max.or(file.task_handles_max),
            task_random_bytes_max: self.task_random_bytes_max.or(file.task_random_bytes_max),
            task_http_body_bytes_max: self.task_http_body_bytes_max.or(file.task_http_body_bytes_max),
            job_key_bytes_max: self.job_key_bytes_max.or(file.job_key_bytes_max),
            job_lanes_max: self.job_lanes_max.or(file.job_lanes_max),
            workspace_lanes_max: self.workspace_lanes_max.or(file.workspace_lanes_max),
            calls_memory_bytes_max: self.calls_memory_bytes_max.or(file.calls_memory_bytes_max),
            code_memory_bytes_max: self.code_memory_bytes_max.or(file.code_memory_bytes_max),
        }
    }

    /// Fills in the defaults.
    pub(super) fn resolve(self) -> Ceilings {
        let most = Ceilings::default();
        Ceilings {
            timeout: self.task_timeout_max.unwrap_or(most.timeout),
            memory_bytes: self.task_memory_bytes_max.unwrap_or(most.memory_bytes),
            key_bytes: self.job_key_bytes_max.unwrap_or(most.key_bytes),
            call: CallLimits {
                cpu_max: self.task_cpu_max.unwrap_or(most.call.cpu_max),
                output_bytes_max: self.task_output_bytes_max.unwrap_or(most.call.output_bytes_max),
                log_bytes_max: self.task_log_bytes_max.unwrap_or(most.call.log_bytes_max),
                checkpoint_bytes_max: self.task_checkpoint_bytes_max.unwrap_or(most.call.checkpoint_bytes_max),
                handles_max: self.task_handles_max.unwrap_or(most.call.handles_max),
                random_bytes_max: self.task_random_bytes_max.unwrap_or(most.call.random_bytes_max),
                http_body_bytes_max: self.task_http_body_bytes_max.unwrap_or(most.call.http_body_bytes_max),
            },
            lanes: LaneCaps {
                job: self.job_lanes_max.unwrap_or(most.lanes.job),
                workspace: self.workspace_lanes_max.unwrap_or(most.lanes.workspace),
            },
        }
    }
}

fn task_timeout_max(text: &str) -> Result<Duration, String> {
    span(text, "LATCHWORK_TASK_TIMEOUT_MAX")
}

fn task_cpu_max(text: &str) -> Result<Duration, String> {
    span(text, "LATCHWORK_TASK_CPU_MAX")
}

fn task_memory_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_MEMORY_BYTES_MAX", MEMORY_BYTES_MIN, MEMORY_BYTES_MAX)
}

fn task_output_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_OUTPUT_BYTES_MAX", 0, Ceilings::default().call.output_bytes_max)
}

fn task_log_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_LOG_BYTES_MAX", 0, Ceilings::default().call.log_bytes_max)
}

fn task_checkpoint_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_CHECKPOINT_BYTES_MAX", 0, Ceilings::default().call.checkpoint_bytes_max)
}

fn task_handles_max(text: &str) -> Result<u32, String> {
    number(text, "LATCHWORK_TASK_HANDLES_MAX", 1, Ceilings::default().call.handles_max)
}

fn task_random_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_RANDOM_BYTES_MAX", 0, Ceilings::default().call.random_bytes_max)
}

fn task_http_body_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_TASK_HTTP_BODY_BYTES_MAX", 0, Ceilings::default().call.http_body_bytes_max)
}

fn job_key_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_JOB_KEY_BYTES_MAX", 0, Ceilings::default().key_bytes)
}

fn job_lanes_max(text: &str) -> Result<u32, String> {
    number(text, "LATCHWORK_JOB_LANES_MAX", 1, MAX_PARALLEL_MAX)
}

fn workspace_lanes_max(text: &str) -> Result<u32, String> {
    number(text, "LATCHWORK_WORKSPACE_LANES_MAX", 1, MAX_PARALLEL_MAX)
}

fn calls_memory_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_CALLS_MEMORY_BYTES_MAX", MEMORY_BYTES_MIN, u64::MAX)
}

fn code_memory_bytes_max(text: &str) -> Result<u64, String> {
    number(text, "LATCHWORK_CODE_MEMORY_BYTES_MAX", 0, u64::MAX)
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    name: &str,
    min: T,
    max: T,
) -> Result<T, String> {
    let expected = format!("a whole number from {min} to {max}");
    let value: T = parsed(text, name, &expected)?;
    if value < min || value > max { Err(format!("{name} takes {expected}")) } else { Ok(value) }
}

fn span(text: &str, name: &str) -> Result<Duration, String> {
    let longest = human_duration::format(TIMEOUT_MAX);
    let span = human_duration::parse(text).ok().filter(|span| !span.is_zero() && *span <= TIMEOUT_MAX);
    span.ok_or_else(|| format!("{name} takes a duration such as 5m, of at most {longest}"))
}
