//! What a host tells the others so that they look at the rows sooner.

/// Something has changed in the rows. Whoever hears of it looks; whoever does not finds it a little later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// A job's schedule is new or changed.
    Schedules,
    /// There is an interval to plan, or segments or lanes to take.
    Work,
    /// Intervals were ended that a host may work on.
    Ends,
    /// There is a backfill to begin.
    Backfills,
}

impl Hint {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Schedules, Self::Work, Self::Ends, Self::Backfills];

    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedules => "schedules",
            Self::Work => "work",
            Self::Ends => "ends",
            Self::Backfills => "backfills",
        }
    }

    /// The hint of a name; none for one that a later version may know.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hint| hint.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_is_found_by_its_name() {
        assert_eq!(Hint::ALL.map(|hint| Hint::named(hint.name())), Hint::ALL.map(Some));
        assert_eq!(Hint::named("weather"), None);
    }
}
