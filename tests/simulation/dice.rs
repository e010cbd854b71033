//! What is left to chance, and follows from the seed.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::ops::RangeInclusive;

pub(crate) struct Dice(StdRng);

impl Dice {
    /// Dice that fall the same way for the same numbers.
    pub(crate) fn of(numbers: &[u64]) -> Self {
        let mix = |mixed: u64, number: &u64| (mixed ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        Self(StdRng::seed_from_u64(numbers.iter().fold(0x1A7C_4B0E, mix)))
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        self.0.random_range(0..1_000) < per_mille
    }

    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// A place in a list with so many.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.place(choices.len())]
    }

    /// One of several, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let mut left = self.0.random_range(0..choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("`left` is below the sum of the weights")
    }
}
