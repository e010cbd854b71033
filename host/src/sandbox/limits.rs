//! What a call may use.

use crate::domain::call_limits::CallLimits;
use std::time::Duration;

/// What a log line costs beside its text: an empty one is not free.
pub(super) const LINE_BYTES: usize = 64;

/// What the host's own lines take of a task's log, beside what the job keeps of the guest's: 64 KiB.
pub(super) const HOST_LINES_BYTES_MAX: usize = 64 << 10;

/// The longest error message that is kept: 4 KiB.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The longest key.
pub const KEY_BYTES_MAX: usize = 1_024;

/// The longest value of a key: 1 MiB.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// What one call may write to keys, all together: 32 MiB.
pub(super) const KEY_WRITES_BYTES_MAX: usize = 32 << 20;

/// What a write costs beside its key and value: a removed key is not free.
pub(super) const KEY_WRITE_BYTES: usize = 128;

/// How many events one call may emit.
pub const EVENTS_MAX: usize = 1_000;

/// What the events of one call may have together, names and bodies: 1 MiB.
pub const EVENTS_BYTES_MAX: usize = 1 << 20;

/// The longest name of an event.
pub const EVENT_NAME_BYTES_MAX: usize = 128;

/// The longest body of an event: 64 KiB.
pub const EVENT_BODY_BYTES_MAX: usize = 64 << 10;

/// The longest page of `keys.list`.
pub(super) const KEYS_PAGE_MAX: u32 = 10_000;

/// What one call from the guest into the host may carry across, in bytes.
pub(super) const HOSTCALL_BYTES_MAX: usize = 16 << 20;

/// The most elements of a table.
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// What the job's author decides. There is no default: every call has its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the call may take, its host calls included.
    pub timeout: Duration,
    /// How much memory it may use, the sum over its memories and tables, in bytes.
    pub memory_bytes_max: u64,
    /// What the job's keys and their values may take together, in bytes.
    pub key_bytes_max: u64,
    /// How far it may go in everything else.
    pub call: CallLimits,
}
