//! What the heartbeats of many hosts cost one PostgreSQL.

use anyhow::{Context, Result};
use latchwork::clock::{Clock, SystemClock};
use latchwork::domain::host::HostProfile;
use latchwork::domain::ids::IncarnationId;
use latchwork::domain::lease::HEARTBEAT_EVERY;
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{Incarnation, PostgresStore, Store};
use latchwork_tests::PostgresDatabase;
use sqlx::PgConnection;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const HOSTS: u32 = 1_000;

/// How often each of them renews its lease while it is looked at.
const BEATS: u32 = 20;

/// The connections of all of them together.
const CONNECTIONS: u32 = 16;

pub(crate) async fn measure() -> Result<()> {
    println!(
        "{HOSTS} hosts that renew their leases every {HEARTBEAT_EVERY:?}, on a PostgreSQL whose commits reach the disk"
    );
    let database = PostgresDatabase::measured().await;
    let store = Arc::new(PostgresStore::open(&database.url(), CONNECTIONS).await?);
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        let (id, host_id, started_at) = (IncarnationId::generate(), format!("host {number}"), SystemClock.now());
        store.begin_incarnation(&Incarnation { id, host_id, started_at, profile: HostProfile::default() }).await?;
        hosts.push(id);
    }
    let mut past = database.connect().await;
    let begun = SystemClock.now() + HEARTBEAT_EVERY;
    SystemClock.sleep_until(begun).await;
    let before = Cost::so_far(&mut past).await?;
    let mut beating = JoinSet::new();
    for (number, host) in (0..).zip(hosts) {
        let first = begun + HEARTBEAT_EVERY * number / HOSTS;
        beating.spawn(beats(Arc::clone(&store), host, first));
    }
    let mut took = Vec::new();
    for beats in beating.join_all().await {
        took.extend(beats?);
    }
    let seconds = SystemClock.now().since(begun).as_secs_f64();
    let after = Cost::so_far(&mut past).await?;

    took.sort();
    let share = |share: f64| took[(took.len() as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let cores = (after.ticks - before.ticks) as f64 / Cost::TICKS / seconds;
    let log = (after.log_bytes - before.log_bytes) as f64;
    println!("  a renewal:           p50 {:.2} ms, p99 {:.2} ms", share(0.5), share(0.99));
    println!(
        "  the server:          {:.1} % of a core, {:.4} % for each host",
        cores * 100.0,
        cores * 100.0 / f64::from(HOSTS)
    );
    println!(
        "  write-ahead log:     {:.0} bytes a renewal, {:.0} KB a second",
        log / took.len() as f64,
        log / seconds / 1_000.0
    );
    Ok(())
}

/// Renews a lease again and again, and tells how long each time took.
async fn beats(store: Arc<PostgresStore>, host: IncarnationId, first: Timestamp) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for beat in 0..BEATS {
        SystemClock.sleep_until(first + HEARTBEAT_EVERY * beat).await;
        let asked_at = SystemClock.reading();
        store.renew_incarnation(host, asked_at.now).await?;
        took.push(SystemClock.uptime() - asked_at.uptime);
    }
    Ok(took)
}

/// What the server has taken of the machine.
struct Cost {
    /// The processor time of all of its processes.
    ticks: u64,
    log_bytes: u64,
}

impl Cost {
    /// Clock ticks a second in `/proc`: a constant of the kernel's interface on every Linux that runs this.
    const TICKS: f64 = 100.0;

    async fn so_far(past: &mut PgConnection) -> Result<Self> {
        let (backend, log_bytes): (i32, i64) =
            sqlx::query_as("select pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::bigint")
                .fetch_one(past)
                .await?;
        let server = Process::read(&backend.to_string())?.parent;
        let mut ticks = 0;
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // Other processes come and go.
            if let Ok(process) = Process::read(&name)
                && (process.parent == server || name == server)
            {
                ticks += process.ticks;
            }
        }
        Ok(Self { ticks, log_bytes: log_bytes.try_into()? })
    }
}

struct Process {
    parent: String,
    ticks: u64,
}

impl Process {
    fn read(pid: &str) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in brackets may hold spaces; after it come the state, the parent, and later user and system time.
        let (_, fields) = stat.rsplit_once(')').context("a process is named")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Ok(Self { parent: fields[1].to_owned(), ticks: fields[11].parse::<u64>()? + fields[12].parse::<u64>()? })
    }
}
