//! Which intervals get the lanes of a host: workspaces have the same; within one those of the highest priority come first,
//! within a priority its jobs have lanes by their weights, within a job its intervals the same.

use super::ids::JobId;
use super::level::{Want, level};
use super::turns::Party;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An interval's claim to lanes.
#[derive(Debug, Clone)]
pub struct Bid {
    /// Whose it is.
    pub party: Arc<Party>,
    /// Its job's.
    pub priority: i32,
    /// How many lanes it has.
    pub lanes: u32,
    /// How many more it could use.
    pub wanted: u32,
}

/// How many lanes of a host one may have at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneCaps {
    /// All intervals of one job.
    pub job: u32,
    /// All jobs of one workspace.
    pub workspace: u32,
}

/// How many lanes each has.
#[derive(Debug, Clone, Default)]
struct Holdings {
    workspaces: BTreeMap<Arc<str>, u32>,
    jobs: BTreeMap<JobId, u32>,
}

impl Holdings {
    fn of(bids: &[Bid], shares: &[u32]) -> Self {
        let mut holdings = Self::default();
        for (bid, share) in bids.iter().zip(shares) {
            *holdings.workspaces.entry(Arc::clone(&bid.party.workspace)).or_default() += bid.lanes + share;
            *holdings.jobs.entry(bid.party.job).or_default() += bid.lanes + share;
        }
        holdings
    }

    fn workspace(&self, party: &Party) -> u32 {
        self.workspaces.get(&party.workspace).copied().unwrap_or(0)
    }

    fn job(&self, party: &Party) -> u32 {
        self.jobs.get(&party.job).copied().unwrap_or(0)
    }

    /// A lane of one becomes another's.
    fn pass(&mut self, from: &Party, to: &Party) {
        let fewer = |lanes: &mut u32| *lanes = lanes.saturating_sub(1);
        self.workspaces.entry(Arc::clone(&from.workspace)).and_modify(fewer);
        self.jobs.entry(from.job).and_modify(fewer);
        *self.workspaces.entry(Arc::clone(&to.workspace)).or_default() += 1;
        *self.jobs.entry(to.job).or_default() += 1;
    }
}

/// Shares out `free` lanes: how many each bid gets, in their order.
pub fn share_out(free: u32, caps: LaneCaps, bids: &[Bid]) -> Vec<u32> {
    let shares = vec![0; bids.len()];
    let mut sharing = Sharing { caps, bids, holdings: Holdings::of(bids, &shares), shares };
    sharing.among_workspaces(free);
    sharing.shares
}

struct Sharing<'a> {
    caps: LaneCaps,
    bids: &'a [Bid],
    holdings: Holdings,
    shares: Vec<u32>,
}

impl Sharing<'_> {
    fn among_workspaces(&mut self, free: u32) {
        let bidding: Vec<_> = (0..self.bids.len()).filter(|place| self.bids[*place].wanted > 0).collect();
        let workspaces = self.grouped(&bidding, |party| Arc::clone(&party.workspace));
        let want = |places: &Vec<usize>| {
            let has = self.holdings.workspace(&self.bids[places[0]].party);
            let wanted =
                self.jobs(places).values().map(|job| self.want_of_job(job).wanted).fold(0, u32::saturating_add);
            Want::alike(has, wanted.min(self.caps.workspace.saturating_sub(has)))
        };
        let wants: Vec<_> = workspaces.values().map(want).collect();
        for (places, given) in workspaces.into_values().zip(level(free, &wants)) {
            self.among_priorities(given, places);
        }
    }

    fn among_priorities(&mut self, mut free: u32, mut places: Vec<usize>) {
        places.sort_by_key(|place| Reverse(self.bids[*place].priority));
        for group in places.chunk_by(|one, other| self.bids[*one].priority == self.bids[*other].priority) {
            free -= self.among_jobs(free, group);
        }
    }

    /// Answers how many lanes were shared out.
    fn among_jobs(&mut self, free: u32, places: &[usize]) -> u32 {
        let jobs = self.jobs(places);
        let wants: Vec<_> = jobs.values().map(|job| self.want_of_job(job)).collect();
        let given = level(free, &wants);
        for ((id, job), given) in jobs.into_iter().zip(&given) {
            let wants: Vec<_> =
                job.iter().map(|place| &self.bids[*place]).map(|bid| Want::alike(bid.lanes, bid.wanted)).collect();
            job.iter().zip(level(*given, &wants)).for_each(|(place, share)| self.shares[*place] = share);
            *self.holdings.jobs.entry(id).or_default() += given;
        }
        given.iter().sum()
    }

    fn want_of_job(&self, places: &[usize]) -> Want {
        let party = &self.bids[places[0]].party;
        let has = self.holdings.job(party);
        let wanted = places.iter().fold(0, |sum: u32, place| sum.saturating_add(self.bids[*place].wanted));
        Want { has, wanted: wanted.min(self.caps.job.saturating_sub(has)), weight: party.weight.max(1) }
    }

    fn jobs(&self, places: &[usize]) -> BTreeMap<JobId, Vec<usize>> {
        self.grouped(places, |party| party.job)
    }

    fn grouped<K: Ord>(&self, places: &[usize], key: impl Fn(&Party) -> K) -> BTreeMap<K, Vec<usize>> {
        let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        places.iter().for_each(|place| groups.entry(key(&self.bids[*place].party)).or_default().push(*place));
        groups
    }
}

