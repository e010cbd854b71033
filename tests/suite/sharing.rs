//! Several real hosts on one PostgreSQL: they share intervals, bounds and firings, and tell each other what is new.

use latchwork::clock::{Clock as _, SystemClock};
use latchwork::domain::hint::Hint;
use latchwork::domain::ids::{IntervalId, JobId};
use latchwork::domain::interval::{Firing, Origin};
use latchwork::store::{NewInterval, PostgresStore, Store as _};
use latchwork_tests::{Host, HostBuilder, PostgresDatabase, Witness, wait_for};
use serde_json::{Value, json};
use sqlx::Row as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What the rows say of who runs how many tasks just now.
const RUNNING: &str =
    "select owner, sum(running_count)::bigint as running from segments where owner is not null group by owner";

/// Hosts on one database, and what their plugins' calls leave.
struct Site {
    database: PostgresDatabase,
    witness: Witness,
}

impl Site {
    fn new() -> Self {
        Self { database: PostgresDatabase::blocking(), witness: Witness::new() }
    }

    fn hosts<const N: usize>(&self) -> [Host; N] {
        let builder = |_| {
            let builder = HostBuilder::new().flag("--allow-dir", self.witness.allowed());
            builder.variable("DATABASE_URL", &self.database.url()).start()
        };
        let hosts: [Host; N] = std::array::from_fn(builder);
        hosts[0].api.upload_plugin("misbehave");
        hosts
    }

    fn job(&self, host: &Host, task_ms: u64, mut fields: Value) -> String {
        fields["grants"] = self.witness.grants();
        host.api.manual_job("misbehave", &self.witness.payload(task_ms), fields)
    }

    /// Asks the database.
    fn ask(&self, sql: &'static str) -> Vec<(String, i64)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rows = sqlx::query(sql).fetch_all(&mut self.database.connect().await).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        })
    }

    /// Watches an interval to its end: who ran tasks of it, and how many ran together at most.
    fn watch(&self, host: &Host, interval: &str) -> (BTreeSet<String>, i64) {
        let (mut owners, mut most) = (BTreeSet::new(), 0);
        wait_for("the end of the interval", || {
            let running = self.ask(RUNNING);
            most = most.max(running.iter().map(|(_, running)| running).sum());
            owners.extend(running.into_iter().filter(|(_, running)| *running > 0).map(|(owner, _)| owner));
            (host.api.interval(interval)["state"] != "running").then_some(())
        });
        (owners, most)
    }
}

#[test]
fn hosts_share_a_small_interval_and_its_max_parallel() {
    let site = Site::new();
    let hosts: [Host; 4] = site.hosts();
    // Long enough for each host to compile the plugin first.
    let job = site.job(&hosts[0], 1_000, json!({ "tasks": 100, "max_parallel": 8 }));
    let begun = Instant::now();
    let interval = hosts[0].api.trigger(&job);
    wait_for("its begin", || (hosts[0].api.interval(&interval)["state"] == "running").then_some(()));
    let (owners, most) = site.watch(&hosts[0], &interval);
    let took = begun.elapsed();
    let ended = hosts[0].api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(100)), "{ended}");
    assert_eq!(owners.len(), 4, "every host runs some of its tasks");
    assert!((7..=8).contains(&most), "{most} tasks ran at once where eight may");
    assert_eq!(site.witness.calls().values().sum::<u32>(), 100);
    // 100 tasks of 1 s on 8 lanes take 13 s; hand-overs and a busy machine take theirs.
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn the_last_lane_of_a_job_that_runs_one_task_at_a_time_goes_from_host_to_host() {
    let site = Site::new();
    let hosts: [Host; 2] = site.hosts();
    let job = site.job(&hosts[0], 5, json!({ "tasks": 60, "max_parallel": 1 }));
    let interval = hosts[0].api.trigger(&job);
    let (_, most) = site.watch(&hosts[0], &interval);
    assert_eq!(hosts[1].api.ended(&interval)["state"], "succeeded");
    assert!(most <= 1, "{most}");
}

