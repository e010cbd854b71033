//! Incarnations that have lost their leases: promise 4.

use super::Oracle;

impl Oracle {
    /// The state of the rows where a host's incarnation is over, so that what it writes must change nothing.
    pub(crate) fn version_if_stale(&mut self, host: usize) -> Option<i64> {
        let incarnation = self.incarnation(host);
        // What nobody has taken off it yet is its own, and may still be recorded.
        (self.is_stale(host) && !self.rows.is_named(&incarnation)).then(|| self.rows.version())
    }

    /// Whether rows say that a host's incarnation has ended.
    pub(crate) fn is_stale(&mut self, host: usize) -> bool {
        let incarnation = self.incarnation(host);
        self.rows.ended_incarnations().contains(&incarnation)
    }

    /// Checks that a write of a stale host left the rows as they were.
    pub(crate) fn stale_host_wrote(&mut self, host: usize, verb: &str, version: i64) {
        if self.rows.version() != version {
            self.blame("promise 4", format!("{verb} of host {host} has changed rows, and its lease is lost"));
        }
    }
}
