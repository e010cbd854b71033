//! A plugin whose calls go as their fate says, in the place of the sandbox.

use crate::fate::{self, Ending, Fate, TaskCall};
use crate::oracle::{Begun, CallEnd, CallStart};
use crate::world::World;
use async_trait::async_trait;
use latchwork::clock::Clock;
use latchwork::domain::digest::Digest;
use latchwork::domain::task::{Event, Failure, FailureKind, KeyWrites, LogLevel, LogLine, Outcome, TaskOutput};
use latchwork::sandbox::{
    CallReport, Callable, Denied, JobInput, PlanOutput, PluginSource, Refusal, Scope, Surroundings, TaskInput, TaskSide,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The plugins of one host.
pub(crate) struct Plugins {
    caller: Caller,
    loaded: Mutex<Vec<(Digest, Arc<dyn Callable>)>>,
}

/// Who calls.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) host: usize,
    pub(crate) incarnation: String,
    pub(crate) clock: Arc<dyn Clock>,
}

struct Scripted {
    caller: Caller,
    digest: Digest,
}

impl Plugins {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, loaded: Mutex::default() }
    }
}

#[async_trait]
impl PluginSource for Plugins {
    fn loaded(&self, digest: &Digest) -> Option<Arc<dyn Callable>> {
        let loaded = self.loaded.lock().unwrap();
        loaded.iter().find(|(known, _)| known == digest).map(|(_, plugin)| Arc::clone(plugin))
    }

    async fn load(&self, bytes: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        let digest = Digest::of(&bytes);
        let plugin: Arc<dyn Callable> = Arc::new(Scripted { caller: self.caller.clone(), digest });
        self.loaded.lock().unwrap().push((digest, Arc::clone(&plugin)));
        Ok(plugin)
    }
}

/// A call that has begun; dropped before its end it counts as broken off.
struct InFlight {
    world: Arc<World>,
    begun: Begun,
    is_over: bool,
}

impl InFlight {
    fn ends(mut self, end: CallEnd) {
        self.is_over = true;
        self.world.count("calls", end.name());
        self.world.note(&format!("call {} {}", self.begun.call, end.name()));
        self.world.note_activity();
        self.world.oracle().call_ends(self.begun.call, end);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.is_over {
            let end = if std::thread::panicking() { CallEnd::Failed("host") } else { CallEnd::BrokenOff };
            self.world.count("calls", end.name());
            self.world.oracle().call_ends(self.begun.call, end);
        }
    }
}

impl Scripted {
    fn begin(&self, job: &JobInput, task: Option<&TaskInput<'_>>) -> InFlight {
        let Caller { world, host, incarnation, clock } = &self.caller;
        world.note_activity();
        let start = CallStart {
            host: *host,
            incarnation: incarnation.clone(),
            interval: job.interval.to_string(),
            digest: self.digest.to_string(),
            index: task.map(|task| task.index.0),
            attempt: task.map_or(0, |task| task.attempt),
            checkpoint: task.and_then(|task| task.checkpoint.clone()),
            fencing_token: task.map_or(0, |task| task.fencing_token),
            now_ms: clock.now().ms(),
            has_gone_back: world.timeline.set_back_by() > Duration::ZERO,
        };
        let begun = world.oracle().call_begins(&start);
        let what = task.map_or("its plan".to_owned(), |task| format!("task {} attempt {}", task.index, task.attempt));
        world.note(&format!("host {host}: call {} of interval {}, {what}", begun.call, begun.interval));
        InFlight { world: Arc::clone(world), begun, is_over: false }
    }

    /// Lives through a call's fate up to its end.
    async fn live(&self, fate: Fate, timeout: Duration) -> Result<(), Failure> {
        let Caller { world, host, clock, .. } = &self.caller;
        let failed = |kind: FailureKind| Failure { kind, message: format!("it was {}", kind.name()) };
        if fate.takes >= timeout || fate.ending == Ending::Hangs {
            clock.sleep_for(timeout).await;
            return Err(failed(FailureKind::Timeout));
        }
        if fate.takes > Duration::ZERO && !world.is_calm() {
            clock.sleep_for(fate.takes).await;
        }
        if world.is_doomed(*host) {
            return std::future::pending().await;
        }
        match fate.ending {
            Ending::Succeeds | Ending::Hangs => Ok(()),
            Ending::Fails(kind) => Err(failed(kind)),
            Ending::Panics => panic!("{SCRIPTED}"),
            Ending::KillsHost => world.die(*host).await,
        }
    }

