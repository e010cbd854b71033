//! RFC 7396, on the text of the JSON: what a patch leaves alone keeps every digit of its numbers, which a tree of
//! parsed values would round.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The members of an object, each as its text.
pub(super) type Members = BTreeMap<String, Box<RawValue>>;

/// How many objects of a patch may lie within each other: as deep as most readers of JSON go.
const DEPTH_MAX: usize = 128;

/// A patch of objects within objects, deeper than anybody reads them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("has more than {DEPTH_MAX} objects within each other")]
pub(super) struct TooDeep;

/// Lays a patch over an object: null removes a member, an object is laid over an object, all else replaces. After an
/// error the target is good for nothing.
pub(super) fn apply(target: &mut Members, patch: Members) -> Result<(), TooDeep> {
    apply_at(1, target, patch)
}

/// The depth is bounded, as each level takes its part of the stack, and reads the whole rest of the patch.
fn apply_at(depth: usize, target: &mut Members, patch: Members) -> Result<(), TooDeep> {
    if depth > DEPTH_MAX {
        return Err(TooDeep);
    }
    for (name, change) in patch {
        if change.get() == "null" {
            target.remove(&name);
            continue;
        }
        let changed = match members(&change) {
            Some(inner) => {
                let mut object = target.get(&name).and_then(|value| members(value)).unwrap_or_default();
                apply_at(depth + 1, &mut object, inner)?;
                text(&object)
            }
            None => change,
        };
        target.insert(name, changed);
    }
    Ok(())
}

/// The members of a value that is an object.
fn members(value: &RawValue) -> Option<Members> {
    serde_json::from_str(value.get()).ok()
}

/// An object's text.
pub(super) fn text(members: &Members) -> Box<RawValue> {
    serde_json::value::to_raw_value(members).expect("members that are JSON make an object that is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn patched(target: &str, patch: &str) -> String {
        let mut target: Members = serde_json::from_str(target).unwrap();
        apply(&mut target, serde_json::from_str(patch).unwrap()).unwrap();
        text(&target).get().to_owned()
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"{}"#, r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, expected) in cases {
            let patched: Value = serde_json::from_str(&patched(target, patch)).unwrap();
            assert_eq!(patched, serde_json::from_str::<Value>(expected).unwrap(), "{target} {patch}");
        }
    }

    #[test]
    fn what_is_left_alone_keeps_every_digit() {
        let kept = r#"{"payload":{"n":123456789012345678901234567890,"x":2.50},"tasks":3}"#;
        assert_eq!(patched(kept, r#"{"tasks":4}"#), kept.replace(":3", ":4"));
        assert!(patched(kept, r#"{"payload":{"x":1}}"#).contains("123456789012345678901234567890"));
    }

    #[test]
    fn a_patch_that_is_deeper_than_the_stack_is_refused() {
        let nest = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let apply_to_nothing = |depth| apply(&mut Members::new(), serde_json::from_str(&nest(depth)).unwrap());
        assert_eq!(apply_to_nothing(DEPTH_MAX), Ok(()));
        assert_eq!(apply_to_nothing(DEPTH_MAX + 1), Err(TooDeep));
        assert_eq!(apply_to_nothing(100_000), Err(TooDeep));
    }
}
