//! Rows in every table, and what they hold, whatever tables and columns there are.

use super::{COLUMNS, Connection, REFERENCES, cell, raw};
use crate::hands::Hands;
use crate::world::{START, World, at, every, firing, job_on, manual_job, stages};
use latchwork::domain::ids::{IncarnationId, IntervalId, JobId, TaskIndex};
use latchwork::domain::interval::Origin;
use latchwork::domain::plan::Plan;
use latchwork::domain::schedule::Schedule;
use latchwork::domain::task::{Event, LogLevel, LogLine};
use latchwork::store::CheckpointSave;
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, BTreeSet};

/// What a row holds, by column.
pub(crate) type Cells = BTreeMap<String, String>;

/// All rows, by table.
pub(crate) type Contents = BTreeMap<String, BTreeSet<Cells>>;

/// What a table is made of: columns with their types, and whether a new row must have a value for each.
type Columns = BTreeMap<String, Vec<(String, String, bool)>>;

async fn columns(connection: &mut Connection) -> Columns {
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(COLUMNS).fetch_all(connection).await.unwrap();
    let mut columns = Columns::new();
    for (table, name, kind, is_needed) in rows {
        columns.entry(table).or_default().push((name, kind, is_needed));
    }
    columns
}

/// All that a database holds, written the same on each.
pub(crate) async fn contents(connection: &mut Connection) -> Contents {
    let mut contents = Contents::new();
    for (table, columns) in columns(connection).await {
        let cells: Vec<_> = columns.iter().map(|(name, kind, _)| cell(name, kind)).collect();
        let rows = format!("select {} from \"{table}\"", cells.join(" || ',' || "));
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut *connection).await.unwrap();
        let named = |row: String| {
            let cells = row.split(',').map(str::to_owned);
            columns.iter().map(|(name, ..)| name.clone()).zip(cells).collect::<Cells>()
        };
        contents.insert(table, rows.into_iter().map(named).collect());
    }
    contents
}

/// A store in which work of all kinds has been done and is under way, with rows in every table.
pub(crate) async fn worked_world() -> World {
    let world = super::new_world().await;
    let owner = world.host("a", START).await;
    world.upload("another", b"more bytes\0", START).await;
    let manual = world.keep(manual_job()).await;
    for schedule in [every(10), Schedule::Once { at: at(99) }] {
        world.keep(job_on(schedule)).await;
    }
    let paused = world.keep(manual_job()).await;
    assert!(world.pause_job(paused, "for the test", START).await.unwrap());
    work(&world, owner, manual).await;
    world.backfill_job(manual, START).await;
    super::secrets::put(&world, "TOKEN", "a key", b"\0sealed\xff", START).await;
    let waiting = world.fire_job(manual, START).await;
    let abandoned = world.fire_job(manual, at(1)).await;
    let replacement = firing(manual, Origin::Fallback { replaces: abandoned }, at(1));
    world.abandon(abandoned, "for the test", Some(&replacement), at(1)).await.unwrap();
    assert!(world.claim_pending(owner, at(1), 9).await.unwrap().contains(&waiting));
    fill_the_rest(&world).await;
    world
}

/// An interval in the middle: tasks that have completed, failed, wait for a retry and are in flight.
async fn work(world: &World, owner: IncarnationId, job: JobId) {
    let interval: IntervalId = world.fire_job(job, START).await;
    let plan: Plan = stages(&[("first", 200, &[]), ("second", 1, &["first"])]);
    world.plan(owner, interval, &plan).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.start(9, START);
    hands.complete([1]);
    hands.note(1, |task| {
        task.output = b"\0result\xff".to_vec();
        task.keys.insert("a key \0 with a NUL".to_owned(), Some(b"value".to_vec()));
        task.events = vec![Event { at: START, name: "news".to_owned(), body: "{}".to_owned() }];
        task.log = vec![LogLine { at: START, level: LogLevel::Info, message: "a line, with ü".to_owned() }];
    });
    hands.fail(2);
    hands.retry(3, at(60));
    hands.record(world).await.unwrap();
    let save = CheckpointSave { interval, segment: 0, index: TaskIndex(4), bytes: b"half way".to_vec() };
    assert_eq!(world.save_checkpoints(owner, &[save], at(1)).await.unwrap(), [true]);
}

/// One row of anything for tables that the work above leaves empty, so that a table that is new is not passed by.
async fn fill_the_rest(world: &World) {
    let mut connection = raw(world).await;
    let references: Vec<(String, String, String, String)> =
        sqlx::query_as(REFERENCES).fetch_all(&mut connection).await.unwrap();
    for (table, columns) in columns(&mut connection).await {
        let count = AssertSqlSafe(format!("select count(*) from \"{table}\""));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        if count > 0 {
            continue;
        }
        let value = |name: &String, kind: &String| {
            let names = |(from, column, ..): &&(String, String, String, String)| *from == table && column == name;
            match references.iter().find(names) {
                Some((.., other, column)) => format!("(select \"{column}\" from \"{other}\" limit 1)"),
                None if kind == "boolean" => "false".to_owned(),
                None if kind == "blob" || kind == "bytea" => "''".to_owned(),
                None if kind == "text" => "'a text'".to_owned(),
                None => "1".to_owned(),
            }
        };
        let needed: Vec<_> = columns.iter().filter(|(.., is_needed)| *is_needed).collect();
        let names: Vec<_> = needed.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
        let values: Vec<_> = needed.iter().map(|(name, kind, _)| value(name, kind)).collect();
        let insert = format!("insert into \"{table}\" ({}) values ({})", names.join(", "), values.join(", "));
        sqlx::query(AssertSqlSafe(insert)).execute(&mut connection).await.unwrap();
    }
}
