//! One run: so many steps of trouble, then a while of peace in which everything must come to its end.

use crate::actions::{Action, Habits};
use crate::clock::AHEAD_MAX;
use crate::host::{Host, Start};
use crate::tally::Tally;
use crate::world::World;
use crate::{panics, plugin};
use latchwork::domain::ids::{BackfillId, JobId};
use latchwork::recovery_settings::RecoverySettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Hosts that run at a time.
const HOSTS_MAX: usize = 4;

/// How many steps of peace may be needed to end everything.
const PEACE_STEPS_MAX: u32 = 600;
const PEACE_STEP: Duration = Duration::from_secs(2);

/// What a run did.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) trace: Vec<String>,
    pub(crate) violations: Vec<String>,
    pub(crate) tally: Tally,
}

impl Report {
    /// What whoever sees the failure must know.
    pub(crate) fn failure(&self) -> String {
        const SHOWN: usize = 80;
        let last = self.trace.len().saturating_sub(SHOWN);
        format!(
            "seed {} breaks a promise:\n  {}\nits last steps:\n  {}\nrun it again, with all of its steps:\n  \
             LATCHWORK_SIM_SEED={} cargo test --workspace --test simulation whatever_happens\n",
            self.seed,
            self.violations.join("\n  "),
            self.trace[last..].join("\n  "),
            self.seed
        )
    }
}

pub(crate) struct Run {
    pub(crate) world: Arc<World>,
    pub(crate) hosts: Vec<Host>,
    started: usize,
    pub(crate) recovery: RecoverySettings,
    pub(crate) jobs: Vec<JobId>,
    pub(crate) backfills: Vec<BackfillId>,
}

/// Runs a seed to its end, or to the first broken promise.
pub(crate) fn run(seed: u64, threads: &Handle) -> Report {
    panics::note();
    let mut run = Run::new(seed, threads);
    let violations = run.trouble().and_then(|()| run.peace()).err().unwrap_or_default();
    if !violations.is_empty() {
        let open_work = run.world.oracle().open_work();
        open_work.iter().for_each(|row| run.world.note(row));
    }
    run.hosts.clear();
    panics::print();
    let mut tally = run.world.take_tally();
    tally.add(&run.world.oracle().sum_up());
    Report { seed, trace: run.world.take_trace(), violations, tally }
}

type Kept = Result<(), Vec<String>>;

impl Run {
    fn new(seed: u64, threads: &Handle) -> Self {
        let world = Arc::new(World::new(seed, threads));
        let attempts_max = world.dice().one_of(&[1, 2, 3, 3, 3, 4]);
        let is_enabled = world.dice().chance(950);
        world.oracle().settings_are(attempts_max, is_enabled);
        let check_every = Duration::from_secs(5);
        let recovery = RecoverySettings { is_enabled, is_default: true, check_every, attempts_max };
        Self { world, hosts: Vec::new(), started: 0, recovery, jobs: Vec::new(), backfills: Vec::new() }
    }

    fn trouble(&mut self) -> Kept {
        let habits = Habits::drawn(&mut self.world.dice());
        let steps = self.world.dice().within(20..=60);
        for action in [Action::Upload, Action::CreateJob, Action::StartHost, Action::Trigger] {
            self.step(action)?;
        }
        for _ in 0..steps {
            let action = habits.next(&mut self.world.dice());
            self.step(action)?;
        }
        Ok(())
    }

    /// The store works, somebody starts the hosts again, and time passes: what is open ends.
    fn peace(&mut self) -> Kept {
        self.world.note("peace");
        self.world.calm_down();
        let open = self.world.oracle().open_intervals();
        self.step(Action::LetAllGo)?;
        // A lease that was taken before the clocks were set back lasts until it is that late again.
        self.step(Action::Advance(self.world.timeline.set_back_by()))?;
        for _ in 0..PEACE_STEPS_MAX {
            let still_open = self.world.oracle().open_intervals();
            if !self.hosts.is_empty() && !open.iter().any(|interval| still_open.contains(interval)) {
                break;
            }
            if self.hosts.is_empty() {
                self.step(Action::StartHost)?;
            }
            self.step(Action::Advance(PEACE_STEP))?;
        }
        // Longer than a scheduler sleeps, in steps that are shorter than a lease.
        for _ in 0..6 {
            self.step(Action::Advance(PEACE_STEP))?;
        }
        let now_ms = self.world.timeline.now().ms();
        self.world.oracle().check_peace(&open, now_ms);
        while !self.hosts.is_empty() {
            self.step(Action::StopHost)?;
            self.step(Action::Advance(Duration::from_secs(4)))?;
        }
        self.world.oracle().look_at_all();
        self.kept()
    }

