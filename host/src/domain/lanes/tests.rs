use super::*;

const NO_CAPS: LaneCaps = LaneCaps { job: u32::MAX, workspace: u32::MAX };

fn party(workspace: &str, job: u32, weight: u32) -> Arc<Party> {
    Arc::new(Party { workspace: workspace.into(), job: format!("{job:032x}").parse().unwrap(), weight })
}

/// A bid of a job of its own, in a workspace that all have.
fn bid(job: u32, priority: i32, lanes: u32, wanted: u32) -> Bid {
    Bid { party: party("w", job, 1), priority, lanes, wanted }
}

fn of(party: &Arc<Party>, lanes: u32, wanted: u32) -> Bid {
    Bid { party: Arc::clone(party), priority: 0, lanes, wanted }
}

#[test]
fn as_long_as_there_are_lanes_each_gets_what_it_wants() {
    let bids = [bid(1, 0, 0, 8), bid(2, -5, 3, 1), bid(3, 7, 0, 0)];
    assert_eq!(share_out(1_024, NO_CAPS, &bids), [8, 1, 0]);
    assert_eq!(share_out(9, NO_CAPS, &bids), [8, 1, 0]);
}

#[test]
fn a_higher_priority_is_served_first() {
    assert_eq!(share_out(10, NO_CAPS, &[bid(1, 0, 0, 8), bid(2, 1, 0, 7)]), [3, 7]);
    assert_eq!(share_out(5, NO_CAPS, &[bid(1, -1, 0, 8), bid(2, 1, 0, 7), bid(3, 0, 0, 9)]), [0, 5, 0]);
    assert_eq!(share_out(0, NO_CAPS, &[bid(1, 9, 0, 8)]), [0]);
}

#[test]
fn a_priority_counts_within_a_workspace_alone() {
    let (greedy, modest) = (party("v", 1, 1), party("w", 2, 1));
    let bids =
        [Bid { priority: 100, ..of(&greedy, 0, 99) }, of(&greedy, 0, 99), Bid { priority: -100, ..of(&modest, 0, 99) }];
    assert_eq!(share_out(20, NO_CAPS, &bids), [10, 0, 10]);
    assert_eq!(kept(NO_CAPS, &[of(&modest, 1_024, 0), Bid { priority: 100, ..of(&greedy, 0, 1_024) }]), 512);
}

#[test]
fn a_cap_of_a_job_holds_for_its_intervals_of_all_priorities_together() {
    let (job, other) = (party("v", 1, 1), party("v", 2, 1));
    let caps = LaneCaps { job: 10, workspace: 99 };
    let bids = [Bid { priority: 1, ..of(&job, 0, 7) }, of(&job, 0, 7), of(&other, 0, 7)];
    assert_eq!(share_out(99, caps, &bids), [7, 3, 7]);
}

#[test]
fn within_a_job_the_interval_with_the_fewest_lanes_comes_first() {
    let job = party("w", 1, 1);
    assert_eq!(share_out(6, NO_CAPS, &[of(&job, 10, 9), of(&job, 0, 9), of(&job, 2, 9)]), [0, 4, 2]);
}

#[test]
fn a_job_with_many_intervals_gets_no_more_than_one_with_a_single_interval() {
    let (many, single) = (party("w", 1, 1), party("w", 2, 1));
    let bids: Vec<_> = (0..9).map(|_| of(&many, 0, 8)).chain([of(&single, 0, 64)]).collect();
    let shares = share_out(64, NO_CAPS, &bids);
    assert_eq!((shares[..9].iter().sum::<u32>(), shares[9]), (32, 32), "{shares:?}");
}

#[test]
fn jobs_of_a_workspace_get_lanes_by_their_weights_and_workspaces_the_same() {
    let (heavy, light, other) = (party("v", 1, 3), party("v", 2, 1), party("w", 3, 1));
    assert_eq!(share_out(80, NO_CAPS, &[of(&heavy, 0, 99), of(&light, 0, 99), of(&other, 0, 99)]), [30, 10, 40]);
    assert_eq!(share_out(80, NO_CAPS, &[of(&heavy, 0, 99), of(&light, 0, 99), of(&other, 0, 9)]), [53, 18, 9]);
}

