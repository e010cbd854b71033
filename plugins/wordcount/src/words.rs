//! How often each word occurs.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Words in lower case, and how often each occurs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Words(BTreeMap<String, u64>);

impl Words {
    /// Counts the words of a line: runs of letters and digits.
    pub(crate) fn read(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).to_lowercase();
        for word in line.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *self.0.entry(word.to_owned()).or_default() += 1;
        }
    }

    /// Adds what another part has counted.
    pub(crate) fn add(&mut self, other: Self) {
        for (word, count) in other.0 {
            *self.0.entry(word).or_default() += count;
        }
    }

    /// How many words there are, each as often as it occurs.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The words that occur most often, those that occur equally often by their letters.
    pub(crate) fn most_frequent(self, limit: usize) -> Vec<(String, u64)> {
        let mut words: Vec<(String, u64)> = self.0.into_iter().collect();
        words.sort_by_key(|(_, count)| Reverse(*count));
        words.truncate(limit);
        words
    }

    /// How many words there are of each length, in letters.
    pub(crate) fn by_length(&self) -> BTreeMap<usize, u64> {
        let mut lengths = BTreeMap::new();
        for (word, count) in &self.0 {
            *lengths.entry(word.chars().count()).or_default() += count;
        }
        lengths
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    fn words(lines: &[&str]) -> Words {
        let mut words = Words::default();
        lines.iter().for_each(|line| words.read(line.as_bytes()));
        words
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        let words = words(&["The tide, the TIDE!", "", "über 42 -- Über"]);
        assert_eq!(words.total(), 7);
        let expected = [("the", 2), ("tide", 2), ("über", 2), ("42", 1)];
        assert_eq!(words.most_frequent(9), expected.map(|(word, count)| (word.to_owned(), count)));
    }

    #[test]
    fn parts_add_up() {
        let mut all = words(&["a b"]);
        all.add(words(&["b cc"]));
        assert_eq!(all, words(&["a b b cc"]));
        assert_eq!(all.by_length(), [(1, 3), (2, 1)].into());
    }
}
