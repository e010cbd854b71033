//! What jobs do not keep: nothing that is open is removed, and nothing that is to be kept.

use super::rows::{IntervalRow, Snapshot};
use super::{All, Oracle};

impl Oracle {
    /// Looks once more at what is about to be removed.
    pub(crate) fn before_removal(&mut self) {
        self.look();
    }

    /// Whether a job keeps an interval for a while only.
    pub(super) fn may_be_removed(&self, row: &IntervalRow) -> bool {
        let job = self.jobs.get(&row.job_id);
        let keeps_some = job.is_some_and(|job| job.keeps.is_some() || job.keeps_days);
        !row.is_open() && (keeps_some || self.deleted.contains(&row.job_id))
    }

    pub(super) fn check_removals(&mut self, snapshot: &Snapshot, all: &All) {
        self.deleted.extend(snapshot.jobs.iter().filter(|job| job.is_deleted).map(|job| job.id.clone()));
        let is_there = |row: &IntervalRow| snapshot.ids.contains(&row.id);
        let rows = || all.values().map(|seen| &seen.row);
        let gone: Vec<_> = rows().filter(|row| !is_there(row) && !self.removed.contains(&row.number)).collect();
        for row in gone {
            self.removed.insert(row.number);
            let job = self.jobs.get(&row.job_id);
            let (keeps, keeps_days) = job.map_or((None, false), |job| (job.keeps, job.keeps_days));
            let is_of_its_kind = |other: &&IntervalRow| {
                // One that was opened again may have counted when it was decided what goes.
                let counted = !other.is_open() || other.reopened > 0;
                other.job_id == row.job_id && counted && other.did_run() == row.did_run()
            };
            let left = i64::try_from(rows().filter(|row| is_there(row)).filter(is_of_its_kind).count()).expect("few");
            let is_beyond = keeps_days || keeps.is_some_and(|keeps| left >= keeps);
            if row.is_open() || !(is_beyond || self.deleted.contains(&row.job_id)) {
                let text =
                    format!("interval {} is {} and is removed; {left} are left of {keeps:?}", row.number, row.state);
                self.blame("retention", text);
            }
        }
    }
}
