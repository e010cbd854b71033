//! How the hosts that work on one interval share its lanes: together never more than its job allows.
//!
//! What the rows say of it is a [`LaneShares`], which is only changed by a host that has locked the interval. What others
//! have is never taken from them: a host that has more than its fair share begins no further task on the lanes beyond it,
//! and gives them back as their tasks end.

use super::ids::IncarnationId;
use super::level::{Want, level};
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a wish for more lanes stands: longer than a host takes to ask again, clocks that differ included.
const WISH_FOR: Duration = Duration::from_secs(5);

/// How old a wish is that is noted anew.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// What each incarnation has of an interval's lanes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneShares(Vec<Share>);

/// What one incarnation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    owner: IncarnationId,
    /// How many it may run, as long as it holds a segment.
    lanes: u32,
    /// How many it could use when it asked last.
    wanted: u32,
    /// When that was, in ms.
    asked_at: i64,
}

/// A wish for lanes of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAsk {
    /// How many the job allows, all hosts together.
    pub max: u32,
    /// How many of those that it had are in use: it keeps them in any case.
    pub in_use: u32,
    /// How many it could use in all.
    pub wanted: u32,
}

/// What a wish led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneGrant {
    /// How many lanes it may run.
    pub lanes: u32,
    /// How many are its fair share by now; it begins nothing on lanes beyond that.
    pub fair: u32,
}

impl LaneGrant {
    /// How many of `limit` segments, which all that was wanted would keep busy, what was granted keeps busy.
    pub fn portion(self, limit: u32, wanted: u32) -> u32 {
        let portion = (u64::from(limit) * u64::from(self.lanes)).div_ceil(u64::from(wanted.max(1)));
        u32::try_from(portion).unwrap_or(u32::MAX).min(limit)
    }
}

impl LaneShares {
    /// All lanes for whoever makes the plan: nobody else can have any yet.
    pub fn of_planner(owner: IncarnationId, lanes: u32, now: Timestamp) -> Self {
        Self(vec![Share { owner, lanes, wanted: lanes, asked_at: now.ms() }])
    }

    /// Those beside `owner` who have lanes, if they hold a segment.
    pub fn others_with_lanes(&self, owner: IncarnationId) -> impl Iterator<Item = IncarnationId> {
        self.others(owner).filter(|share| share.lanes > 0).map(|share| share.owner)
    }

    /// Those who have lanes, if they hold a segment.
    pub fn with_lanes(&self) -> impl Iterator<Item = IncarnationId> {
        self.0.iter().filter(|share| share.lanes > 0).map(|share| share.owner)
    }

    /// Frees the lanes of those who hold no segment: none of their tasks can be running.
    pub fn free_all_but(&mut self, holders: &BTreeSet<IncarnationId>) {
        for share in self.0.iter_mut().filter(|share| !holders.contains(&share.owner)) {
            share.lanes = 0;
        }
    }

    /// Gives `owner` its fair share as far as it is free, and never less than is in use. `holders` are those who hold a
    /// segment of the interval: of the others no task can be running.
    pub fn grant(
        &mut self,
        owner: IncarnationId,
        ask: LaneAsk,
        holders: &BTreeSet<IncarnationId>,
        now: Timestamp,
    ) -> LaneGrant {
        self.free_all_but(holders);
        self.0.retain(|share| share.owner == owner || share.lanes > 0 || share.is_wish(now));
        let fair = self.fair(owner, ask, now);
        let free = ask.max.saturating_sub(self.others(owner).map(|share| share.lanes).sum());
        let lanes = fair.min(free).max(ask.in_use.min(self.lanes_of(owner)));
        self.note(Share { owner, lanes, wanted: ask.wanted, asked_at: now.ms() });
        LaneGrant { lanes, fair }
    }

    /// How many of the lanes `owner` should have: all have the same, but nobody more than it wants. What cannot be split
    /// evenly stays with those who have it.
    pub fn fair(&self, owner: IncarnationId, ask: LaneAsk, now: Timestamp) -> u32 {
        let own = self.lanes_of(owner);
        let others = self.others(owner).map(|share| (Reverse(share.lanes), share.owner, share.demand(now)));
        let is_needed = self.others(owner).any(|share| share.is_wish(now) && share.wanted > share.lanes);
        // What nobody else has a use for need not be given back.
        let wanted = if is_needed { ask.wanted } else { ask.wanted.max(own) };
        let mut all: Vec<_> = others.chain([(Reverse(own), owner, wanted)]).collect();
        all.sort_unstable();
        let wants: Vec<_> = all.iter().map(|(.., wanted)| Want::alike(0, (*wanted).min(ask.max))).collect();
        let shares = level(ask.max, &wants);
        all.iter().zip(shares).find(|((_, who, _), _)| *who == owner).map_or(0, |(_, share)| share)
    }

