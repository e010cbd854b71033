//! Sharing out something that is scarce: whoever has least, by its weight, gets the next.

/// What one has and wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// How many it has.
    pub has: u32,
    /// How many more it could use.
    pub wanted: u32,
    /// How many it should have for each that one of weight 1 has; from 1.
    pub weight: u32,
}

impl Want {
    /// One that counts as much as any other.
    pub fn alike(has: u32, wanted: u32) -> Self {
        Self { has, wanted, weight: 1 }
    }

    /// How many it takes where each may have `level` for its weight.
    fn taken_at(&self, level: u32) -> u32 {
        level.saturating_mul(self.weight).saturating_sub(self.has).min(self.wanted)
    }

    /// The level at which it takes all that it wants.
    fn top(&self) -> u32 {
        self.has.saturating_add(self.wanted).div_ceil(self.weight)
    }
}

/// Raises the lowest together until nothing is free or nothing is wanted; answers how many each gets, in their order.
pub fn level(free: u32, wants: &[Want]) -> Vec<u32> {
    let taken = |level: u32| wants.iter().map(|want| u64::from(want.taken_at(level))).sum::<u64>();
    // The highest level at which what is taken is free.
    let (mut low, mut high) = (0, wants.iter().map(Want::top).max().unwrap_or(0));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if taken(middle) <= u64::from(free) { low = middle } else { high = middle - 1 }
    }
    let mut shares: Vec<_> = wants.iter().map(|want| want.taken_at(low)).collect();
    // What is left over is too little to raise all: one each in turn, as far as it goes.
    let mut left = free - shares.iter().sum::<u32>();
    while left > 0 {
        let before = left;
        for (share, want) in shares.iter_mut().zip(wants) {
            if left > 0 && *share < want.taken_at(low + 1) {
                *share += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(has: u32, wanted: u32, weight: u32) -> Want {
        Want { has, wanted, weight }
    }

    #[test]
    fn as_long_as_there_is_enough_each_gets_what_it_wants() {
        for free in [9, 1_000, u32::MAX] {
            assert_eq!(level(free, &[want(0, 8, 1), want(3, 1, 7), want(7, 0, 1)]), [8, 1, 0]);
        }
        assert_eq!(level(9, &[]), Vec::<u32>::new());
    }

    #[test]
    fn whoever_has_least_comes_first() {
        assert_eq!(level(6, &[want(10, 9, 1), want(0, 9, 1), want(2, 9, 1)]), [0, 4, 2]);
        assert_eq!(level(7, &[want(0, 9, 1), want(0, 9, 1), want(0, 1, 1)]), [3, 3, 1]);
        assert_eq!(level(2, &[want(0, 9, 1), want(0, 9, 1), want(0, 9, 1)]).iter().sum::<u32>(), 2);
    }

    #[test]
    fn a_larger_weight_gets_more() {
        assert_eq!(level(40, &[want(0, 99, 3), want(0, 99, 1)]), [30, 10]);
        assert_eq!(level(40, &[want(30, 99, 3), want(0, 99, 1)]), [22, 18]);
        assert_eq!(level(7, &[want(0, 99, 3), want(0, 99, 1)]).iter().sum::<u32>(), 7);
    }

    #[test]
    fn nothing_is_shared_out_twice_and_nothing_is_left_that_somebody_wants() {
        for free in 0..40 {
            let wants = [want(4, 7, 1), want(0, 5, 9), want(0, 3, 2), want(9, 20, 1), want(1, 1, 100)];
            let shares = level(free, &wants);
            assert!(shares.iter().zip(&wants).all(|(share, want)| *share <= want.wanted), "{shares:?}");
            assert_eq!(shares.iter().sum::<u32>(), free.min(36), "{shares:?}");
        }
    }
}
