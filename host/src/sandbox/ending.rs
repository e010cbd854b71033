//! What an error that ended a call says: which limit it met, or that it is a trap.

use super::limits::HOSTCALL_BYTES_MAX;
use super::pace::CpuUsedUp;
use crate::domain::call_limits::CallLimits;
use crate::domain::task::FailureKind;
use wasmtime::component::ResourceTableError;

/// The kind and the message of a call that ended with an error.
pub(super) fn failure(error: &wasmtime::Error, limits: &CallLimits) -> (FailureKind, String) {
    let cause = error.root_cause().to_string();
    match limit(error, &cause, limits) {
        Some(message) => (FailureKind::LimitExceeded, message),
        None => (FailureKind::Trap, cause),
    }
}

fn limit(error: &wasmtime::Error, cause: &str, limits: &CallLimits) -> Option<String> {
    if let Some(used_up) = error.downcast_ref::<CpuUsedUp>() {
        return Some(used_up.to_string());
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Some(format!("a call holds at most {} handles (handle_limit)", limits.handles_max));
    }
    // Wasmtime keeps the types of these two to itself; their text is all there is to tell them by.
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return Some(format!("one call between plugin and host carries at most {HOSTCALL_BYTES_MAX} bytes"));
    }
    let (asked, _) = cause.strip_prefix("requested len ")?.split_once(" exceeds limit ")?;
    let max = limits.random_bytes_max;
    Some(format!("a call gets at most {max} random bytes at a time, not {asked} (random_limit_bytes)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_from_a_trap_also_within_what_led_to_it() {
        let limits = CallLimits::default();
        let full = wasmtime::Error::from(ResourceTableError::Full).context("in a call of the host");
        assert_eq!(
            failure(&full, &limits),
            (FailureKind::LimitExceeded, "a call holds at most 512 handles (handle_limit)".to_owned())
        );
        let gone = wasmtime::Error::from(ResourceTableError::NotPresent);
        assert_eq!(failure(&gone, &limits).0, FailureKind::Trap);
        let random = wasmtime::Error::msg("requested len 2097152 exceeds limit 1048576");
        let message = "a call gets at most 1048576 random bytes at a time, not 2097152 (random_limit_bytes)";
        assert_eq!(failure(&random, &limits).1, message);
        let trap = wasmtime::Error::from(wasmtime::Trap::UnreachableCodeReached).context("a backtrace");
        assert_eq!(
            failure(&trap, &limits),
            (FailureKind::Trap, "wasm trap: wasm `unreachable` instruction executed".to_owned())
        );
    }
}
