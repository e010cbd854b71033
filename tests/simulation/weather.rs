//! How badly the store behaves in a run, and what it does to one call.

use crate::dice::Dice;

/// How often in a thousand calls of the store what happens. Each run has its own, so that some are calm and others wild.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    parks: u32,
    fails: u32,
    loses_answers: u32,
    kills: u32,
    /// The call that is slow more often than others.
    slowest: &'static str,
}

/// Calls between whose beginning and end something is likely to matter.
const MAY_BE_SLOWEST: [&str; 10] = [
    "checkpoint",
    "claim_segments",
    "end_incarnation",
    "fire",
    "histories",
    "record",
    "record_plans",
    "renew_incarnation",
    "resume",
    "save_checkpoints",
];

/// What happens to one call of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It waits before it is carried out, until it is let go.
    ParkBefore,
    /// It is carried out, and its answer waits until it is let go.
    ParkAfter,
    /// It fails and changes nothing.
    Fail,
    /// It is carried out, and its answer is an error.
    LoseAnswer,
    /// The host dies before it is carried out.
    DieBefore,
    /// The host dies when it has been carried out.
    DieAfter,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ParkBefore => "slow before",
            Self::ParkAfter => "slow after",
            Self::Fail => "failed",
            Self::LoseAnswer => "answer lost",
            Self::DieBefore => "died before",
            Self::DieAfter => "died after",
        }
    }
}

impl Weather {
    /// Everything works.
    pub(crate) const CALM: Self = Self { parks: 0, fails: 0, loses_answers: 0, kills: 0, slowest: "" };

    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        Self {
            parks: dice.one_of(&[0, 20, 100, 300]),
            fails: dice.one_of(&[0, 0, 10, 60]),
            loses_answers: dice.one_of(&[0, 0, 10, 40]),
            kills: dice.one_of(&[0, 2, 5, 15]),
            slowest: if dice.chance(500) { dice.one_of(&MAY_BE_SLOWEST) } else { "" },
        }
    }

    pub(crate) fn fault(self, verb: &str, dice: &mut Dice) -> Option<Fault> {
        let Self { parks, fails, loses_answers, kills, slowest } = self;
        if verb == slowest && dice.chance(400) {
            return Some(dice.one_of(&[Fault::ParkBefore, Fault::ParkAfter]));
        }
        let none = 1_000 - parks - fails - loses_answers - kills;
        dice.weighted(&[
            (none, None),
            (parks.div_ceil(2), Some(Fault::ParkBefore)),
            (parks / 2, Some(Fault::ParkAfter)),
            (fails, Some(Fault::Fail)),
            (loses_answers, Some(Fault::LoseAnswer)),
            (kills.div_ceil(2), Some(Fault::DieBefore)),
            (kills / 2, Some(Fault::DieAfter)),
        ])
    }
}
