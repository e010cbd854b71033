//! The act that asks for what the contract has and this version of the host does not offer.

use latchwork_sdk::{HostError, checkpoint, events, outputs};
use serde_json::{Value, json};

/// What the host answered to each.
pub(crate) fn ask() -> Value {
    json!({
        "checkpoint.save": answer(checkpoint::save("half way")),
        "outputs.get": answer(outputs::get("first", 0)),
        "events.emit": answer(events::emit("half-way", "{}")),
    })
}

fn answer<T>(result: Result<T, HostError>) -> Value {
    match result {
        Ok(_) => json!("ok"),
        Err(HostError::Unsupported(what)) => json!({"unsupported": what}),
        Err(HostError::LimitExceeded(what)) => json!({"limit-exceeded": what}),
        Err(HostError::Unavailable(what)) => json!({"unavailable": what}),
    }
}
