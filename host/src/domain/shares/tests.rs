use super::*;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

fn at(ms: u64) -> Timestamp {
    START + Duration::from_millis(ms)
}

fn hosts<const N: usize>() -> [IncarnationId; N] {
    std::array::from_fn(|_| IncarnationId::generate())
}

fn wants(wanted: u32) -> LaneAsk {
    LaneAsk { max: 8, in_use: 0, wanted }
}

fn uses(in_use: u32) -> LaneAsk {
    LaneAsk { max: 8, in_use, wanted: 8 }
}

#[test]
fn a_host_alone_has_all_lanes_and_keeps_them() {
    let [a] = hosts();
    let mut shares = LaneShares::default();
    let grant = shares.grant(a, wants(8), &BTreeSet::new(), START);
    assert_eq!(grant, LaneGrant { lanes: 8, fair: 8 });
    let before = shares.clone();
    for (in_use, wanted) in [(8, 8), (3, 3), (0, 1)] {
        let ask = LaneAsk { max: 8, in_use, wanted };
        assert!(!shares.is_worth_asking(a, ask, 8, at(60_000)));
        assert_eq!(shares.grant(a, ask, &BTreeSet::from([a]), at(60_000)).lanes, 8);
    }
    assert_eq!(shares, before, "nothing is written");
}

#[test]
fn a_host_that_joins_gets_its_part_as_the_tasks_of_the_other_end() {
    let [a, b] = hosts();
    let holders = BTreeSet::from([a, b]);
    let mut shares = LaneShares::of_planner(a, 8, START);
    assert_eq!(shares.grant(b, wants(8), &holders, at(10)), LaneGrant { lanes: 0, fair: 4 });
    assert!(!shares.is_worth_asking(a, uses(8), 8, at(20)), "nothing can be given back yet");
    assert_eq!(shares.fair(a, uses(8), at(20)), 4);
    assert!(shares.is_worth_asking(a, uses(6), 8, at(30)));
    assert_eq!(shares.grant(a, uses(6), &holders, at(30)), LaneGrant { lanes: 6, fair: 4 });
    assert!(shares.is_worth_asking(b, wants(8), 0, at(40)), "some are free");
    assert_eq!(shares.grant(b, wants(8), &holders, at(40)).lanes, 2);
    assert_eq!(shares.grant(a, uses(4), &holders, at(50)).lanes, 4);
    assert_eq!(shares.grant(b, LaneAsk { in_use: 2, ..wants(8) }, &holders, at(60)), LaneGrant { lanes: 4, fair: 4 });
    assert!(!shares.is_worth_asking(a, uses(4), 4, at(60)) && !shares.is_worth_asking(b, uses(4), 4, at(60)));
}

#[test]
fn lanes_of_a_host_that_holds_nothing_any_more_are_free_and_a_wish_that_is_not_renewed_counts_for_nothing() {
    let [a, b, c] = hosts();
    let mut shares = LaneShares::of_planner(a, 8, START);
    shares.grant(c, wants(8), &BTreeSet::from([a]), at(6_000));
    assert_eq!(shares.grant(b, wants(8), &BTreeSet::new(), at(7_000)).lanes, 4, "c still waits");
    assert_eq!(shares.grant(b, uses(4), &BTreeSet::from([b]), at(12_000)).lanes, 8, "c has not asked again");
}

#[test]
fn what_cannot_be_split_stays_with_those_who_have_it() {
    let [a, b, c] = hosts();
    let one = |in_use| LaneAsk { max: 1, in_use, wanted: 1 };
    for (has, waits) in [(a, b), (b, a)] {
        let mut shares = LaneShares::of_planner(has, 1, START);
        assert_eq!(shares.grant(waits, one(0), &BTreeSet::from([has]), START), LaneGrant { lanes: 0, fair: 0 });
        assert_eq!(shares.fair(has, one(1), START), 1);
    }
    let mut shares = LaneShares::of_planner(b, 8, START);
    shares.grant(a, wants(8), &BTreeSet::from([b]), START);
    shares.grant(c, wants(8), &BTreeSet::from([b]), START);
    assert_eq!([a, b, c].map(|host| shares.fair(host, wants(8), START)).iter().sum::<u32>(), 8);
    assert_eq!(shares.fair(b, wants(8), START), 3);
}

#[test]
fn a_host_that_needs_less_than_its_part_leaves_the_rest_to_the_others() {
    let [a, b] = hosts();
    let mut shares = LaneShares::of_planner(a, 8, START);
    shares.grant(b, wants(8), &BTreeSet::from([a]), START);
    let last_tasks = LaneAsk { max: 8, in_use: 1, wanted: 1 };
    assert_eq!(shares.grant(a, last_tasks, &BTreeSet::from([a]), at(1)).lanes, 1);
    assert_eq!(shares.grant(b, wants(8), &BTreeSet::from([a]), at(2)).lanes, 7);
}

