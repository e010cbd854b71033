//! What the operator lets no job go beyond, whatever it asks for.

use super::call_limits::CallLimits;
use super::job::{MAX_PARALLEL_MAX, MEMORY_BYTES_MAX, Policy, TIMEOUT_MAX};
use super::lanes::LaneCaps;
use std::time::Duration;

/// The ceilings of one host. Their defaults are what no host goes beyond, except for lanes, of which a job or a workspace
/// whose tasks take hours leaves some to others unless the operator says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// How long one call may take.
    pub timeout: Duration,
    /// How much memory one call may use, in bytes.
    pub memory_bytes: u64,
    /// What a job's keys and their values may take together, in bytes.
    pub key_bytes: u64,
    /// Everything else that one call may use.
    pub call: CallLimits,
    /// How many lanes of the host one job, and one workspace, may have.
    pub lanes: LaneCaps,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT_MAX,
            memory_bytes: MEMORY_BYTES_MAX,
            key_bytes: 16 << 30,
            call: CallLimits {
                cpu_max: TIMEOUT_MAX,
                // What one call between plugin and host carries across is bounded by 16 MiB.
                output_bytes_max: 8 << 20,
                log_bytes_max: 16 << 20,
                checkpoint_bytes_max: 8 << 20,
                handles_max: 10_000,
                random_bytes_max: 8 << 20,
                http_body_bytes_max: 1 << 30,
            },
            lanes: LaneCaps { job: MAX_PARALLEL_MAX / 2, workspace: MAX_PARALLEL_MAX / 4 * 3 },
        }
    }
}

impl Ceilings {
    /// The policy as far as this host goes along with it. What a job was allowed when it was created may have become too
    /// much since, and hosts may differ.
    #[must_use]
    pub fn over(&self, policy: Policy) -> Policy {
        let (call, limits) = (&self.call, policy.limits);
        Policy {
            timeout: policy.timeout.min(self.timeout),
            memory_bytes_max: policy.memory_bytes_max.min(self.memory_bytes),
            key_bytes_max: policy.key_bytes_max.min(self.key_bytes),
            limits: CallLimits {
                cpu_max: limits.cpu_max.min(call.cpu_max),
                output_bytes_max: limits.output_bytes_max.min(call.output_bytes_max),
                log_bytes_max: limits.log_bytes_max.min(call.log_bytes_max),
                checkpoint_bytes_max: limits.checkpoint_bytes_max.min(call.checkpoint_bytes_max),
                handles_max: limits.handles_max.min(call.handles_max),
                random_bytes_max: limits.random_bytes_max.min(call.random_bytes_max),
                http_body_bytes_max: limits.http_body_bytes_max.min(call.http_body_bytes_max),
            },
            ..policy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_goes_as_far_as_the_lower_of_both() {
        let one = Duration::from_secs(1);
        let low = CallLimits {
            cpu_max: one,
            output_bytes_max: 1,
            log_bytes_max: 1,
            checkpoint_bytes_max: 1,
            handles_max: 1,
            random_bytes_max: 1,
            http_body_bytes_max: 1,
        };
        let lowest = Policy { timeout: one, memory_bytes_max: 1, key_bytes_max: 1, limits: low, ..Policy::default() };
        assert_eq!(Ceilings::default().over(lowest), lowest);
        let ceilings = Ceilings { timeout: one, memory_bytes: 1, key_bytes: 1, call: low, ..Ceilings::default() };
        assert_eq!(ceilings.over(Policy::default()), lowest);
        assert_eq!(Ceilings::default().over(Policy::default()), Policy::default());
    }
}
