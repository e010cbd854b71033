use indicatif::{ProgressBar, ProgressStyle};

use super::evidence::Interval;

const BAR: &str = "  {wide_bar} {pos}/{len}";

/// A bar on a terminal, else a line for each quarter.
pub(super) struct Progress {
    bar: ProgressBar,
    quarters_told: u64,
}

impl Progress {
    pub(super) fn new() -> anyhow::Result<Progress> {
        let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(BAR)?);
        Ok(Progress { bar, quarters_told: 0 })
    }

    pub(super) fn show(&mut self, interval: &Interval) {
        let (completed, total) = (interval.completed, interval.total());
        self.bar.set_length(total);
        self.bar.set_position(completed);
        let quarters = (completed * 4).checked_div(total).unwrap_or_default();
        if self.bar.is_hidden() && quarters > self.quarters_told {
            self.quarters_told = quarters;
            println!("  {completed} of {total} tasks completed");
        }
    }

    /// Prints a line without tearing the bar.
    pub(super) fn print(&self, line: &str) {
        self.bar.suspend(|| println!("  {line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
