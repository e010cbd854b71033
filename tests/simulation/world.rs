//! What the hosts of one run share beside the rows, and what happens to them.

use crate::clock::Timeline;
use crate::database::Database;
use crate::dice::Dice;
use crate::oracle::Oracle;
use crate::tally::Tally;
use crate::weather::{Fault, Weather};
use latchwork::domain::timestamp::Timestamp;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The instant at which every run begins: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// More calls of the store than this in one step are an engine that spins.
const CALLS_IN_STEP_MAX: u64 = 20_000;

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) database: Database,
    dice: Mutex<Dice>,
    weather: Mutex<Weather>,
    oracle: Mutex<Oracle>,
    trace: Mutex<Vec<String>>,
    tally: Mutex<Tally>,
    parked: Mutex<Vec<Parked>>,
    doomed: Mutex<BTreeSet<usize>>,
    is_calm: AtomicBool,
    activity: AtomicU64,
    calls_in_step: AtomicU64,
}

/// A call of the store that waits to be let go.
struct Parked {
    host: usize,
    verb: &'static str,
    let_go: oneshot::Sender<()>,
}

impl World {
    pub(crate) fn new(seed: u64, threads: &Handle) -> Self {
        let mut dice = Dice::of(&[seed]);
        let database = Database::new(threads);
        let oracle = Oracle::new(database.connect(), threads.clone());
        let timeline = Arc::new(Timeline::at(START));
        let weather = Weather::drawn(&mut dice);
        let world = Self {
            seed,
            timeline,
            database,
            dice: Mutex::new(dice),
            weather: Mutex::new(weather),
            oracle: Mutex::new(oracle),
            trace: Mutex::default(),
            tally: Mutex::default(),
            parked: Mutex::default(),
            doomed: Mutex::default(),
            is_calm: AtomicBool::new(false),
            activity: AtomicU64::new(0),
            calls_in_step: AtomicU64::new(0),
        };
        world.note(&format!("the weather is {weather:?}"));
        world
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap()
    }

    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap()
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&self, line: &str) {
        self.trace.lock().unwrap().push(line.to_owned());
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut *self.trace.lock().unwrap())
    }

    pub(crate) fn count(&self, kind: &'static str, what: &str) {
        self.tally.lock().unwrap().count(kind, what);
    }

    pub(crate) fn take_tally(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap())
    }

    pub(crate) fn begin_step(&self) {
        self.calls_in_step.store(0, Ordering::Relaxed);
    }

    /// Grows with everything that a host does.
    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    pub(crate) fn note_activity(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on every call of the store works, and calls of plugins take no time.
    pub(crate) fn calm_down(&self) {
        *self.weather.lock().unwrap() = Weather::CALM;
        self.is_calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// Draws what happens to a host's call of the store.
    pub(crate) fn fault(&self, host: usize, verb: &'static str) -> Option<Fault> {
        self.note_activity();
        if self.calls_in_step.fetch_add(1, Ordering::Relaxed) > CALLS_IN_STEP_MAX {
            self.oracle().blame("the engine does not spin", format!("host {host} calls {verb} without end"));
            self.doom(host);
        }
        let fault = self.weather.lock().unwrap().fault(verb, &mut self.dice());
        self.count("store", verb);
        match fault {
            Some(fault) => {
                self.count("faults", fault.name());
                self.note(&format!("host {host}: {verb}, {}", fault.name()));
            }
            None => self.note(&format!("host {host}: {verb}")),
        }
        fault
    }

    /// Returns when the driver lets the call go.
    pub(crate) async fn park(&self, host: usize, verb: &'static str) {
        let (let_go, released) = oneshot::channel();
        self.parked.lock().unwrap().push(Parked { host, verb, let_go });
        // The sender is kept until it is used or the host is dead.
        let _ = released.await;
        self.note_activity();
    }

    pub(crate) fn parked(&self) -> usize {
        self.parked.lock().unwrap().len()
    }

    /// Lets the parked call at a place go.
    pub(crate) fn let_go(&self, place: usize) {
        let Parked { host, verb, let_go } = self.parked.lock().unwrap().remove(place);
        self.note(&format!("host {host}: {verb} goes on"));
        // Whoever gave up the call does not listen.
        let _ = let_go.send(());
    }

    /// The process of a host ends here: nothing that it does counts any more.
    pub(crate) async fn die<T>(&self, host: usize) -> T {
        self.doom(host);
        std::future::pending().await
    }

    fn doom(&self, host: usize) {
        self.doomed.lock().unwrap().insert(host);
    }

    pub(crate) fn is_doomed(&self, host: usize) -> bool {
        self.doomed.lock().unwrap().contains(&host)
    }

    /// Forgets what a dead host waited for.
    pub(crate) fn bury(&self, host: usize) {
        self.doomed.lock().unwrap().remove(&host);
        self.parked.lock().unwrap().retain(|parked| parked.host != host);
    }
}
