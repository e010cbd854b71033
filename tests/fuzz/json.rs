//! JSON with something wrong in it: in its text, or in what it says.

use crate::dice::Dice;
use crate::words;
use serde_json::{Value, json};

/// One of the samples with mistakes.
pub(crate) fn garbled(dice: &mut Dice, samples: &[&str]) -> String {
    match dice.within(0..4) {
        0 => dice.garbled(samples),
        1 if dice.once_in(8) => deep(dice),
        _ => {
            let mut value: Value = serde_json::from_str(dice.pick::<&str>(samples)).expect("a sample is JSON");
            for _ in 0..dice.within(0..4) {
                change(dice, &mut value, samples);
            }
            value.to_string()
        }
    }
}

/// Changes something in a value, at any depth.
fn change(dice: &mut Dice, value: &mut Value, samples: &[&str]) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(dice.within(0..members.len())).expect("below the length").clone();
            match dice.within(0..8) {
                0 => drop(members.remove(&name)),
                1 => {
                    let taken: Value = serde_json::from_str(dice.pick::<&str>(samples)).expect("a sample is JSON");
                    let Value::Object(taken) = taken else { return };
                    members.extend(taken.into_iter().filter(|_| dice.once_in(3)));
                }
                2 => drop(members.insert(dice.text(0..12), any(dice))),
                _ => change(dice, members.get_mut(&name).expect("a member's name"), samples),
            }
        }
        Value::Array(values) if !values.is_empty() && !dice.once_in(4) => {
            let at = dice.within(0..values.len());
            change(dice, &mut values[at], samples);
        }
        Value::String(text) if !dice.once_in(4) => *text = dice.garbled(&[text]),
        value => *value = any(dice),
    }
}

fn any(dice: &mut Dice) -> Value {
    match dice.within(0..12) {
        0 => Value::Null,
        1 => json!(dice.once_in(2)),
        2 => json!(dice.number()),
        3 => json!(-(dice.number() as i64 & i64::MAX)),
        4 => json!(f64::from_bits(dice.number())),
        5 => json!(dice.text(0..300)),
        6 => json!([any(dice)]),
        7 => json!({ dice.text(0..8): any(dice) }),
        8 => json!(dice.garbled(words::DURATIONS)),
        9 => json!(dice.garbled(words::CRONS)),
        10 => json!(dice.garbled(words::INSTANTS)),
        _ => json!(vec!["x"; dice.within(0..300)]),
    }
}

/// Many levels of nesting, closed again or not; some of it within a job's payload.
pub(crate) fn deep(dice: &mut Dice) -> String {
    let levels = dice.within(0..100_000);
    let (open, close) = *dice.pick(&[("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")]);
    let close = if dice.once_in(4) { String::new() } else { close.repeat(levels) };
    let nest = format!("{}1{close}", open.repeat(levels));
    if dice.once_in(3) { nest } else { format!("{{\"payload\": {nest}}}") }
}
