//! Watches whether the database can be used, so that nobody waits for one that is away.
//!
//! A call that failed, or got no answer, raises a suspicion. Then one task asks for the server, by connections of its own:
//! where none takes writes the database is *away*, calls under way are let go and further ones are refused at once, until
//! that task has found it again. So an outage costs one connection attempt at a time, however many wait for its end.

use super::fault::{Fault, fault, reason};
use super::patience::Patience;
use super::servers::{Server, Servers};
use super::{Pool, PostgresStore};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::presence::{Absence, AbsenceKind, Notice, Presence, Sighting};
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, StoreError};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// How long what was last seen counts as what is so.
const SEEN_LATELY: Duration = Duration::from_secs(3);

/// How long somebody who asks how the database is may wait for a look at it.
const LOOK_FOR: Duration = Duration::from_secs(1);

/// The first and the longest of the waits between two looks for a server that is away.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(50);
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(1);

/// How often it is told that connections were lost, where the server answers nevertheless.
const TELL_LOSS_EVERY: Duration = Duration::from_secs(30);

/// What is known of the database, by one host.
pub(super) struct Watch {
    servers: Servers,
    /// Which of them is used.
    server: AtomicUsize,
    pools: OnceLock<[Pool; 2]>,
    presence: Mutex<Presence>,
    /// Whether no server can be reached: calls under way wait for it to become true.
    is_cut: watch::Sender<bool>,
    is_looking: AtomicBool,
    /// When the database was last known to be there, in milliseconds since 1970 and of uptime.
    seen_at: AtomicI64,
    seen_uptime: AtomicU64,
    /// The uptime at which connections were last doubted: older ones are not used again.
    doubted_uptime: AtomicU64,
    loss_told_uptime: AtomicU64,
    patience: Patience,
}

impl Watch {
    /// Watches servers of which the one with this number was reached just now.
    pub(super) fn new(servers: Servers, server: usize) -> Self {
        let watch = Self {
            servers,
            server: AtomicUsize::new(server),
            pools: OnceLock::new(),
            presence: Mutex::new(Presence::Here { after: None }),
            is_cut: watch::Sender::new(false),
            is_looking: AtomicBool::new(false),
            seen_at: AtomicI64::new(0),
            seen_uptime: AtomicU64::new(0),
            doubted_uptime: AtomicU64::new(0),
            loss_told_uptime: AtomicU64::new(0),
            patience: Patience::default(),
        };
        watch.note_seen();
        watch
    }

    /// Names the pools that are to follow the database to another server; the first is the one for work.
    pub(super) fn follow(&self, pools: [Pool; 2]) {
        // They are named once for each watch.
        let _ = self.pools.set(pools);
    }

    /// Whether a connection may be used that is so old: one that was made before anything was amiss may lead to a server
    /// that is gone, or that takes no writes any more.
    pub(super) fn trusts(&self, age: Duration) -> bool {
        let made = uptime_ms().saturating_sub(ms(age));
        made >= self.doubted_uptime.load(Ordering::Relaxed)
    }

    /// Carries out a call, unless the database is away; lets go of it when that turns out, or when no answer has come for
    /// longer than the verb ever takes.
    pub(super) async fn during<T>(
        self: &Arc<Self>,
        verb: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut is_cut = self.is_cut.subscribe();
        if *is_cut.borrow_and_update() {
            return Err(self.absence());
        }
        // Dropped at the end: by then its connection is in doubt, and does not go back to the pool.
        let mut call = pin!(call);
        let patience = self.patience.of(verb);
        tokio::select! {
            biased;
            answer = &mut call => self.judge(verb, answer),
            _ = is_cut.wait_for(|is_cut| *is_cut) => Err(self.absence()),
            () = SystemClock.sleep_for(patience) => {
                self.patience.lost(verb);
                self.doubt();
                let reason = format!("no answer within {patience:?} ({verb})");
                self.suspect(&reason);
                Err(StoreError::Away(reason))
            }
        }
    }

    fn judge<T>(self: &Arc<Self>, verb: &'static str, answer: Result<T>) -> Result<T> {
        let error = match answer {
            Ok(value) => {
                self.patience.kept(verb);
                self.note_seen();
                return Ok(value);
            }
            Err(StoreError::Database(error)) => error,
            Err(error) => return Err(error),
        };
        let reason = reason(&error);
        match fault(&error) {
            Fault::Fatal | Fault::Conflict => return Err(StoreError::Database(error)),
            Fault::Refusing => self.see(Sighting::Refused(reason.clone())),
            Fault::Away | Fault::Full => {
                // Who found none free has no reason to doubt those that others use.
                if !matches!(error, sqlx::Error::PoolTimedOut) {
                    self.doubt();
                }
                self.suspect(&reason);
            }
        }
        Err(StoreError::Away(reason))
    }

    /// Notes that a write was carried out.
    pub(super) fn note_write(&self) {
        if matches!(&*self.presence(), Presence::Away(_)) {
            self.see(Sighting::Wrote);
        }
    }

    /// How the database is, seen lately.
    pub(super) async fn look(self: &Arc<Self>) -> Presence {
        let is_old = uptime_ms().saturating_sub(self.seen_uptime.load(Ordering::Relaxed)) > ms(SEEN_LATELY);
        if is_old && matches!(&*self.presence(), Presence::Here { .. }) {
            if self.serves().await {
                self.note_seen();
            } else {
                // Whether it is away is found out meanwhile; whoever asks is told what is known.
                let reason = format!("no answer within {LOOK_FOR:?}");
                self.suspect(&reason);
                let seen_at = Timestamp::from_ms(self.seen_at.load(Ordering::Relaxed));
                let here = Presence::Here { after: None };
                return here.next(Sighting::Missed(reason), seen_at, SystemClock.now()).0;
            }
        }
        self.presence().clone()
    }