#[test]
fn nobody_gets_more_than_its_cap_however_much_is_free() {
    let caps = LaneCaps { job: 10, workspace: 15 };
    let (one, two, other) = (party("v", 1, 1), party("v", 2, 1), party("w", 3, 1));
    assert_eq!(share_out(99, caps, &[of(&one, 0, 99), of(&two, 0, 99), of(&other, 0, 99)]), [8, 7, 10]);
    assert_eq!(share_out(99, caps, &[of(&one, 10, 99), of(&one, 0, 99), of(&other, 8, 99)]), [0, 0, 2]);
    let urgent = Bid { priority: 9, ..of(&two, 0, 99) };
    assert_eq!(share_out(99, caps, &[of(&one, 0, 99), urgent]), [5, 10]);
}

#[test]
fn no_lane_is_shared_out_twice_and_none_is_left_that_somebody_wants() {
    for free in 0..40 {
        let bids = [bid(1, 1, 4, 7), bid(2, 0, 0, 5), bid(1, 1, 0, 3), bid(4, 0, 9, 20), bid(5, -3, 1, 1)];
        let shares = share_out(free, NO_CAPS, &bids);
        assert!(shares.iter().zip(&bids).all(|(share, bid)| *share <= bid.wanted), "{shares:?}");
        assert_eq!(shares.iter().sum::<u32>(), free.min(36), "{shares:?}");
    }
}

fn unmet(caps: LaneCaps, free: u32, bids: &[Bid]) -> Unmet {
    Unmet::after(caps, bids, &share_out(free, caps, bids))
}

#[test]
fn a_lane_ends_for_a_higher_priority_once_for_each_lane_that_is_wanted() {
    let mut unmet = unmet(NO_CAPS, 1, &[bid(1, 5, 0, 3)]);
    let other = party("w", 2, 1);
    assert!(!unmet.takes(&other, 5, 1) && !unmet.takes(&other, 9, 1_000), "who is as urgent keeps what it has");
    assert_eq!([0; 3].map(|_| unmet.takes(&other, 0, 4)), [true, true, false]);
}

/// How many lanes the first keeps, which has them all, where others want some.
fn kept(caps: LaneCaps, bids: &[Bid]) -> u32 {
    let mut unmet = unmet(caps, 0, bids);
    let mut lanes = bids[0].lanes;
    while unmet.takes(&bids[0].party, 0, lanes) {
        lanes -= 1;
    }
    lanes
}

#[test]
fn a_lane_ends_for_an_interval_a_job_or_a_workspace_with_fewer_until_both_have_as_many() {
    let [job, other, elsewhere] = [party("v", 1, 1), party("v", 2, 1), party("w", 3, 1)];
    for who in [&job, &other, &elsewhere] {
        assert_eq!(kept(NO_CAPS, &[of(&job, 1_024, 0), of(who, 0, 1_024)]), 512, "{who:?}");
    }
    let heavy = party("v", 4, 3);
    assert_eq!(kept(NO_CAPS, &[of(&heavy, 1_024, 0), of(&job, 0, 1_024)]), 768);
    assert_eq!(kept(NO_CAPS, &[of(&job, 1_024, 0), of(&heavy, 0, 1_024)]), 256);
}

#[test]
fn within_a_job_or_a_workspace_that_has_all_it_may_have_a_lane_still_ends_for_who_has_more_right() {
    let caps = LaneCaps { job: 1_024, workspace: 1_024 };
    let (job, other) = (party("v", 1, 1), party("v", 2, 1));
    for who in [&job, &other] {
        let urgent = Bid { priority: 1, ..of(who, 0, 4) };
        assert_eq!(kept(caps, &[of(&job, 1_024, 0), urgent]), 1_020, "{who:?}");
        assert_eq!(kept(caps, &[of(&job, 1_024, 0), of(who, 0, 1_024)]), 512, "{who:?}");
    }
}

#[test]
fn no_lane_ends_for_who_may_not_have_more() {
    let caps = LaneCaps { job: 100, workspace: u32::MAX };
    let (job, capped) = (party("v", 1, 1), party("w", 2, 1));
    assert_eq!(kept(caps, &[of(&job, 1_024, 0), of(&capped, 100, 500)]), 1_024);
    assert_eq!(kept(caps, &[of(&job, 1_024, 0), of(&capped, 90, 500)]), 1_014);
}
