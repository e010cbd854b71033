//! Keeps secrets out of what is kept of a task: whatever a guest prints.

use super::reach::GrantedSecret;
use std::cmp::Reverse;
use zeroize::Zeroizing;

/// A line of a secret of several lines is covered by itself from so many bytes on: a guest's output is cut into lines.
const LINE_BYTES_MIN: usize = 8;

/// The texts that are covered, and what is shown in their place.
#[derive(Default)]
pub(super) struct Veil(Vec<(Zeroizing<String>, String)>);

impl Veil {
    pub(super) fn over(secrets: &[GrantedSecret]) -> Self {
        let mut covered = Vec::new();
        for GrantedSecret { env, value, .. } in secrets {
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN);
            // Guests trim what they read, and the log the ends of its lines.
            let texts = lines.chain([value.as_str(), value.trim()]).filter(|text| !text.is_empty());
            covered.extend(texts.map(|text| (Zeroizing::new(text.to_owned()), format!("[secret {env}]"))));
        }
        // The longest first: one secret may be a part of another.
        covered.sort_by_key(|(text, _)| Reverse(text.len()));
        Self(covered)
    }

    /// The text without secrets.
    pub(super) fn cover(&self, mut text: String) -> String {
        for (secret, shown) in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), shown);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::grants::SecretShown;

    #[test]
    fn a_secret_is_covered_wherever_it_stands_and_each_of_its_lines_too() {
        let secret = |env: &str, value: &str| GrantedSecret {
            env: env.to_owned(),
            shown_as: SecretShown::Value,
            hosts: Vec::new(),
            value: Zeroizing::new(value.to_owned()),
        };
        let key = "-----BEGIN-----\nfirst line\nlast\n-----END-----";
        let veil = Veil::over(&[
            secret("PART", "abc"),
            secret("WHOLE", "abcdef"),
            secret("KEY", key),
            secret("PIN", "1234\n"),
            secret("NO", ""),
        ]);
        for (text, covered) in [
            ("nothing", "nothing"),
            ("abcdef, abc", "[secret WHOLE], [secret PART]"),
            ("xabcabcx", "x[secret PART][secret PART]x"),
            (key, "[secret KEY]"),
            ("the first line of it", "the [secret KEY] of it"),
            ("at last", "at last"),
            ("it is 1234.", "it is [secret PIN]."),
        ] {
            assert_eq!(veil.cover(text.to_owned()), covered);
        }
    }
}