    /// Whether the pool's connections are served, without a long wait.
    async fn serves(&self) -> bool {
        let Some([pool, _]) = self.pools.get() else { return false };
        tokio::select! {
            biased;
            asked = sqlx::query("select 1").execute(pool) => asked.is_ok(),
            () = SystemClock.sleep_for(LOOK_FOR) => false,
        }
    }

    /// Notes that a server was reached that takes writes.
    fn arrive(&self, server: &Server<'_>, suspicion: &str) {
        let Server { number, options } = server;
        if self.server.swap(*number, Ordering::Relaxed) != *number {
            for pool in self.pools.get().into_iter().flatten() {
                pool.set_connect_options((*options).clone());
            }
            self.doubt();
        }
        if matches!(&*self.presence(), Presence::Here { .. }) {
            self.tell_loss(suspicion);
        }
        self.see(Sighting::Reached);
        self.note_seen();
    }

    /// Has one task ask for the server until that is found.
    fn suspect(self: &Arc<Self>, reason: &str) {
        if !self.is_looking.swap(true, Ordering::AcqRel) {
            tokio::spawn(look_for_it(Arc::downgrade(self), reason.to_owned()));
        }
    }

    fn doubt(&self) {
        self.doubted_uptime.store(uptime_ms(), Ordering::Relaxed);
    }

    fn note_seen(&self) {
        self.seen_at.store(SystemClock.now().ms(), Ordering::Relaxed);
        self.seen_uptime.store(uptime_ms(), Ordering::Relaxed);
    }

    fn absence(&self) -> StoreError {
        match &*self.presence() {
            Presence::Away(absence) => StoreError::Away(absence.reason.clone()),
            // It has just come back: whoever asks again is served.
            Presence::Here { .. } => StoreError::Away("it was away until now".to_owned()),
        }
    }

    /// Takes in what was seen, and tells people.
    fn see(&self, sighting: Sighting) {
        let (seen_at, now) = (Timestamp::from_ms(self.seen_at.load(Ordering::Relaxed)), SystemClock.now());
        let mut presence = self.presence();
        let before = std::mem::replace(&mut *presence, Presence::Here { after: None });
        let (after, notice) = before.next(sighting, seen_at, now);
        *presence = after;
        let is_cut = matches!(&*presence, Presence::Away(Absence { kind: AbsenceKind::Unreachable, .. }));
        if is_cut != *self.is_cut.borrow() {
            self.doubt();
            self.is_cut.send_replace(is_cut);
        }
        if let Some(notice) = notice {
            tell(&notice, &presence);
        }
    }

    /// Tells that connections were lost of a server that answers.
    fn tell_loss(&self, reason: &str) {
        let (now, told) = (uptime_ms(), self.loss_told_uptime.load(Ordering::Relaxed));
        if told == 0 || now.saturating_sub(told) > ms(TELL_LOSS_EVERY) {
            self.loss_told_uptime.store(now.max(1), Ordering::Relaxed);
            warn!("A call to the database failed, which answers others: {reason}");
        }
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for the server until it is found. A call that was answered meanwhile says that it is there, too: it may have no room
/// for another connection and serve those that it has.
async fn look_for_it(watch: Weak<Watch>, suspicion: String) {
    let waits =
        ExponentialBuilder::default().with_min_delay(LOOK_AGAIN_MIN).with_max_delay(LOOK_AGAIN_MAX).with_jitter();
    let mut waits = waits.without_max_times().build();
    while let Some(watch) = watch.upgrade() {
        let asked = uptime_ms();
        match watch.servers.reach().await {
            Ok(server) => {
                watch.is_looking.store(false, Ordering::Release);
                watch.arrive(&server, &suspicion);
                return;
            }
            Err(unreached) => {
                if unreached.fault == Fault::Full && watch.serves().await {
                    watch.see(Sighting::Reached);
                    watch.note_seen();
                } else if watch.seen_uptime.load(Ordering::Relaxed) < asked {
                    watch.see(Sighting::Missed(unreached.reason));
                }
            }
        }
        drop(watch);
        SystemClock.sleep_for(waits.next().unwrap_or(LOOK_AGAIN_MAX)).await;
    }
}

fn tell(notice: &Notice, presence: &Presence) {
    let reason = match presence {
        Presence::Away(absence) => absence.reason.as_str(),
        Presence::Here { .. } => "",
    };
    match notice {
        Notice::Gone => {
            error!("The database cannot be used: {reason}. What has run is kept and recorded when it is back");
        }
        Notice::StillAway(span) => {
            warn!("The database has not been usable for {} s: {reason}", span.as_secs());
        }
        Notice::Back(span) => info!("The database is back after {:.1} s", span.as_secs_f64()),
    }
}

fn uptime_ms() -> u64 {
    ms(SystemClock.uptime())
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl PostgresStore {
    /// Carries out a verb under the watch.
    pub(super) async fn watched<T>(&self, verb: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.watch.during(verb, call).await
    }

    /// How the database is.
    pub(super) async fn seen(&self) -> Result<Presence> {
        Ok(self.watch.look().await)
    }
}
