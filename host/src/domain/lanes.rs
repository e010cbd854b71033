//! Which intervals get the lanes of a host: those of the highest priority first, those of one priority alike.

/// An interval's claim to lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bid {
    /// Its job's.
    pub priority: i32,
    /// How many lanes it has.
    pub lanes: u32,
    /// How many more it could use.
    pub wanted: u32,
}

/// Shares out `free` lanes: how many each bid gets, in their order.
///
/// Higher priorities are served first. Within one, whoever has the fewest lanes gets the next.
pub fn share_out(free: u32, bids: &[Bid]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..bids.len()).filter(|place| bids[*place].wanted > 0).collect();
    order.sort_by_key(|place| std::cmp::Reverse(bids[*place].priority));
    let (mut free, mut shares) = (free, vec![0; bids.len()]);
    for group in order.chunk_by(|one, other| bids[*one].priority == bids[*other].priority) {
        free -= level(free, group, bids, &mut shares);
    }
    shares
}

/// Raises the lowest of a group together until nothing is free or nothing is wanted; answers how many lanes that took.
fn level(free: u32, group: &[usize], bids: &[Bid], shares: &mut [u32]) -> u32 {
    let at_level = |bid: &Bid, level: u32| level.saturating_sub(bid.lanes).min(bid.wanted);
    let taken = |level: u32| group.iter().map(|place| u64::from(at_level(&bids[*place], level))).sum::<u64>();
    let top = group.iter().map(|place| bids[*place].lanes.saturating_add(bids[*place].wanted)).max().unwrap_or(0);
    // The highest level at which what is taken is free.
    let (mut low, mut high) = (0, top);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if taken(middle) <= u64::from(free) { low = middle } else { high = middle - 1 }
    }
    let mut left = free;
    for place in group {
        shares[*place] = at_level(&bids[*place], low);
        left -= shares[*place];
    }
    // What is left over is too little to raise all: one each, as far as it goes.
    let can_rise = |place: &&usize| at_level(&bids[**place], low + 1) > at_level(&bids[**place], low);
    for place in group.iter().filter(can_rise).take(left as usize) {
        shares[*place] += 1;
    }
    group.iter().map(|place| shares[*place]).sum()
}

/// Bids that were not met in full because every lane of the host is in use.
#[derive(Debug, Default)]
pub struct Unmet(Vec<Bid>);

impl Unmet {
    /// What is left of the bids after their shares.
    pub fn after(bids: &[Bid], shares: &[u32]) -> Self {
        let rest = |(bid, share): (&Bid, &u32)| Bid { lanes: bid.lanes + share, wanted: bid.wanted - share, ..*bid };
        Self(bids.iter().zip(shares).map(rest).filter(|bid| bid.wanted > 0).collect())
    }

    /// Whether a lane of an interval that has so many ends instead of beginning another task, so that whoever has more
    /// right to it gets it: a higher priority, or the same with fewer lanes. Each answer of yes serves one of the bids.
    pub fn takes(&mut self, priority: i32, lanes: u32) -> bool {
        let has_more_right =
            |bid: &&mut Bid| bid.priority > priority || bid.priority == priority && bid.lanes + 1 < lanes;
        let Some(bid) = self.0.iter_mut().filter(|bid| bid.wanted > 0).find(has_more_right) else { return false };
        bid.wanted -= 1;
        bid.lanes += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bid(priority: i32, lanes: u32, wanted: u32) -> Bid {
        Bid { priority, lanes, wanted }
    }

    #[test]
    fn as_long_as_there_are_lanes_each_gets_what_it_wants() {
        let bids = [bid(0, 0, 8), bid(-5, 3, 1), bid(7, 0, 0)];
        assert_eq!(share_out(1_024, &bids), [8, 1, 0]);
        assert_eq!(share_out(9, &bids), [8, 1, 0]);
    }

    #[test]
    fn a_higher_priority_is_served_first() {
        assert_eq!(share_out(10, &[bid(0, 0, 8), bid(1, 0, 7)]), [3, 7]);
        assert_eq!(share_out(5, &[bid(-1, 0, 8), bid(1, 0, 7), bid(0, 0, 9)]), [0, 5, 0]);
        assert_eq!(share_out(0, &[bid(9, 0, 8)]), [0]);
    }

    #[test]
    fn within_a_priority_the_fewest_lanes_come_first() {
        assert_eq!(share_out(6, &[bid(0, 10, 9), bid(0, 0, 9), bid(0, 2, 9)]), [0, 4, 2]);
        assert_eq!(share_out(7, &[bid(0, 0, 9), bid(0, 0, 9), bid(0, 0, 1)]), [3, 3, 1]);
        assert_eq!(share_out(2, &[bid(0, 0, 9), bid(0, 0, 9), bid(0, 0, 9)]).iter().sum::<u32>(), 2);
    }

    #[test]
    fn no_lane_is_shared_out_twice_and_none_is_left_that_somebody_wants() {
        for free in 0..40 {
            let bids = [bid(1, 4, 7), bid(0, 0, 5), bid(1, 0, 3), bid(0, 9, 20), bid(-3, 1, 1)];
            let shares = share_out(free, &bids);
            assert!(shares.iter().zip(&bids).all(|(share, bid)| *share <= bid.wanted), "{shares:?}");
            assert_eq!(shares.iter().sum::<u32>(), free.min(36), "{shares:?}");
        }
    }

    #[test]
    fn a_lane_ends_for_a_higher_priority_once_for_each_lane_that_is_wanted() {
        let bids = [bid(5, 0, 3)];
        let mut unmet = Unmet::after(&bids, &share_out(1, &bids));
        assert!(!unmet.takes(5, 1) && !unmet.takes(9, 1_000), "the same or a higher priority keeps what it has");
        assert_eq!([0; 3].map(|_| unmet.takes(0, 4)), [true, true, false]);
    }

    #[test]
    fn a_lane_ends_for_the_same_priority_only_until_both_have_as_many() {
        let bids = [bid(0, 1_024, 0), bid(0, 0, 1_024)];
        let mut unmet = Unmet::after(&bids, &share_out(0, &bids));
        let mut lanes = 1_024;
        while unmet.takes(0, lanes) {
            lanes -= 1;
        }
        assert_eq!(lanes, 512);
    }
}
