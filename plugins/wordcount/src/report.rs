//! The last stage: one result of two.

use latchwork_sdk::{TaskError, events};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tells whoever watches, and returns it.
pub(crate) fn tell(top: &[(String, u64)], lengths: &BTreeMap<usize, u64>) -> Result<Value, TaskError> {
    let report = report(top, lengths);
    events::emit_json("report", &report)?;
    Ok(report)
}

fn report(top: &[(String, u64)], lengths: &BTreeMap<usize, u64>) -> Value {
    let words: u64 = lengths.values().sum();
    json!({"words": words, "top": top, "longest": lengths.keys().next_back(), "lengths": lengths})
}

#[cfg(test)]
mod tests {
    use super::report;
    use serde_json::json;

    #[test]
    fn a_report_holds_both_halves_of_the_diamond() {
        let report = report(&[("tide".to_owned(), 3)], &[(2, 4), (4, 3)].into());
        let expected = json!({"words": 7, "top": [["tide", 3]], "longest": 4, "lengths": {"2": 4, "4": 3}});
        assert_eq!(report, expected);
    }
}
