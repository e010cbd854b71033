//! What people and the world do in one step.

use crate::dice::Dice;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Time passes.
    Advance(Duration),
    /// The machines sleep for so long.
    Sleep(Duration),
    /// All clocks are set back.
    GoBack(Duration),
    /// A slow call of the store goes on.
    LetOneGo,
    /// All slow calls do.
    LetAllGo,
    StartHost,
    KillHost,
    StopHost,
    CreateJob,
    Trigger,
    Upload,
    DeleteJob,
    PauseJob,
    ResumeJob,
    CancelInterval,
    RetryInterval,
    Backfill,
    CancelBackfill,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Advance(by) if by < Duration::from_secs(2) => "a moment",
            Self::Advance(by) if by < Duration::from_hours(1) => "a lease",
            Self::Advance(_) => "ages",
            Self::Sleep(_) => "machines asleep",
            Self::GoBack(_) => "clocks set back",
            Self::LetOneGo => "one goes on",
            Self::LetAllGo => "all go on",
            Self::StartHost => "host started",
            Self::KillHost => "host killed",
            Self::StopHost => "host stopped",
            Self::CreateJob => "job created",
            Self::Trigger => "job triggered",
            Self::Upload => "version uploaded",
            Self::DeleteJob => "job deleted",
            Self::PauseJob => "job paused",
            Self::ResumeJob => "job resumed",
            Self::CancelInterval => "interval cancelled",
            Self::RetryInterval => "interval retried",
            Self::Backfill => "backfill begun",
            Self::CancelBackfill => "backfill cancelled",
        }
    }
}

/// How often a run does what. Each has its own, so that some do one thing again and again and another never.
#[derive(Debug, Clone)]
pub(crate) struct Habits(Vec<(u32, Kind)>);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Moment,
    Lease,
    Ages,
    Sleep,
    Back,
    Plain(Action),
}

impl Habits {
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let usual = [
            (300, Kind::Moment),
            (40, Kind::Lease),
            (4, Kind::Ages),
            (4, Kind::Sleep),
            (4, Kind::Back),
            (200, Kind::Plain(Action::LetOneGo)),
            (40, Kind::Plain(Action::LetAllGo)),
            (80, Kind::Plain(Action::StartHost)),
            (30, Kind::Plain(Action::KillHost)),
            (10, Kind::Plain(Action::StopHost)),
            (60, Kind::Plain(Action::CreateJob)),
            (60, Kind::Plain(Action::Trigger)),
            (10, Kind::Plain(Action::Upload)),
            (8, Kind::Plain(Action::DeleteJob)),
            (8, Kind::Plain(Action::PauseJob)),
            (16, Kind::Plain(Action::ResumeJob)),
            (16, Kind::Plain(Action::CancelInterval)),
            (24, Kind::Plain(Action::RetryInterval)),
            (12, Kind::Plain(Action::Backfill)),
            (4, Kind::Plain(Action::CancelBackfill)),
        ];
        let mut habits: Vec<_> = usual.map(|(weight, kind)| (weight * dice.one_of(&[0, 1, 1, 2, 4]), kind)).into();
        habits.push((50, Kind::Moment));
        Self(habits)
    }

    pub(crate) fn next(&self, dice: &mut Dice) -> Action {
        match dice.weighted(&self.0) {
            Kind::Moment => Action::Advance(Duration::from_millis(dice.within(1..=1_500))),
            Kind::Lease => Action::Advance(Duration::from_secs(dice.within(5..=40))),
            Kind::Ages => Action::Advance(Duration::from_secs(dice.one_of(&[3_700, 86_400, 30 * 86_400]))),
            Kind::Sleep => Action::Sleep(Duration::from_secs(dice.one_of(&[3, 16, 60, 40_000]))),
            Kind::Back => Action::GoBack(Duration::from_millis(dice.one_of(&[10, 3_000, 30_000, 3_600_000]))),
            Kind::Plain(action) => action,
        }
    }
}
