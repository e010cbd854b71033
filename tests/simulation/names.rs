//! Short names for identities, in the order in which they were seen: the same in every run of a seed.

use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Names {
    numbers: BTreeMap<String, usize>,
    next: BTreeMap<char, usize>,
}

impl Names {
    /// The number of an identity among those of its kind.
    pub(crate) fn number(&mut self, kind: char, id: &str) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let next = self.next.entry(kind).or_default();
        let number = *next;
        *next += 1;
        self.numbers.insert(id.to_owned(), number);
        number
    }

    /// A text with every identity that was seen before in its short form.
    pub(crate) fn shorten(&self, text: &str) -> String {
        const LENGTH: usize = 36;
        let mut short = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            match rest.get(..LENGTH).and_then(|id| self.numbers.get(id)) {
                Some(number) => {
                    short.push_str(&format!("#{number}"));
                    rest = &rest[LENGTH..];
                }
                None => {
                    short.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        short
    }
}
