//! Chance, from a seed: bytes, texts, and samples with something wrong in them.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::ops::Range;

/// Characters that have been somebody's undoing: ends of texts, quotes, separators, wide ones, ones that turn the line.
const CHARACTERS: [char; 28] = [
    '\0',
    '\n',
    '\r',
    '\t',
    ' ',
    '"',
    '\'',
    '\\',
    '/',
    ':',
    ';',
    ',',
    '.',
    '*',
    '%',
    '@',
    '[',
    ']',
    '{',
    '}',
    '-',
    '+',
    '0',
    'é',
    '\u{202e}',
    '\u{feff}',
    '\u{1f600}',
    '\u{10ffff}',
];

/// Numbers at the edges of types.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e309",
    "0.1",
    "00000000000000000000000000000000000000001",
];

/// The most mistakes in one sample.
const MISTAKES_MAX: usize = 6;

/// The dice of one round.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn within(&mut self, range: Range<usize>) -> usize {
        self.0.random_range(range)
    }

    /// True once in so many.
    pub(crate) fn once_in(&mut self, many: usize) -> bool {
        self.within(0..many) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.within(0..choices.len())]
    }

    /// A number of any size: small ones and those at the edges come often.
    pub(crate) fn number(&mut self) -> u64 {
        match self.within(0..4) {
            0 => self.0.random_range(0..16),
            1 => 1_u64 << self.0.random_range(0..64),
            2 => (1_u64 << self.0.random_range(0..64)).wrapping_sub(1),
            _ => self.0.random(),
        }
    }

    pub(crate) fn bytes(&mut self, length: Range<usize>) -> Vec<u8> {
        let mut bytes = vec![0; self.within(length)];
        self.0.fill(&mut bytes[..]);
        bytes
    }

    pub(crate) fn text(&mut self, length: Range<usize>) -> String {
        (0..self.within(length)).map(|_| self.character()).collect()
    }

    fn character(&mut self) -> char {
        match self.within(0..3) {
            0 => *self.pick(&CHARACTERS),
            1 => self.0.random_range('\0'..='\u{7f}'),
            _ => self.0.random(),
        }
    }

    /// One of the samples, now and then as it is, else with mistakes; sometimes any text at all.
    pub(crate) fn garbled(&mut self, samples: &[&str]) -> String {
        if self.once_in(16) {
            return self.text(0..64);
        }
        let mut text: Vec<char> = self.pick(samples).chars().collect();
        for _ in 0..self.within(0..MISTAKES_MAX) {
            self.mistake(&mut text, samples);
        }
        text.into_iter().collect()
    }

    fn mistake(&mut self, text: &mut Vec<char>, samples: &[&str]) {
        let (at, piece) = (self.within(0..text.len() + 1), self.piece(text.len()));
        match self.within(0..6) {
            0 => drop(text.drain(piece)),
            1 => {
                let copied = text[piece].to_vec();
                text.splice(at..at, copied);
            }
            2 => {
                let character = self.character();
                text.insert(at, character);
            }
            3 => {
                let other: Vec<char> = self.pick(samples).chars().collect();
                let stolen = other[self.piece(other.len())].to_vec();
                text.splice(piece, stolen);
            }
            4 => {
                let number = self.pick(&NUMBERS).chars();
                // In the place of a number, where there is one.
                let digits = text.iter().skip(at).position(char::is_ascii_digit).map_or(at, |skipped| at + skipped);
                let end = text.iter().skip(digits).take_while(|c| c.is_ascii_digit()).count() + digits;
                text.splice(digits..end, number);
            }
            _ => {
                let copied = text[piece].repeat(self.within(1..64));
                text.splice(at..at, copied);
            }
        }
    }

    /// Bytes with mistakes: bits that flipped, pieces that are gone, doubled, or come from elsewhere.
    pub(crate) fn damaged(&mut self, sound: &[u8]) -> Vec<u8> {
        let mut bytes = sound.to_vec();
        for _ in 0..self.within(1..MISTAKES_MAX) {
            let (at, piece) = (self.within(0..bytes.len() + 1), self.piece(bytes.len()));
            match self.within(0..6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(piece)),
                2 => {
                    let copied = bytes[piece].to_vec();
                    bytes.splice(at..at, copied);
                }
                3 => {
                    let anything = self.bytes(0..16);
                    bytes.splice(piece, anything);
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.within(0..8),
                _ => bytes.push(0xff),
            }
        }
        bytes
    }

    fn piece(&mut self, length: usize) -> Range<usize> {
        let start = self.within(0..length + 1);
        start..self.within(start..length + 1)
    }
}
