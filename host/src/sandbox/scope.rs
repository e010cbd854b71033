//! What the calls of one interval share.

use super::bindings::types as wit;
use super::context::{IdTexts, JobInput};
use super::http::StandIn;
use super::keys::KeyReader;
use super::limits::Limits;
use super::reach::Reach;
use super::veil::Veil;
use crate::domain::grants::SecretShown;
use crate::domain::timestamp::Timestamp;
use crate::domain::turns::Party;
use std::sync::Arc;

/// How far the calls of one interval may go, and what they may reach. Made once for all of them.
pub struct Scope {
    /// What they are told of the interval.
    pub job: JobInput,
    /// Their limits.
    pub limits: Limits,
    /// For whom they compute.
    pub party: Arc<Party>,
    /// What they may reach beside the host's own functions.
    pub reach: Reach,
    pub(super) keys: Arc<dyn KeyReader>,
    pub(super) stand_ins: Vec<StandIn>,
    pub(super) veil: Veil,
    pub(super) ids: IdTexts,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Scope {
    /// One with the job's keys; `now` reads the time for what calls log and emit.
    pub fn new(
        job: JobInput,
        limits: Limits,
        party: Arc<Party>,
        reach: Reach,
        keys: Arc<dyn KeyReader>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (stand_ins, veil) = (StandIn::for_hidden(&reach.secrets), Veil::over(&reach.secrets));
        let ids = job.id_texts();
        Arc::new(Self { job, limits, party, reach, keys, stand_ins, veil, ids, now: Box::new(now) })
    }

    pub(super) fn job_context(&self) -> wit::JobContext<'_> {
        self.job.context(&self.ids)
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The environment variables of a call, with their values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let config = self.reach.config.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let shown = self.reach.secrets.iter().filter(|secret| secret.shown_as == SecretShown::Value);
        let shown = shown.map(|secret| (secret.env.as_str(), secret.value.as_str()));
        let stand_ins = self.stand_ins.iter().map(|other| (other.env.as_str(), other.placeholder.as_str()));
        config.chain(shown).chain(stand_ins)
    }
}
