//! Which limit an error is about that ended a call.

use super::call::OutputTooLarge;
use super::limits::HOSTCALL_BYTES_MAX;
use super::pace::CpuUsedUp;
use crate::domain::call_limits::CallLimits;
use wasmtime::component::ResourceTableError;

/// What the limit says that an error is about; none where it is about something else.
pub(super) fn limit(error: &wasmtime::Error, limits: &CallLimits) -> Option<String> {
    if let Some(used_up) = error.downcast_ref::<CpuUsedUp>() {
        return Some(used_up.to_string());
    }
    if let Some(too_large) = error.downcast_ref::<OutputTooLarge>() {
        return Some(too_large.to_string());
    }
    // Wasmtime keeps the types of these to itself; their text is all there is to tell them by.
    let cause = error.root_cause().to_string();
    let is_full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if is_full || cause.contains("store handle limit exceeded") {
        return Some(format!("a call holds at most {} handles (handle_limit)", limits.handles_max));
    }
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
        let handles = "a call holds at most 512 handles (handle_limit)";
        let full = wasmtime::Error::from(ResourceTableError::Full).context("in a call of the host");
        assert_eq!(limit(&full, &limits).as_deref(), Some(handles));
        let own = wasmtime::Error::msg("cannot allocate another handle: store handle limit exceeded");
        assert_eq!(limit(&own, &limits).as_deref(), Some(handles));
        let random = wasmtime::Error::msg("requested len 2097152 exceeds limit 1048576");
        let message = "a call gets at most 1048576 random bytes at a time, not 2097152 (random_limit_bytes)";
        assert_eq!(limit(&random, &limits).as_deref(), Some(message));
        let trap = wasmtime::Error::from(wasmtime::Trap::UnreachableCodeReached).context("a backtrace");
        for other in [trap, wasmtime::Error::from(ResourceTableError::NotPresent)] {
            assert_eq!(limit(&other, &limits), None);
        }
    }
}
