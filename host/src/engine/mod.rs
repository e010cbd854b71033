//! What makes intervals happen: scheduler -> executor -> recorder, and recovery when a host has died.
//!
//! Each part is a bounded `tick` plus a wait for a nudge or the next due time. Knows the store, the sandbox and the
//! clock; never HTTP. It meets the API only in rows.

mod active;
mod attempt_side;
mod backfill;
mod checkpoints;
mod commit;
mod component;
mod ended;
mod executor;
mod fallback;
mod heartbeat;
mod host;
mod intake;
mod job_keys;
mod keeper;
mod lane;
mod loader;
mod plan_recorder;
mod planner;
mod publisher;
mod recorder;
mod recovery;
mod scheduler;
mod secrets;
mod tick;
mod trust;
mod turnstile;
mod waits;

pub use backfill::Backfiller;
pub use ended::EndedIntervals;
pub use executor::Executor;
pub use heartbeat::Heartbeat;
pub use host::{Engine, EngineParts};
pub use keeper::Keeper;
pub use publisher::Publisher;
pub use recorder::Recorder;
pub use recovery::Recovery;
pub use scheduler::Scheduler;
pub use tick::Tick;
pub use trust::SharedTrust;