#[test]
fn a_rate_holds_over_all_hosts() {
    const RATE: f64 = 8.0;
    let site = Site::new();
    let hosts: [Host; 3] = site.hosts();
    let job = site.job(&hosts[0], 300, json!({ "tasks": 40, "max_parallel": 12, "rate_limit": RATE }));
    let begun = Instant::now();
    let interval = hosts[0].api.trigger(&job);
    let mut seen: BTreeMap<u64, Duration> = BTreeMap::new();
    wait_for("its end", || {
        seen.entry(site.witness.call_count()).or_insert_with(|| begun.elapsed());
        (site.witness.call_count() == 40).then_some(())
    });
    let ended = hosts[0].api.ended(&interval);
    assert_eq!(ended["completed"], json!(40), "{ended}");
    for (calls, after) in seen {
        let most = 1.0 + RATE * (after.as_secs_f64() + 0.2);
        assert!(calls as f64 <= most, "{calls} calls within {after:?}");
    }
}

/// How long a host takes to end an interval that somebody else on its database has started; the middle one of many.
fn latency(site: &Site, host: &Host, tell: impl AsyncFn(&PostgresStore)) -> Duration {
    let job: JobId = site.job(host, 0, json!({ "tasks": 1 })).parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(PostgresStore::open(&site.database.url(), 2)).unwrap();
    let once = || {
        let (interval, now) = (IntervalId::generate(), SystemClock.now());
        let firing = Firing { interval, job, origin: Origin::Trigger, scheduled_at: now, fired_at: now };
        let begun = Instant::now();
        runtime.block_on(async {
            store.trigger(&NewInterval { firing, is_tracked: true }, None).await.unwrap();
            tell(&store).await;
        });
        host.api.ended(&interval.to_string());
        begun.elapsed()
    };
    let mut all: Vec<_> = (0..9).map(|_| once()).collect();
    all.sort_unstable();
    runtime.block_on(store.close());
    all[all.len() / 2]
}

#[test]
fn a_hint_makes_a_host_look_at_once_and_without_one_it_looks_all_the_same() {
    let site = Site::new();
    let [host] = site.hosts();
    let hinted = latency(&site, &host, async |store| store.hint(&[Hint::Work]).await.unwrap());
    let unhinted = latency(&site, &host, async |_| ());
    assert!(hinted < Duration::from_millis(300), "{hinted:?} with hints, {unhinted:?} without");
    assert!(unhinted < Duration::from_secs(2), "{unhinted:?}");
}

#[test]
fn a_host_whose_listening_is_cut_off_goes_on_and_listens_again() {
    let site = Site::new();
    let [host] = site.hosts();
    const CUT: &str = "select 'cut', count(pg_terminate_backend(pid)) from pg_stat_activity \
        where datname = current_database() and query ilike 'listen %'";
    let cut = || (site.ask(CUT)[0].1 > 0).then_some(());
    for _ in 0..2 {
        wait_for("the host to listen", cut);
        assert_eq!(host.api.run("misbehave", &json!({ "act": "succeed" }), json!({}))["state"], "succeeded");
    }
    wait_for("it to listen again", || {
        let listening = "select 'it listens', count(*) from pg_stat_activity \
            where datname = current_database() and query ilike 'listen %'";
        (site.ask(listening)[0].1 > 0).then_some(())
    });
    let hinted = latency(&site, &host, async |store| store.hint(&[Hint::Work]).await.unwrap());
    assert!(hinted < Duration::from_millis(300), "{hinted:?}");
}

#[test]
fn three_hosts_fire_each_instant_once() {
    let site = Site::new();
    let hosts: [Host; 3] = site.hosts();
    hosts[0].api.upload_plugin("noop");
    let request = json!({
        "name": "each second", "plugin": "noop", "type": "interval", "interval": "1s", "tasks": 1, "overlap": "allow",
    });
    let (status, job) = hosts[0].api.send("POST", "/jobs", Some(&request));
    assert_eq!(status, 201, "{job}");
    wait_for("six firings", || {
        let fired = site.ask("select 'all', count(*) from intervals where state = 'succeeded'");
        (fired[0].1 >= 6).then_some(())
    });
    let all = site.ask("select scheduled_at::text, count(*) from intervals group by scheduled_at order by 1");
    assert!(all.iter().all(|(_, count)| *count == 1), "{all:?}");
    let instants: Vec<i64> = all.iter().map(|(at, _)| at.parse().unwrap()).collect();
    assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == 1_000), "none is left out: {instants:?}");
}