/// Bids that were not met in full because every lane of the host is in use.
#[derive(Debug, Default)]
pub struct Unmet {
    bids: Vec<Bid>,
    holdings: Holdings,
    caps: LaneCaps,
}

impl Unmet {
    /// What is left of the bids after their shares.
    pub fn after(caps: LaneCaps, bids: &[Bid], shares: &[u32]) -> Self {
        let rest =
            |(bid, share): (&Bid, &u32)| Bid { lanes: bid.lanes + share, wanted: bid.wanted - share, ..bid.clone() };
        let rest = bids.iter().zip(shares).map(rest).filter(|bid| bid.wanted > 0).collect();
        Self { bids: rest, holdings: Holdings::of(bids, shares), caps }
    }

    /// Whether a lane of an interval that has so many ends instead of beginning another task, so that whoever has more
    /// right to it gets it. Each answer of yes serves one of the bids.
    pub fn takes(&mut self, party: &Party, priority: i32, lanes: u32) -> bool {
        let Self { bids, holdings, caps } = self;
        let more = |bid: &&mut Bid| {
            bid.wanted > 0
                && may_have(bid, holdings, *caps, party)
                && has_more_right(bid, holdings, (party, priority, lanes))
        };
        let Some(bid) = bids.iter_mut().find(more) else { return false };
        bid.wanted -= 1;
        bid.lanes += 1;
        holdings.pass(party, &bid.party);
        true
    }
}

/// Whether its job and its workspace may have one more lane, or have the one that ends.
fn may_have(bid: &Bid, holdings: &Holdings, caps: LaneCaps, ending: &Party) -> bool {
    let job_may = bid.party.job == ending.job || holdings.job(&bid.party) < caps.job;
    let workspace_may = bid.party.workspace == ending.workspace || holdings.workspace(&bid.party) < caps.workspace;
    job_may && workspace_may
}

/// A workspace has that would still have fewer lanes; within one a higher priority; within that a job, by its weight, and
/// then an interval that would still have fewer.
fn has_more_right(bid: &Bid, holdings: &Holdings, (party, priority, lanes): (&Party, i32, u32)) -> bool {
    if bid.party.workspace != party.workspace {
        return holdings.workspace(&bid.party) + 1 < holdings.workspace(party);
    }
    if bid.priority != priority {
        return bid.priority > priority;
    }
    if bid.party.job != party.job {
        let by_weight = |lanes: u32, weight: u32| u64::from(lanes) * u64::from(weight.max(1));
        let (theirs, own) = (holdings.job(&bid.party) + 1, holdings.job(party));
        return by_weight(theirs, party.weight) < by_weight(own, bid.party.weight);
    }
    bid.lanes + 1 < lanes
}

#[cfg(test)]
mod tests;
