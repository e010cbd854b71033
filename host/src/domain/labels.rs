//! Labels: what a host offers, and what a job requires of one.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// The most labels that a host offers or a job requires.
pub const LABELS_MAX: usize = 32;

/// The most characters of a label's name, and of its value.
const TEXT_MAX: usize = 63;

/// Values by name. Written `gpu=yes,zone=a`, in JSON as an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

/// What makes no labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not of the form `name=value`.
    #[error("`{0}` is no label: write name=value, several separated by commas")]
    Form(String),
    /// A name or a value with characters that it does not take, or of another length.
    #[error("`{0}` is no name or value of a label: these take 1 to {max} of the characters a-z A-Z 0-9 - _ . /", max = TEXT_MAX)]
    Text(String),
    /// One name, two values.
    #[error("the label `{0}` is given twice")]
    Twice(String),
    /// Too many of them.
    #[error("{0} labels are too many: {max} are taken at most", max = LABELS_MAX)]
    TooMany(usize),
}

impl Labels {
    /// Whether these offer all that is required.
    pub fn meet(&self, required: &Self) -> bool {
        required.0.iter().all(|(name, value)| self.0.get(name) == Some(value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = LabelError;

    fn try_from(labels: BTreeMap<String, String>) -> Result<Self, LabelError> {
        if labels.len() > LABELS_MAX {
            return Err(LabelError::TooMany(labels.len()));
        }
        if let Some(text) = labels.iter().flat_map(|(name, value)| [name, value]).find(|text| !is_plain(text)) {
            return Err(LabelError::Text(text.clone()));
        }
        Ok(Self(labels))
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl FromStr for Labels {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let mut labels = BTreeMap::new();
        for label in text.split(',').filter(|_| !text.is_empty()) {
            let (name, value) =
                label.trim().split_once('=').ok_or_else(|| LabelError::Form(label.trim().to_owned()))?;
            if labels.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(LabelError::Twice(name.to_owned()));
            }
        }
        labels.try_into()
    }
}

impl Display for Labels {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        out.write_str(&labels.join(","))
    }
}

fn is_plain(text: &str) -> bool {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (1..=TEXT_MAX).contains(&text.len()) && text.chars().all(is_taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.parse().unwrap()
    }

    #[test]
    fn labels_are_read_and_written_in_both_spellings() {
        let both = labels("zone=eu-1/a, gpu=yes");
        assert_eq!(both.to_string(), "gpu=yes,zone=eu-1/a");
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(json, r#"{"gpu":"yes","zone":"eu-1/a"}"#);
        assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), both);
        assert_eq!(labels(""), Labels::default());
    }

    #[test]
    fn what_is_no_label_is_named() {
        let error = |text: &str| text.parse::<Labels>().unwrap_err();
        assert_eq!(error("gpu"), LabelError::Form("gpu".to_owned()));
        assert_eq!(error("gpu=yes,"), LabelError::Form(String::new()));
        assert_eq!(error("gpu="), LabelError::Text(String::new()));
        assert_eq!(error("gpu=yes please"), LabelError::Text("yes please".to_owned()));
        assert_eq!(error("gpu=yes,gpu=no"), LabelError::Twice("gpu".to_owned()));
        assert!(serde_json::from_str::<Labels>(r#"{"":"yes"}"#).is_err());
        let many: Vec<_> = (0..=LABELS_MAX).map(|number| format!("l{number}=x")).collect();
        assert_eq!(error(&many.join(",")), LabelError::TooMany(LABELS_MAX + 1));
    }

    #[test]
    fn a_host_meets_what_it_offers_all_of() {
        let host = labels("gpu=yes,zone=a");
        for (required, is_met) in
            [("", true), ("gpu=yes", true), ("gpu=yes,zone=a", true), ("gpu=no", false), ("zone=a,disk=ssd", false)]
        {
            assert_eq!(host.meet(&labels(required)), is_met, "{required}");
        }
    }
}