    /// The same for a task, which asks things of the host on the way.
    async fn live_with(
        &self,
        scope: &Scope,
        side: &dyn TaskSide,
        task: &TaskInput<'_>,
        (interval, call): (usize, usize),
        fate: Fate,
    ) -> Result<(), Failure> {
        let saves = |what: &str| format!("call {call}, {what}");
        if fate.asks.saves_first {
            self.save(side, (interval, task.index.0), saves("at its beginning")).await;
        }
        if let Some(number) = fate.asks.reads {
            self.read(scope, side, (task, interval), number).await;
        }
        let lived = self.live(fate, scope.limits.timeout).await;
        if fate.asks.saves_last {
            self.save(side, (interval, task.index.0), saves("at its end")).await;
        }
        lived
    }

    async fn save(&self, side: &dyn TaskSide, task: (usize, u32), checkpoint: String) {
        let world = &self.caller.world;
        world.oracle().checkpoint_may_be_kept(task, &checkpoint);
        if side.save_checkpoint(checkpoint.clone().into_bytes()).await.is_ok() {
            world.oracle().checkpoint_is_kept(task, &checkpoint);
        }
    }

    async fn read(&self, scope: &Scope, side: &dyn TaskSide, (task, interval): (&TaskInput<'_>, usize), number: u64) {
        let world = &self.caller.world;
        let stages = fate::stages(world.seed, job_number(&scope.job));
        let Some((stage, stage_index, index)) = fate::read_by(&stages, task.stage, number) else { return };
        match side.output(&stage, stage_index).await {
            Ok(output) => world.oracle().output_is_read((interval, index), output),
            Err(Denied::Unavailable(_)) => {}
            Err(Denied::Invalid(why)) => {
                world.oracle().blame("stages", format!("{stage} is not shown to {}: {why}", task.stage));
            }
        }
    }

    fn events(&self, fate: Fate, call: usize) -> Vec<Event> {
        let event = Event { at: self.caller.clock.now(), name: "done".to_owned(), body: format!("call {call}") };
        if fate.leaves.event { vec![event] } else { Vec::new() }
    }

    fn log(&self, fate: Fate, call: usize) -> Vec<LogLine> {
        let line = LogLine { at: self.caller.clock.now(), level: LogLevel::Info, message: format!("call {call}") };
        if fate.leaves.log { vec![line] } else { Vec::new() }
    }
}

/// The message of panics that belong to the play.
pub(crate) const SCRIPTED: &str = "a fault of the host, as its fate says";

#[async_trait]
impl Callable for Scripted {
    async fn plan(&self, surroundings: Surroundings<'_>) -> CallReport<PlanOutput> {
        let job = &surroundings.scope.job;
        let in_flight = self.begin(job, None);
        let Begun { call, interval, nth, attempt } = in_flight.begun;
        let seed = self.caller.world.seed;
        let fate = Fate::of_plan(seed, interval, attempt, nth);
        let lived = self.live(fate, surroundings.scope.limits.timeout).await;
        let log = self.log(fate, call);
        match lived {
            Ok(()) => {
                in_flight.ends(CallEnd::Succeeded(fate.leaves));
                let stages = fate::stages(seed, job_number(job));
                CallReport {
                    outcome: Outcome::Succeeded(PlanOutput {
                        stages,
                        keys: keys(fate, interval, None, call),
                        events: self.events(fate, call),
                    }),
                    log,
                }
            }
            Err(failure) => {
                in_flight.ends(CallEnd::Failed(failure.kind.name()));
                CallReport { outcome: Outcome::Failed(failure), log }
            }
        }
    }

    async fn run(&self, task: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let in_flight = self.begin(&surroundings.scope.job, Some(task));
        let Begun { call, interval, nth, .. } = in_flight.begun;
        let TaskInput { index, total, attempt, .. } = *task;
        let fate = Fate::of_task(self.caller.world.seed, &TaskCall { interval, index: index.0, total, attempt, nth });
        let side = surroundings.task.as_deref().expect("a task has its side");
        let lived = self.live_with(surroundings.scope, side, task, (interval, call), fate).await;
        let log = self.log(fate, call);
        match lived {
            Ok(()) => {
                in_flight.ends(CallEnd::Succeeded(fate.leaves));
                let output = if fate.leaves.output { format!("call {call}").into_bytes() } else { Vec::new() };
                let keys = keys(fate, interval, Some(index.0), call);
                let events = self.events(fate, call);
                CallReport { outcome: Outcome::Succeeded(TaskOutput { output, keys, events }), log }
            }
            Err(failure) => {
                in_flight.ends(CallEnd::Failed(failure.kind.name()));
                CallReport { outcome: Outcome::Failed(failure), log }
            }
        }
    }
}

fn job_number(job: &JobInput) -> u64 {
    job.job_name.trim_start_matches('j').parse().expect("jobs are named by number")
}

fn keys(fate: Fate, interval: usize, index: Option<u32>, call: usize) -> KeyWrites {
    let key = index.map_or_else(|| format!("{interval}/plan"), |index| format!("{interval}/{index}"));
    let write = (key, Some(format!("call {call}").into_bytes()));
    if fate.leaves.key { KeyWrites::from([write]) } else { KeyWrites::new() }
}
