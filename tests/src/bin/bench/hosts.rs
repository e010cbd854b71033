//! Durable no-op tasks a second on PostgreSQL, with one host and with two, beside SQLite; and what they cost the database.

use crate::median;
use crate::throughput::durable_tasks;
use crate::workshop::{Workshop, work};
use anyhow::Result;
use latchwork::clock::{Clock, SystemClock};
use latchwork::engine::Engine;
use latchwork::store::Store;
use latchwork_tests::PostgresDatabase;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// The interval that the hosts share.
const TASKS: u32 = 300_000;
const LANES: u32 = 256;

/// Hosts, and the lanes of all of them together.
const RUNS: [(u32, u32); 3] = [(1, LANES), (2, LANES), (2, 2 * LANES)];

/// Intervals of one task each, all due at once.
const SMALL: u32 = 3_000;

/// How long hosts without work are watched.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// What a run came to.
struct Cost {
    a_second: f64,
    /// For each task, or interval.
    statements: f64,
    /// Bytes of the write-ahead log for each.
    wal_bytes: f64,
}

/// The hosts of a run, and their database.
struct Fleet {
    database: PostgresDatabase,
    hosts: Vec<(Workshop, Arc<dyn Store>)>,
}

pub(crate) async fn measure(guests: &Handle, rounds: usize) -> Result<()> {
    println!("durable no-op tasks, a fresh sandbox for each; median of {rounds} rounds");
    println!("                                durable/s   of SQLite   for 1,000 tasks: statements   KB of log");
    let (mut sqlite, mut costs) = (Vec::new(), RUNS.map(|_| Vec::new()));
    for _ in 0..rounds {
        sqlite.push(durable_tasks(guests, LANES, TASKS).await?);
        for (costs, (hosts, lanes)) in costs.iter_mut().zip(RUNS) {
            costs.push(one_long_interval(guests, hosts, lanes).await?);
        }
    }
    let sqlite = median(sqlite);
    println!("SQLite, 1 host, {LANES} lanes       {sqlite:>9.0}");
    for (costs, (hosts, lanes)) in costs.iter().zip(RUNS) {
        let middle = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
        let (tasks, statements) = (middle(|cost| cost.a_second), middle(|cost| cost.statements) * 1_000.0);
        let (of_sqlite, wal) = (tasks / sqlite * 100.0, middle(|cost| cost.wal_bytes));
        let run = format!("PostgreSQL, {hosts} hosts, {lanes} lanes");
        println!("{run:<31} {tasks:>9.0}  {of_sqlite:>9.0}%  {statements:>27.1}  {wal:>10.1}");
    }
    println!("intervals of one task, {SMALL} at once");
    for hosts in [1, 2] {
        let Cost { a_second, statements, wal_bytes } = many_short_intervals(guests, hosts).await?;
        let wal = wal_bytes / 1_000.0;
        println!("{hosts} hosts: {a_second:.0} a second, each {statements:.1} statements and {wal:.1} KB of log");
    }
    let Cost { statements, wal_bytes, .. } = idle(guests).await?;
    println!("a host without work: {statements:.1} statements and {wal_bytes:.0} bytes of log a second");
    Ok(())
}

async fn one_long_interval(guests: &Handle, hosts: u32, lanes: u32) -> Result<Cost> {
    let fleet = Fleet::new(guests, hosts).await?;
    let engines = fleet.start().await?;
    let before = fleet.counted().await?;
    let (workshop, store) = &fleet.hosts[0];
    let interval = workshop.fire(store, "noop", work(TASKS, lanes, "null")).await?;
    let ended = workshop.ended(store, interval).await?;
    let after = fleet.counted().await?;
    stop(engines).await?;
    assert_eq!(ended.counts.completed, u64::from(TASKS), "{:?}", ended.reason);
    let took = ended.finished_at.zip(ended.started_at).map(|(end, start)| end.since(start)).expect("it has ended");
    Ok(Cost::of(TASKS, took, before, after))
}

async fn many_short_intervals(guests: &Handle, hosts: u32) -> Result<Cost> {
    let fleet = Fleet::new(guests, hosts).await?;
    let (workshop, store) = &fleet.hosts[0];
    let mut intervals = Vec::new();
    for _ in 0..SMALL {
        intervals.push(workshop.fire(store, "noop", work(1, 8, "null")).await?);
    }
    let (before, begun) = (fleet.counted().await?, Instant::now());
    let engines = fleet.start().await?;
    for interval in intervals {
        workshop.ended(store, interval).await?;
    }
    let (after, took) = (fleet.counted().await?, begun.elapsed());
    stop(engines).await?;
    Ok(Cost::of(SMALL, took, before, after))
}

/// Of one second.
async fn idle(guests: &Handle) -> Result<Cost> {
    let fleet = Fleet::new(guests, 1).await?;
    let engines = fleet.start().await?;
    let before = fleet.counted().await?;
    SystemClock.sleep_for(IDLE_FOR).await;
    let after = fleet.counted().await?;
    stop(engines).await?;
    Ok(Cost::of(u32::try_from(IDLE_FOR.as_secs())?, IDLE_FOR, before, after))
}

impl Fleet {
    async fn new(guests: &Handle, hosts: u32) -> Result<Self> {
        let database = PostgresDatabase::measured().await;
        let mut all = Vec::new();
        for number in 0..hosts {
            let workshop = Workshop::on(&database, format!("bench-{number}"), guests)?;
            let store = workshop.open().await?;
            workshop.upload(&store, "noop").await?;
            all.push((workshop, store));
        }
        // What earlier runs left to be written is no part of this one.
        sqlx::query("checkpoint").execute(&mut database.connect().await).await?;
        Ok(Self { database, hosts: all })
    }

    async fn start(&self) -> Result<Vec<Engine>> {
        let mut engines = Vec::new();
        for (workshop, store) in &self.hosts {
            engines.push(workshop.start(store).await?);
        }
        Ok(engines)
    }

    /// How many statements hosts have had carried out, `begin` and `commit` among them, and what log these wrote, in bytes.
    async fn counted(&self) -> Result<(f64, f64)> {
        let counted = "select cast(coalesce(sum(calls), 0) as double precision), \
            cast(coalesce(sum(wal_bytes), 0) as double precision) \
            from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())";
        Ok(sqlx::query_as(counted).fetch_one(&mut self.database.connect().await).await?)
    }
}

impl Cost {
    fn of(number: u32, took: Duration, before: (f64, f64), after: (f64, f64)) -> Self {
        let number = f64::from(number);
        Self {
            a_second: number / took.as_secs_f64(),
            statements: (after.0 - before.0) / number,
            wal_bytes: (after.1 - before.1) / number,
        }
    }
}

async fn stop(engines: Vec<Engine>) -> Result<()> {
    for engine in engines {
        engine.stop(Duration::from_secs(5)).await?;
    }
    Ok(())
}
