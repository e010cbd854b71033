//! Durable no-op tasks a second on PostgreSQL, with one host and with two, beside SQLite; and what they cost the database.

use crate::median;
use crate::throughput::durable_tasks;
use crate::workshop::{Workshop, work};
use anyhow::Result;
use latchwork_tests::PostgresDatabase;
use sqlx::postgres::PgConnection;
use std::time::Duration;

/// The interval that the hosts share.
const TASKS: u32 = 300_000;
const LANES: u32 = 256;

/// How often the tables are vacuumed by themselves is the server's matter; a run begins with that behind it.
const SETTLE: &str = "checkpoint";

/// What a run came to.
struct Cost {
    tasks_a_second: f64,
    /// For 1,000 tasks.
    statements: f64,
    /// Bytes of the write-ahead log for 1,000 tasks.
    wal_bytes: f64,
}

pub(crate) async fn measure(guests: &tokio::runtime::Handle, rounds: usize) -> Result<()> {
    println!(
        "durable no-op tasks at {LANES} lanes over all hosts, a fresh sandbox for each; median of {rounds} rounds"
    );
    println!("                    durable/s   of SQLite   for 1,000 tasks: statements   KB of log");
    let (mut sqlite, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        sqlite.push(durable_tasks(guests, LANES, TASKS).await?);
        for (place, hosts) in [1, 2].into_iter().enumerate() {
            costs[place].push(run(guests, hosts).await?);
        }
    }
    let sqlite = median(sqlite);
    println!("SQLite, 1 host      {sqlite:>9.0}");
    for (costs, name) in costs.iter().zip(["PostgreSQL, 1 host ", "PostgreSQL, 2 hosts"]) {
        let middle = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
        let (tasks, statements) = (middle(|cost| cost.tasks_a_second), middle(|cost| cost.statements));
        let (of_sqlite, wal) = (tasks / sqlite * 100.0, middle(|cost| cost.wal_bytes) / 1_000.0);
        println!("{name} {tasks:>9.0}  {of_sqlite:>9.0}%  {statements:>27.1}  {wal:>10.1}");
    }
    Ok(())
}

async fn run(guests: &tokio::runtime::Handle, hosts: u32) -> Result<Cost> {
    let database = PostgresDatabase::measured().await;
    let mut engines = Vec::new();
    for number in 0..hosts {
        let workshop = Workshop::on(&database, format!("bench-{number}"), guests)?;
        let store = workshop.open().await?;
        workshop.upload(&store, "noop").await?;
        let engine = workshop.start(&store).await?;
        engines.push((workshop, store, engine));
    }
    let mut rows = database.connect().await;
    sqlx::query(SETTLE).execute(&mut rows).await?;
    let before = counted(&mut rows).await?;
    let (workshop, store, _) = &engines[0];
    let interval = workshop.fire(store, "noop", work(TASKS, LANES, "null")).await?;
    let ended = workshop.ended(store, interval).await?;
    let after = counted(&mut rows).await?;
    for (_, _, engine) in engines {
        engine.stop(Duration::from_secs(5)).await?;
    }
    assert_eq!(ended.counts.completed, u64::from(TASKS), "{:?}", ended.reason);
    let took = ended.finished_at.zip(ended.started_at).map(|(end, start)| end.since(start)).expect("it has ended");
    let thousands = f64::from(TASKS) / 1_000.0;
    Ok(Cost {
        tasks_a_second: f64::from(TASKS) / took.as_secs_f64(),
        statements: (after.0 - before.0) / thousands,
        wal_bytes: (after.1 - before.1) / thousands,
    })
}

/// How many statements hosts have had carried out, `begin` and `commit` among them, and bytes of log were written.
async fn counted(rows: &mut PgConnection) -> Result<(f64, f64)> {
    let counted = "select cast(coalesce(sum(calls), 0) as double precision), \
        cast(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as double precision) \
        from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())";
    Ok(sqlx::query_as(counted).fetch_one(rows).await?)
}
