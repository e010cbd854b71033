//! An installation that outgrows its database, and one that goes back.

use crate::on_postgres::contents as on_postgres;
use crate::on_sqlite::{contents as on_sqlite, worked_world};
use crate::recovery::World;
use latchwork_tests::{HostBuilder, PostgresDatabase, text};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

/// The URL of a file.
fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn copy(from: &str, to: &str, flags: &[&str]) -> Output {
    let mut command = HostBuilder::new().bare_command();
    command.args(["db", "copy", "--from", from, "--to", to]).args(flags).output().unwrap()
}

/// Copies, and returns what is said of every table.
fn copied(from: &str, to: &str, flags: &[&str]) -> Value {
    let output = copy(from, to, &[flags, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(from: &str, to: &str) -> String {
    let output = copy(from, to, &[]);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// What is said of one table.
fn of<'a>(report: &'a Value, table: &str) -> &'a Value {
    let tables = report["tables"].as_array().expect("an array of tables");
    tables.iter().find(|entry| entry["name"] == table).unwrap_or_else(|| panic!("{table} is missing: {report}"))
}

#[tokio::test]
async fn every_value_of_every_table_is_the_same_after_the_way_to_postgresql_and_back() {
    let (closed, server) = (worked_world().await.closed(), PostgresDatabase::new().await);
    let file = closed.database();
    let before = on_sqlite(&file).await;
    assert!(before.values().all(|rows| !rows.is_empty()), "every table has rows");
    let report = copied(&sqlite(&file), &server.url(), &[]);
    assert_eq!(report["tables"].as_array().unwrap().len(), before.len(), "{report}");
    for (table, rows) in &before {
        assert_eq!(of(&report, table)["rows"], json!(rows.len()), "{table}");
    }
    let mut there = on_postgres(&server).await;
    let ended = |row: &std::collections::BTreeMap<String, String>| row["ended_at"] != "null";
    assert!(there["incarnations"].iter().all(ended), "whoever was open ended with the move");
    let mut expected = before.clone();
    expected.remove("incarnations");
    there.remove("incarnations");
    assert_eq!(there, expected);
    for table in ["logs", "events"] {
        let next = format!("select nextval(pg_get_serial_sequence('{table}', 'id')) > max(id) from {table}");
        let next = sqlx::query_scalar(sqlx::AssertSqlSafe(next));
        let is_behind: bool = next.fetch_one(&mut server.connect().await).await.unwrap();
        assert!(is_behind, "numbers of {table} go on behind those that came along");
    }
    let back = file.with_file_name("back.db");
    let again = copied(&server.url(), &sqlite(&back), &[]);
    let mut back = on_sqlite(&back).await;
    back.remove("incarnations");
    assert_eq!(back, expected);
    for entry in again["tables"].as_array().unwrap().iter().filter(|entry| entry["name"] != "incarnations") {
        assert_eq!(entry["rows"], of(&report, &text(&entry["name"]))["rows"], "{entry}");
    }
}

#[tokio::test]
async fn what_was_always_on_postgresql_goes_to_a_file_as_it_is() {
    let world = crate::on_postgres::worked_world().await;
    let before = on_postgres(world.server()).await;
    let url = world.server().url();
    let closed = world.closed();
    let files = tempfile::TempDir::new().unwrap();
    let file = files.path().join("latchwork.db");
    let report = copied(&url, &sqlite(&file), &[]);
    let there = on_sqlite(&file).await;
    for (table, rows) in before.iter().filter(|(table, _)| *table != "incarnations") {
        assert_eq!(&there[table], rows, "{table}");
        assert_eq!(of(&report, table)["rows"], json!(rows.len()), "{table}");
    }
    drop(closed);
}

#[test]
fn an_interval_that_a_kill_interrupted_goes_on_on_postgresql_with_what_is_missing() {
    let (world, server) = (World::new(), PostgresDatabase::blocking());
    let (_, job, interval) = world.killed_in_the_middle(json!({}));
    let before = world.witness.calls();
    copied(&sqlite(&world.builder.database()), &server.url(), &[]);

    let builder = HostBuilder::new().flag("--allow-dir", world.witness.allowed());
    let host = builder.variable("DATABASE_URL", &server.url()).start();
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(200)), "{ended}");
    assert_eq!((&ended["recovery_attempts"], &ended["job_id"]), (&json!(1), &json!(job)), "{ended}");
    let duplicates = ended["duplicates"].as_u64().unwrap();
    assert!((1..=2).contains(&duplicates), "{ended}");
    let after = world.witness.calls();
    let again = before.keys().filter(|index| after[index] > before[index]).count() as u64;
    assert!(again <= duplicates, "only tasks in flight run again: {again} of {duplicates}");
    assert!((0..200).all(|index| after[&index] >= 1), "every task was called");
    host.api.assert_goes_on();
}

