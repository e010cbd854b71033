//! What a host does, what it offers to jobs, and how it stands.

use super::labels::Labels;
use super::timestamp::Timestamp;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A part of the work that a host takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Serves the API.
    Api,
    /// Fires jobs, takes backfills forward and removes what is beyond retention.
    Scheduler,
    /// Plans intervals and runs their tasks.
    Worker,
}

/// What a host takes on: one role at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

/// A text that names no roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no role: write one or more of api, scheduler and worker, separated by commas")]
pub struct NoRole(String);

impl Role {
    const ALL: [Self; 3] = [Self::Api, Self::Scheduler, Self::Worker];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
        }
    }
}

impl Roles {
    /// Whether a role is among them.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether no role is missing.
    pub fn are_all(&self) -> bool {
        self.0.len() == Role::ALL.len()
    }

    /// Whether whoever has them decides about intervals, and so about those that a dead host left.
    pub fn recover(&self) -> bool {
        self.has(Role::Scheduler) || self.has(Role::Worker)
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(Role::ALL.into())
    }
}

impl FromStr for Roles {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let role = |name: &str| {
            let known = Role::ALL.into_iter().find(|role| role.name() == name.trim());
            known.ok_or_else(|| NoRole(name.trim().to_owned()))
        };
        text.split(',').map(role).collect::<Result<_, _>>().map(Self)
    }
}

impl Display for Roles {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|role| role.name()).collect();
        out.write_str(&names.join(","))
    }
}

/// What a host says of itself when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostProfile {
    /// The version of its binary.
    pub version: String,
    /// What it takes on.
    pub roles: Roles,
    /// What it offers to jobs.
    pub labels: Labels,
    /// Where its API listens.
    pub address: String,
}

/// How an incarnation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// Its lease holds.
    Alive,
    /// It was asked to finish and leave, and has not left yet.
    Draining,
    /// Its lease has run out, and nobody has taken over anything of it.
    Expired,
    /// It has stopped, was started anew, or was taken over.
    Ended,
}

impl HostState {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

/// The instants in an incarnation's row that say how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When its lease runs out.
    pub expires_at: Timestamp,
    /// When it was asked to drain.
    pub drain_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Standing {
    /// The state at an instant.
    pub fn state(self, now: Timestamp) -> HostState {
        match self {
            Self { ended_at: Some(_), .. } => HostState::Ended,
            Self { expires_at, .. } if expires_at < now => HostState::Expired,
            Self { drain_at: Some(_), .. } => HostState::Draining,
            _ => HostState::Alive,
        }
    }
}

/// Why nothing of an interval can run just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWorker {
    /// Nobody runs tasks at all.
    #[error("no living host has the role worker")]
    None,
    /// Those who do lack a label.
    #[error("none of {workers} living workers has the labels {requires}: start one with --labels {requires}")]
    Unfit {
        /// How many there are.
        workers: usize,
        /// What is asked for.
        requires: Labels,
    },
}

/// Whether a living host may run what asks for these labels.
pub fn find_worker(requires: &Labels, living: &[HostProfile]) -> Result<(), NoWorker> {
    let workers = living.iter().filter(|host| host.roles.has(Role::Worker));
    match workers.clone().count() {
        0 => Err(NoWorker::None),
        _ if workers.clone().any(|host| host.labels.meet(requires)) => Ok(()),
        workers => Err(NoWorker::Unfit { workers, requires: requires.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn roles_are_read_in_any_order_and_written_in_one() {
        let roles: Roles = "worker, api".parse().unwrap();
        assert_eq!(roles.to_string(), "api,worker");
        assert!(roles.has(Role::Worker) && !roles.has(Role::Scheduler) && !roles.are_all());
        assert_eq!("api,scheduler,worker".parse(), Ok(Roles::default()));
    }

    #[test]
    fn a_text_without_a_role_names_what_is_none() {
        for (text, named) in [("", ""), ("api,", ""), ("api,leader", "leader"), ("API", "API")] {
            assert_eq!(text.parse::<Roles>(), Err(NoRole(named.to_owned())), "{text}");
        }
    }

    #[test]
    fn who_schedules_or_works_recovers_and_who_only_answers_does_not() {
        for (roles, recover) in [("api", false), ("scheduler", true), ("worker", true), ("api,worker", true)] {
            assert_eq!(roles.parse::<Roles>().unwrap().recover(), recover, "{roles}");
        }
    }

    #[test]
    fn a_host_stands_by_its_end_then_by_its_lease_then_by_what_it_was_asked() {
        let at = |seconds| Timestamp::from_ms(0) + Duration::from_secs(seconds);
        let standing = |drain_at, ended_at| Standing { expires_at: at(4), drain_at, ended_at };
        assert_eq!(standing(None, None).state(at(4)), HostState::Alive);
        assert_eq!(standing(Some(at(1)), None).state(at(4)), HostState::Draining);
        assert_eq!(standing(Some(at(1)), None).state(at(5)), HostState::Expired);
        assert_eq!(standing(Some(at(1)), Some(at(2))).state(at(5)), HostState::Ended);
    }

    #[test]
    fn a_worker_is_found_by_its_labels_and_what_is_missing_is_told() {
        let host = |roles: &str, labels: &str| HostProfile {
            roles: roles.parse().unwrap(),
            labels: labels.parse().unwrap(),
            ..HostProfile::default()
        };
        let gpu: Labels = "gpu=yes".parse().unwrap();
        let (api, plain, fit) = (host("api", "gpu=yes"), host("worker", "zone=a"), host("worker", "zone=b,gpu=yes"));
        assert_eq!(find_worker(&gpu, std::slice::from_ref(&api)), Err(NoWorker::None));
        let unfit = find_worker(&gpu, &[api, plain.clone()]).unwrap_err().to_string();
        assert_eq!(unfit, "none of 1 living workers has the labels gpu=yes: start one with --labels gpu=yes");
        assert_eq!(find_worker(&gpu, &[plain.clone(), fit]), Ok(()));
        assert_eq!(find_worker(&Labels::default(), &[plain]), Ok(()));
    }
}
