//! Four hosts, each on a cable of its own, and their server.

use crate::faults::Fault;
use latchwork_tests::server::url;
use latchwork_tests::{Cable, Host, HostBuilder, PostgresServer, Witness};
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) const HOSTS: usize = 4;
pub(crate) const TASKS: u32 = 100_000;
pub(crate) const MAX_PARALLEL: u32 = 48;

/// How long all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(8);

/// How often it is looked whether what is waited for has happened.
const GLANCE: Duration = Duration::from_millis(20);

pub(crate) struct Scene {
    pub(crate) server: PostgresServer,
    stands: Vec<Stand>,
    give_up_at: Instant,
}

/// A host's place: what it is started with, again and again.
struct Stand {
    cable: Cable,
    builder: HostBuilder,
    host: Option<Host>,
}

impl Stand {
    fn host(&self) -> &Host {
        self.host.as_ref().expect("it runs")
    }

    fn start(&mut self) {
        self.host = Some(self.builder.start());
    }

    fn kill(&mut self) {
        self.host.take().expect("it runs").kill();
    }
}

fn name(host: usize) -> String {
    format!("host-{host}")
}

impl Scene {
    /// All of it, running.
    pub(crate) fn new(witness: &Witness) -> Self {
        let server = PostgresServer::start(100);
        let mut scene = Self { server, stands: Vec::new(), give_up_at: Instant::now() + PATIENCE };
        for number in 0..HOSTS {
            let cable = Cable::to(scene.server.port());
            let builder = HostBuilder::new()
                .variable("DATABASE_URL", &url(cable.port()))
                .flag("--allow-dir", witness.allowed())
                .flag("--host-id", name(number))
                .flag("--recovery-check-interval", 1)
                // Every fault is one, and what is in flight at one may be at the next.
                .flag("--max-recovery-attempts", 100);
            let host = Some(builder.start());
            scene.stands.push(Stand { cable, builder, host });
        }
        scene
    }

    /// Triggers the interval.
    pub(crate) fn begin(&self, witness: &Witness) -> String {
        let api = &self.stands[0].host().api;
        api.upload_plugin("misbehave");
        let fields = json!({ "tasks": TASKS, "max_parallel": MAX_PARALLEL, "grants": witness.grants() });
        let job = api.manual_job("misbehave", &witness.payload(5), fields);
        api.trigger(&job)
    }

    /// Has something go wrong, and waits until it is over.
    pub(crate) fn play(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(host) => {
                self.stands[host].kill();
                self.stands[host].start();
            }
            Fault::KillForLong(host) => {
                self.stands[host].kill();
                self.wait_for_takeover(host);
                self.stands[host].start();
            }
            Fault::Pause(host) => {
                self.stands[host].host().signal("STOP");
                self.wait_for_takeover(host);
                self.stands[host].host().signal("CONT");
            }
            Fault::Cut(host) => {
                self.stands[host].cable.cut();
                self.wait_for_complaint(host);
                self.stands[host].cable.mend();
            }
            Fault::CutForLong(host) => {
                self.stands[host].cable.cut();
                self.wait_for_takeover(host);
                self.stands[host].cable.mend();
            }
            Fault::Crash => {
                self.server.crash();
                self.server.start_again();
            }
            Fault::Stop(host) => {
                self.server.stop();
                self.wait_for_complaint(host);
                self.server.start_again();
            }
        }
    }

    /// Waits until no row names the host as owner: others have taken over, or it had nothing.
    fn wait_for_takeover(&mut self, host: usize) {
        let held = format!(
            "select count(*) from segments join incarnations on incarnations.id = owner where host_id = '{}'",
            name(host)
        );
        self.wait_but_for(Some(host), "others to take over", |scene| scene.server.number(&held) == 0);
    }

    fn wait_for_complaint(&mut self, host: usize) {
        self.wait_for("a host to notice", |scene| scene.stands[host].host().complaint().is_some());
    }

    /// Waits until something has happened; hosts that have ended are started meanwhile, as their supervisor would.
    pub(crate) fn wait_for(&mut self, what: &str, has_happened: impl Fn(&Self) -> bool) {
        self.wait_but_for(None, what, has_happened);
    }

    fn wait_but_for(&mut self, left_alone: Option<usize>, what: &str, has_happened: impl Fn(&Self) -> bool) {
        while !has_happened(self) {
            assert!(Instant::now() < self.give_up_at, "waited {PATIENCE:?} in all, at last for {what}");
            for (number, stand) in self.stands.iter_mut().enumerate() {
                if Some(number) != left_alone && stand.host.as_mut().is_none_or(Host::has_ended) {
                    println!("{} has ended and is started", name(number));
                    stand.start();
                }
            }
            std::thread::sleep(GLANCE);
        }
    }

    pub(crate) fn is_open(&self, interval: &str) -> bool {
        let open =
            format!("select count(*) from intervals where id = '{interval}' and state in ('pending', 'running')");
        self.server.number(&open) == 1
    }

    /// The state of an interval, and how many duplicates it reports; by a host.
    pub(crate) fn outcome(&mut self, interval: &str) -> (String, i64) {
        let path = format!("/intervals/{interval}");
        let answer = |scene: &Self| {
            let mut hosts = scene.stands.iter().filter_map(|stand| stand.host.as_ref());
            hosts.find_map(|host| host.api.look(&path).filter(|answer| answer.status == 200))
        };
        self.wait_for("a host to answer", |scene| answer(scene).is_some());
        let body = answer(self).expect("it has just answered").body;
        assert_eq!(body["completed"], json!(TASKS), "{body}");
        (latchwork_tests::text(&body["state"]), body["duplicates"].as_i64().expect("a number"))
    }

    /// How many incarnations have ended.
    pub(crate) fn ended_incarnations(&self) -> i64 {
        self.server.number("select count(*) from incarnations where ended_at is not null")
    }
}