#[test]
fn segments_are_claimed_in_the_measure_of_what_is_granted() {
    let grant = |lanes| LaneGrant { lanes, fair: lanes };
    assert_eq!((grant(8).portion(4, 8), grant(2).portion(4, 8), grant(1).portion(4, 8)), (4, 1, 1));
    assert_eq!((grant(0).portion(4, 8), grant(1).portion(u32::MAX, 1), grant(9).portion(4, 3)), (0, u32::MAX, 4));
}

#[test]
fn a_lane_that_ended_is_in_use_until_the_rows_know_and_nothing_begins_while_an_answer_is_awaited() {
    let mut held = HeldLanes::default();
    held.take(LaneGrant { lanes: 8, fair: 8 });
    held.start(8);
    held.end_one();
    assert_eq!((held.count(), held.free(), held.in_use()), (7, 1, 8));
    held.saved();
    assert_eq!(held.ask(8, 8), LaneAsk { max: 8, in_use: 7, wanted: 8 });
    assert_eq!((held.free(), held.may_go_on()), (0, true), "the answer may be lost");
    held.take(LaneGrant { lanes: 7, fair: 4 });
    assert!(!held.may_go_on() && !held.has_surplus());
    held.end_one();
    held.saved();
    assert!(held.has_surplus());
}

/// What one host does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// It looks, and asks if that is worth it; the answer may be lost.
    Ask { is_lost: bool },
    /// It starts the lanes that it may.
    Fill,
    /// A task ends, and its lane goes on if it may.
    EndOne { has_more: bool },
    /// The rows are told of what runs.
    Save,
}

fn act() -> impl Strategy<Value = (usize, Act, u64)> {
    let act = prop_oneof![
        4 => prop::bool::weighted(0.1).prop_map(|is_lost| Act::Ask { is_lost }),
        3 => Just(Act::Fill),
        4 => prop::bool::weighted(0.8).prop_map(|has_more| Act::EndOne { has_more }),
        3 => Just(Act::Save),
    ];
    (0..4usize, act, 0..700u64)
}

proptest! {
    /// Each host holds a segment all the time. `recorded` is what the rows say that it runs.
    #[test]
    fn whatever_hosts_do_the_rows_never_say_that_more_runs_than_may(
        max in 1..20u32,
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let owners: [IncarnationId; 4] = hosts();
        let holders = BTreeSet::from(owners);
        let mut held: [HeldLanes; 4] = Default::default();
        let mut recorded = [0u32; 4];
        let (mut shares, mut now) = (LaneShares::default(), START);
        for (host, act, ms) in acts {
            now = now + Duration::from_millis(ms);
            let (owner, lanes) = (owners[host], &mut held[host]);
            match act {
                Act::Ask { is_lost } => {
                    let ask = lanes.ask(max, max);
                    let grant = shares.grant(owner, ask, &holders, now);
                    if !is_lost {
                        lanes.take(grant);
                    }
                }
                Act::Fill => lanes.start(lanes.free()),
                Act::EndOne { has_more } if lanes.count() > 0 => {
                    if !(has_more && lanes.may_go_on()) {
                        lanes.end_one();
                    }
                }
                Act::EndOne { .. } => {}
                Act::Save => {
                    recorded[host] = lanes.count();
                    lanes.saved();
                }
            }
            prop_assert!(recorded.iter().sum::<u32>() <= max, "{recorded:?} of {max}: {shares:?}");
        }
    }

    #[test]
    fn hosts_that_all_have_enough_to_do_end_up_with_alike_many_lanes_and_use_all(max in 1..40u32, count in 1..5usize) {
        let owners: [IncarnationId; 4] = hosts();
        let owners = &owners[..count];
        let holders = owners.iter().copied().collect();
        let mut shares = LaneShares::of_planner(owners[0], max, START);
        let mut lanes = vec![0; count];
        lanes[0] = max;
        for round in 0..4 {
            for (owner, lanes) in owners.iter().zip(&mut lanes) {
                let now = at(500 * round);
                // Tasks are short: whatever is too much has ended by the time that it is asked.
                let in_use = shares.fair(*owner, LaneAsk { max, in_use: *lanes, wanted: max }, now).min(*lanes);
                *lanes = shares.grant(*owner, LaneAsk { max, in_use, wanted: max }, &holders, now).lanes;
            }
        }
        prop_assert_eq!(lanes.iter().sum::<u32>(), max);
        prop_assert!(lanes.iter().max().unwrap() - lanes.iter().min().unwrap() <= 1, "{lanes:?}");
    }
}