#[test]
fn the_source_of_a_running_host_is_refused_by_the_hosts_name_on_both_databases() {
    let server = PostgresDatabase::blocking();
    let builder = HostBuilder::new().flag("--host-id", "mill-7");
    let host = builder.start();
    let refusal = refused(&sqlite(&builder.database()), &server.url());
    assert!(refusal.contains("host mill-7 runs on this database; stop it first"), "{refusal}");
    host.stop();
    copied(&sqlite(&builder.database()), &server.url(), &[]);

    let on_server = HostBuilder::new().flag("--host-id", "mill-8").variable("DATABASE_URL", &server.url());
    let host = on_server.start();
    let file = builder.database().with_file_name("other.db");
    let refusal = refused(&server.url(), &sqlite(&file));
    assert!(refusal.contains("host mill-8 runs on this database; stop it first"), "{refusal}");
    host.stop();
    copied(&server.url(), &sqlite(&file), &[]);
}

#[test]
fn a_target_with_rows_is_refused_with_what_is_there_and_stays_as_it_is() {
    let server = PostgresDatabase::blocking();
    let target = HostBuilder::new().variable("DATABASE_URL", &server.url());
    let host = target.start();
    host.api.upload_plugin("misbehave");
    let job = host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({}));
    host.stop();
    let source = HostBuilder::new();
    source.start().stop();
    let refusal = refused(&sqlite(&source.database()), &server.url());
    for found in ["the target is not empty", "1 row in jobs", "1 row in incarnations", "1 row in plugins"] {
        assert!(refusal.contains(found), "{found}: {refusal}");
    }
    assert_eq!(target.start().api.get(&format!("/jobs/{job}"))["id"], json!(job));
}

#[test]
fn what_cannot_be_copied_leaves_the_target_empty_and_is_named_with_its_mend() {
    let server = PostgresDatabase::blocking();
    let builder = HostBuilder::new();
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    host.api.assert_goes_on();
    host.stop();
    builder.rows().change("update intervals set reason = 'a' || char(0) || 'b'");
    let refusal = refused(&sqlite(&builder.database()), &server.url());
    for said in ["intervals.reason of the row (id = ", "NUL", "--nul show"] {
        assert!(refusal.contains(said), "{said}: {refusal}");
    }
    // The target is still empty, or this would be refused.
    let report = copied(&sqlite(&builder.database()), &server.url(), &["--nul", "show"]);
    assert_eq!(of(&report, "intervals")["replaced_nuls"], 1, "{report}");
    let host = HostBuilder::new().variable("DATABASE_URL", &server.url()).start();
    let job = text(&host.api.get("/jobs")["jobs"][0]["id"]);
    assert_eq!(host.api.intervals(&job)[0]["reason"], "a\u{2400}b");
    host.stop();

    builder.rows().change("update jobs set created_at = 'yesterday'");
    let other = PostgresDatabase::blocking();
    let refusal = refused(&sqlite(&builder.database()), &other.url());
    assert!(refusal.contains("jobs.created_at of the row (id = ") && refusal.contains("mend"), "{refusal}");
}

#[test]
fn a_source_that_is_not_there_or_of_a_newer_version_is_refused_with_the_mend() {
    let server = PostgresDatabase::blocking();
    let builder = HostBuilder::new();
    let refusal = refused(&sqlite(&builder.database()), &server.url());
    assert!(refusal.contains("there is no database at"), "{refusal}");
    assert!(!builder.database().exists(), "nothing is made");

    builder.start().stop();
    builder.rows().change(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'to come', true, x'00', 0)",
    );
    let refusal = refused("mysql://me:secret@db/x", &server.url());
    assert!(refusal.contains("--from takes sqlite:PATH") && !refusal.contains("secret"), "{refusal}");
    let refusal = refused(&sqlite(&builder.database()), &server.url());
    assert!(refusal.contains("version 9999") && refusal.contains("newer latchwork"), "{refusal}");
}