    /// Does one thing, lets the hosts do what follows from it, and has the oracle look.
    fn step(&mut self, action: Action) -> Kept {
        self.world.begin_step();
        self.world.note(&format!("{} {action:?}", self.world.timeline.now()));
        self.world.count("actions", action.name());
        self.act(action);
        let latest = self.world.timeline.now() + AHEAD_MAX;
        self.world.oracle().it_is_at_most(latest.ms());
        self.settle();
        self.world.oracle().look();
        self.kept()
    }

    fn kept(&self) -> Kept {
        let mut violations = self.world.oracle().take_violations();
        let panics = panics::take().into_iter().filter(|panic| !panic.contains(plugin::SCRIPTED));
        violations.extend(panics.map(|panic| format!("the engine does not panic: {panic}")));
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Advance(by) => self.world.timeline.advance(by),
            Action::Sleep(by) => self.world.timeline.sleep_through(by),
            Action::GoBack(by) => self.world.timeline.go_back(by),
            Action::LetOneGo => {
                let parked = self.world.parked();
                if parked > 0 {
                    let place = self.world.dice().place(parked);
                    self.world.let_go(place);
                }
            }
            Action::LetAllGo => (0..self.world.parked()).for_each(|_| self.world.let_go(0)),
            Action::StartHost => self.start_host(),
            Action::KillHost => self.with_some_host(|run, place| run.bury(place, "is killed")),
            Action::StopHost => self.with_some_host(|run, place| {
                run.hosts[place].ask_to_stop();
            }),
            Action::CreateJob => self.create_job(),
            Action::Trigger => self.trigger(),
            Action::Upload => self.upload(),
            Action::DeleteJob => self.delete_job(),
            Action::PauseJob => self.pause_job(),
            Action::ResumeJob => self.resume_job(),
            Action::CancelInterval => self.cancel_interval(),
            Action::RetryInterval => self.retry_interval(),
            Action::Backfill => self.begin_backfill(),
            Action::CancelBackfill => self.cancel_backfill(),
        }
    }

    /// Runs all hosts until each waits for something, and buries those that ended.
    fn settle(&mut self) {
        loop {
            let before = self.world.activity();
            for host in &self.hosts {
                host.run_until_idle(&self.world);
            }
            for place in (0..self.hosts.len()).rev() {
                if self.world.is_doomed(self.hosts[place].number) {
                    self.bury(place, "dies");
                } else if self.hosts[place].has_ended() {
                    let why = self.hosts[place].ending();
                    let why = self.world.oracle().shorten(&why);
                    self.bury(place, &format!("ends: {why}"));
                }
            }
            if self.world.activity() == before {
                return;
            }
        }
    }

    fn with_some_host(&mut self, act: impl FnOnce(&mut Self, usize)) {
        if !self.hosts.is_empty() {
            let place = self.world.dice().place(self.hosts.len());
            act(self, place);
        }
    }

    fn bury(&mut self, place: usize, how: &str) {
        let host = self.hosts.remove(place);
        self.world.note(&format!("host {} ({}) {how}", host.number, host.host_id));
        // Before the host's calls are dropped: what they leave then says nothing.
        self.world.oracle().host_is_gone(host.number);
        self.world.bury(host.number);
    }

    /// Starts a host with an identity that no running host has; often one that ran before.
    fn start_host(&mut self) {
        if self.hosts.len() >= HOSTS_MAX {
            return;
        }
        let free: Vec<String> = (0..=HOSTS_MAX).map(|number| format!("host-{number}")).collect();
        let free: Vec<&String> =
            free.iter().filter(|id| !self.hosts.iter().any(|host| host.host_id == **id)).take(2).collect();
        let host_id = self.world.dice().one_of(&free).clone();
        let ahead_ms = u64::try_from(AHEAD_MAX.as_millis()).expect("less than 1 s");
        let ahead = Duration::from_millis(self.world.dice().within(0..=ahead_ms));
        let start = Start { number: self.started, host_id, ahead, recovery: self.recovery };
        self.world.note(&format!("host {} is {}, ahead by {ahead:?}", start.number, start.host_id));
        self.started += 1;
        self.hosts.push(Host::start(&self.world, start));
    }
}
