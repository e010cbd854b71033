//! How often what happened, so that it can be seen what the runs cover.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(BTreeMap<&'static str, BTreeMap<String, i64>>);

impl Tally {
    pub(crate) fn count(&mut self, kind: &'static str, what: &str) {
        self.count_so_many(kind, what, 1);
    }

    pub(crate) fn count_so_many(&mut self, kind: &'static str, what: &str, times: i64) {
        let kind = self.0.entry(kind).or_default();
        match kind.get_mut(what) {
            Some(counted) => *counted += times,
            None => {
                kind.insert(what.to_owned(), times);
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, counts) in &other.0 {
            for (what, times) in counts {
                *self.0.entry(kind).or_default().entry(what.clone()).or_default() += times;
            }
        }
    }
}

impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (kind, counts) in &self.0 {
            let counts: Vec<_> = counts.iter().map(|(what, times)| format!("{what} {times}")).collect();
            writeln!(out, "  {kind}: {}", counts.join(", "))?;
        }
        Ok(())
    }
}
