//! Whether the database can be used, as a host that wants to use it sees it.

use super::lease::LEASE_FOR;
use super::timestamp::Timestamp;
use std::time::Duration;

/// How often one line more tells that the database is still away.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Whether the database can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It can.
    Here {
        /// When it could not be for the last time, if ever.
        after: Option<Outage>,
    },
    /// It cannot.
    Away(Absence),
}

/// A time in which the database could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it was last known to be there.
    pub from: Timestamp,
    /// When it was there again.
    pub until: Timestamp,
}

/// A time without the database that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// When it was last known to be there.
    pub since: Timestamp,
    /// What is wrong.
    pub reason: String,
    /// What is left of it.
    pub kind: AbsenceKind,
    told_at: Timestamp,
}

/// What is left of a database that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsenceKind {
    /// Nothing: no server answers, or none that takes writes.
    Unreachable,
    /// It answers, and cannot write just now: its disk is full, for instance.
    Refusing,
}

/// What a host has seen of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// No server could be reached that takes writes.
    Missed(String),
    /// A write was refused because the server lacks something.
    Refused(String),
    /// A server was reached that takes writes.
    Reached,
    /// A write was carried out.
    Wrote,
}

/// What there is to tell people of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It went.
    Gone,
    /// It is still away, after so long.
    StillAway(Duration),
    /// It is back, after so long.
    Back(Duration),
}

impl Presence {
    /// The presence after a sighting, and what there is to tell; `seen_at` is when the database was last known to be there.
    pub fn next(self, sighting: Sighting, seen_at: Timestamp, now: Timestamp) -> (Self, Option<Notice>) {
        use AbsenceKind::{Refusing, Unreachable};
        use Sighting::{Missed, Reached, Refused, Wrote};
        match (self, sighting) {
            (Self::Here { .. }, Missed(reason)) => Self::gone(seen_at, reason, Unreachable, now),
            (Self::Here { .. }, Refused(reason)) => Self::gone(seen_at, reason, Refusing, now),
            (here @ Self::Here { .. }, Reached | Wrote) => (here, None),
            (Self::Away(absence), Missed(reason)) => absence.goes_on(reason, Unreachable, now),
            (Self::Away(absence), Refused(reason)) => absence.goes_on(reason, Refusing, now),
            // That it answers has never been in doubt.
            (Self::Away(absence), Reached) if absence.kind == Refusing => (Self::Away(absence), None),
            (Self::Away(absence), Reached | Wrote) => {
                let outage = Outage { from: absence.since, until: now };
                (Self::Here { after: Some(outage) }, Some(Notice::Back(now.since(absence.since))))
            }
        }
    }

    fn gone(since: Timestamp, reason: String, kind: AbsenceKind, now: Timestamp) -> (Self, Option<Notice>) {
        (Self::Away(Absence { since, reason, kind, told_at: now }), Some(Notice::Gone))
    }

    /// As of when leases may be judged: a lease that ran out while nobody could renew it says nothing of its host. So
    /// until one more lease has passed, those count that had run out before.
    pub fn leases_judged_at(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Away(absence) => absence.since.min(now),
            Self::Here { after: Some(outage) } if now < outage.until + LEASE_FOR => outage.from.min(now),
            Self::Here { .. } => now,
        }
    }
}

impl Absence {
    fn goes_on(mut self, reason: String, kind: AbsenceKind, now: Timestamp) -> (Presence, Option<Notice>) {
        (self.reason, self.kind) = (reason, kind);
        let notice = (now.since(self.told_at) >= TELL_EVERY).then(|| {
            self.told_at = now;
            Notice::StillAway(now.since(self.since))
        });
        (Presence::Away(self), notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sighting::{Missed, Reached, Refused, Wrote};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(seconds * 1_000)
    }

    /// The presence after sightings, and what was told, by the second.
    fn after(sightings: Vec<(i64, Sighting)>) -> (Presence, Vec<(i64, Notice)>) {
        let (mut presence, mut told) = (Presence::Here { after: None }, Vec::new());
        for (second, sighting) in sightings {
            let (next, notice) = presence.next(sighting, at(0), at(second));
            presence = next;
            told.extend(notice.map(|notice| (second, notice)));
        }
        (presence, told)
    }

    #[test]
    fn an_outage_is_told_when_it_begins_every_half_minute_and_when_it_ends() {
        let mut sightings: Vec<_> = (1..70).map(|second| (second, Missed("refused".into()))).collect();
        sightings.push((70, Reached));
        sightings.push((71, Reached));
        let (presence, told) = after(sightings);
        let seconds = Duration::from_secs;
        let expected = [
            (1, Notice::Gone),
            (31, Notice::StillAway(seconds(31))),
            (61, Notice::StillAway(seconds(61))),
            (70, Notice::Back(seconds(70))),
        ];
        assert_eq!(told, expected);
        assert_eq!(presence, Presence::Here { after: Some(Outage { from: at(0), until: at(70) }) });
    }

    #[test]
    fn a_server_that_cannot_write_is_back_with_a_write_and_not_because_it_answers() {
        let full = || Refused("disk full".into());
        let (presence, told) = after(vec![(1, full()), (2, Reached), (3, full()), (4, Reached)]);
        assert!(matches!(presence, Presence::Away(Absence { kind: AbsenceKind::Refusing, .. })), "{presence:?}");
        assert_eq!(told.len(), 1, "{told:?}");
        let (presence, _) = after(vec![(1, full()), (2, Wrote)]);
        assert!(matches!(presence, Presence::Here { .. }), "{presence:?}");
        let (presence, _) = after(vec![(1, full()), (2, Missed("gone".into())), (3, Reached)]);
        assert!(matches!(presence, Presence::Here { .. }), "{presence:?}");
    }

    #[test]
    fn leases_that_ran_out_during_an_outage_are_not_judged_before_they_could_be_renewed() {
        let lease = i64::try_from(LEASE_FOR.as_secs()).unwrap();
        let (away, _) = after(vec![(9, Missed("gone".into()))]);
        assert_eq!(away.leases_judged_at(at(50)), at(0));
        let (back, _) = after(vec![(9, Missed("gone".into())), (60, Reached)]);
        assert_eq!(back.leases_judged_at(at(60 + lease - 1)), at(0));
        assert_eq!(back.leases_judged_at(at(60 + lease)), at(60 + lease));
        assert_eq!(Presence::Here { after: None }.leases_judged_at(at(5)), at(5));
    }
}