    /// Whether asking would change what `owner` has, or is due so that others know of its wish. `granted` is what it
    /// takes for its own.
    pub fn is_worth_asking(&self, owner: IncarnationId, ask: LaneAsk, granted: u32, now: Timestamp) -> bool {
        let own = self.0.iter().find(|share| share.owner == owner);
        let fair = self.fair(owner, ask, now);
        let taken: u32 = self.0.iter().map(|share| share.lanes).sum();
        let is_known = own.is_some_and(|own| own.wanted > own.lanes && !own.is_older(RENEWED_AFTER, now));
        let gives_back = fair.max(ask.in_use) < granted;
        let takes = fair > granted && (taken < ask.max || !is_known);
        // An answer was lost.
        let is_mistaken = own.map_or(0, |own| own.lanes) != granted;
        gives_back || takes || is_mistaken
    }

    fn lanes_of(&self, owner: IncarnationId) -> u32 {
        self.0.iter().find(|share| share.owner == owner).map_or(0, |share| share.lanes)
    }

    fn others(&self, owner: IncarnationId) -> impl Iterator<Item = &Share> {
        self.0.iter().filter(move |share| share.owner != owner)
    }

    /// Keeps the row as it is where nothing would come of the change.
    fn note(&mut self, new: Share) {
        match self.0.iter_mut().find(|share| share.owner == new.owner) {
            Some(share) => {
                let is_met = new.lanes >= new.wanted;
                let now = Timestamp::from_ms(new.asked_at);
                if share.lanes != new.lanes
                    || !is_met && (share.wanted != new.wanted || share.is_older(RENEWED_AFTER, now))
                {
                    *share = new;
                }
            }
            None => self.0.push(new),
        }
    }
}

impl Share {
    /// Whether it was asked for so lately that whoever did still wants it.
    fn is_wish(&self, now: Timestamp) -> bool {
        !self.is_older(WISH_FOR, now)
    }

    /// Clocks differ, so an instant to come is as good as one that has passed.
    fn is_older(&self, span: Duration, now: Timestamp) -> bool {
        let asked_at = Timestamp::from_ms(self.asked_at);
        now.since(asked_at).max(asked_at.since(now)) >= span
    }

    fn demand(&self, now: Timestamp) -> u32 {
        if self.is_wish(now) { self.wanted.max(self.lanes) } else { self.lanes }
    }
}

/// The lanes that this incarnation has of an interval.
#[derive(Debug, Default)]
pub struct HeldLanes {
    /// Lanes that run a task or wait for one.
    count: u32,
    /// Lanes that have ended with a task of which the rows still say that it runs.
    unsaved: u32,
    /// How many the rows grant at least.
    granted: u32,
    /// How many of these may begin another task.
    usable: u32,
}

impl HeldLanes {
    /// How many lanes there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many may be there; those beyond end with their tasks.
    pub fn usable(&self) -> u32 {
        self.usable
    }

    /// How many the rows grant.
    pub fn granted(&self) -> u32 {
        self.granted
    }

    /// How many more may start.
    pub fn free(&self) -> u32 {
        self.usable.saturating_sub(self.count)
    }

    /// Notes that so many lanes start.
    pub fn start(&mut self, lanes: u32) {
        self.count += lanes;
    }

    /// Whether a lane may begin another task.
    pub fn may_go_on(&self) -> bool {
        self.count <= self.usable
    }

    /// Notes that a lane gets no further task. Until [`Self::saved`] the rows say that its last one runs.
    pub fn end_one(&mut self) {
        self.count -= 1;
        self.unsaved += 1;
    }

    /// Notes that the rows say what runs.
    pub fn saved(&mut self) {
        self.unsaved = 0;
    }

    /// How many lanes of the rows' grant may have a task that runs, as far as the rows know.
    pub fn in_use(&self) -> u32 {
        (self.count + self.unsaved).min(self.granted)
    }

    /// Whether there are lanes to give back.
    pub fn has_surplus(&self) -> bool {
        self.usable.max(self.in_use()) < self.granted
    }

    /// What is asked for; until the answer is there, no more than what is in use is taken for granted.
    pub fn ask(&mut self, max: u32, wanted: u32) -> LaneAsk {
        self.granted = self.in_use();
        self.usable = self.usable.min(self.granted);
        LaneAsk { max, in_use: self.granted, wanted }
    }

    /// Takes in the answer.
    pub fn take(&mut self, grant: LaneGrant) {
        self.granted = grant.lanes;
        self.limit(grant.fair);
    }

    /// Takes in what the fair share is by now.
    pub fn limit(&mut self, fair: u32) {
        self.usable = self.granted.min(fair);
    }
}

#[cfg(test)]
mod tests;
