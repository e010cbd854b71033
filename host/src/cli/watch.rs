use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::client::{Answer, Client, ClientError};
use super::interval::Interval;
use super::output::Output;
use super::pages;
use super::table;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often a line is written where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How long a host that went away may take to come back: a restarted host resumes the interval.
const PATIENCE: Duration = Duration::from_secs(60);

const BAR: &str = "{msg:10} {wide_bar} {human_pos}/{human_len}  {rate:>9}  {eta:>5} left";

/// Follows an interval to its end, across restarts of the host.
///
/// Progress goes to stderr, so that stdout holds the result alone.
pub(super) fn watch(id: &str, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new()?;
    loop {
        let answer = patiently(&mut progress, || client.get(&["intervals", id], &[]))?;
        let interval: Interval = answer.read()?;
        if interval.has_ended() {
            progress.bar.finish_and_clear();
            output.tell(&answer, || summary(&interval))?;
            return Ok(if interval.has_succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        progress.show(&interval)?;
        sleep(LOOK_EVERY);
    }
}

/// Prints what an interval's tasks emit until it has ended, across restarts of the host.
pub(super) fn follow_events(id: &str, client: &Client, output: Output) -> anyhow::Result<ExitCode> {
    // From the first on; a place that is known keeps pages without events from being printed.
    let mut after = Some("0".to_owned());
    let mut answered_at = None;
    loop {
        // The interval first: when that has ended, all of its events are there.
        let looked = client.get(&["intervals", id], &[]).map_err(anyhow::Error::from).and_then(|answer| {
            let interval: Interval = answer.read()?;
            pages::print_events(id, &mut after, client, output).map(|()| interval)
        });
        match looked {
            Ok(interval) if interval.has_ended() => {
                return Ok(if interval.has_succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Ok(_) => answered_at = Some(Instant::now()),
            Err(error) if is_away(&error) && answered_at.is_some_and(|at: Instant| at.elapsed() < PATIENCE) => {}
            Err(error) => return Err(error),
        }
        sleep(LOOK_EVERY);
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Unreachable { .. }))
}

/// Asks again while the host is away, until the patience ends.
fn patiently(progress: &mut Progress, ask: impl Fn() -> Result<Answer, ClientError>) -> anyhow::Result<Answer> {
    let asked_at = Instant::now();
    loop {
        match ask() {
            // A host that never answered is more likely a wrong address than a restart.
            Err(ClientError::Unreachable { .. }) if progress.has_begun() && asked_at.elapsed() < PATIENCE => {
                progress.say("host away")?;
                sleep(LOOK_EVERY);
            }
            answer => return Ok(answer?),
        }
    }
}

/// A bar on a terminal, else a plain line now and then.
struct Progress {
    bar: ProgressBar,
    last_line_at: Option<Instant>,
}

impl Progress {
    fn new() -> anyhow::Result<Progress> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template(BAR)?.with_key("rate", write_rate));
        Ok(Progress { bar, last_line_at: None })
    }

    fn has_begun(&self) -> bool {
        self.bar.length().is_some()
    }

    fn show(&mut self, interval: &Interval) -> anyhow::Result<()> {
        let begins = !self.has_begun();
        self.bar.set_length(interval.total.unwrap_or_default());
        self.bar.set_position(interval.completed + interval.failed);
        if begins {
            // What was done before the watch began says nothing about the rate.
            self.bar.reset_eta();
        }
        self.say(&interval.state)
    }

    fn say(&mut self, state: &str) -> anyhow::Result<()> {
        self.bar.set_message(state.to_owned());
        let is_due = self.last_line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if self.bar.is_hidden() && is_due {
            self.last_line_at = Some(Instant::now());
            writeln!(io::stderr(), "{}", self.line(state))?;
        }
        Ok(())
    }

    fn line(&self, state: &str) -> String {
        let (settled, total, rate) = (self.bar.position(), self.bar.length().unwrap_or_default(), self.bar.per_sec());
        if total == 0 {
            // It has no plan yet.
            return state.to_owned();
        }
        let count = format!("{state}: {settled} of {total} tasks");
        if rate == 0.0 {
            return count;
        }
        format!("{count}, {rate:.1} a second, {} left", HumanDuration(self.bar.eta()))
    }
}

fn write_rate(state: &ProgressState, text: &mut dyn fmt::Write) {
    // A bar that lacks its rate is no reason to stop watching.
    let _ = write!(text, "{:.1}/s", state.per_sec());
}

fn summary(interval: &Interval) -> String {
    let took = interval.took().map(|took| format!(" in {took}")).unwrap_or_default();
    let total = interval.total.unwrap_or_default();
    let failed = if interval.failed == 0 { String::new() } else { format!(", {} failed", interval.failed) };
    let reason = interval.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let summary = format!(
        "interval {} {}{took}, {} of {total} tasks completed{failed}{reason}",
        interval.id, interval.state, interval.completed
    );
    table::printable(&summary)
}
