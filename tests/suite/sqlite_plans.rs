//! How SQLite carries out the statements that run all the time.

use crate::mill::Mill;
use crate::on_sqlite::raw;
use crate::world::World;
use latchwork::domain::rules::Retention;
use latchwork::store::SqliteStore;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row as _};

/// The tables that grow with the history, or with the jobs.
const GROWING: [&str; 11] =
    ["intervals", "segments", "stages", "tasks", "outputs", "logs", "events", "checkpoints", "jobs", "keys", "secrets"];

/// The steps of a statement, in words.
async fn steps(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let plan = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}")));
    plan.fetch_all(connection).await.unwrap().iter().map(|step| step.get("detail")).collect()
}

async fn assert_nothing_is_walked(connection: &mut SqliteConnection) {
    for (name, statement) in SqliteStore::HOT_STATEMENTS {
        for step in steps(connection, statement).await {
            for table in GROWING {
                let walks = step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "));
                // An index that holds open intervals alone is short whatever the history.
                assert!(!walks || step.contains("idx_intervals_open"), "{name}: {step}");
            }
        }
    }
}

#[tokio::test]
async fn no_hot_statement_walks_a_table_that_grows_with_the_history() {
    let world = World::new().await;
    assert_nothing_is_walked(&mut raw(&world).await).await;
}

#[tokio::test]
async fn what_sqlite_learns_of_a_long_history_has_it_walk_nothing_either() {
    let mut mill = Mill::new(100, Retention { intervals: None, days: None }).await;
    for _ in 0..20 {
        mill.round().await;
    }
    let mut connection = raw(&mill.world).await;
    assert_nothing_is_walked(&mut connection).await;
    sqlx::query("analyze").execute(&mut connection).await.unwrap();
    drop(connection);
    // A connection reads what was learned when it opens.
    assert_nothing_is_walked(&mut raw(&mill.world).await).await;
}

#[tokio::test]
async fn the_open_intervals_of_a_job_are_found_without_its_history() {
    let world = World::new().await;
    let mut connection = raw(&world).await;
    for wanted in ["due jobs", "next open interval", "next open interval of each job", "release of what waits"] {
        let (_, statement) = SqliteStore::HOT_STATEMENTS.iter().find(|(name, _)| *name == wanted).unwrap();
        let steps = steps(&mut connection, statement).await;
        assert!(steps.iter().any(|step| step.contains("idx_intervals_open_of_job")), "{wanted}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{wanted}: {steps:?}");
    }
}

#[tokio::test]
async fn a_history_is_counted_in_its_index_and_its_oldest_are_read_in_order() {
    let world = World::new().await;
    let mut connection = raw(&world).await;
    let statement = |wanted| SqliteStore::HOT_STATEMENTS.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let counts = steps(&mut connection, statement("length of a history")).await;
    for index in ["idx_intervals_job", "idx_intervals_open_of_job", "idx_intervals_unrun"] {
        assert!(counts.iter().any(|step| step.contains(&format!("{index} (job_id=?)"))), "{index}: {counts:?}");
    }
    let oldest = steps(&mut connection, statement("oldest intervals")).await;
    assert!(oldest[0].contains("(job_id=?)"), "{oldest:?}");
    assert!(!oldest.iter().any(|step| step.contains("TEMP B-TREE")), "{oldest:?}");
}

#[tokio::test]
async fn what_is_written_together_is_found_row_by_row() {
    let world = World::new().await;
    let mut connection = raw(&world).await;
    for wanted in ["segments with work left", "segments that are let go", "begin of an interval"] {
        let (_, statement) = SqliteStore::HOT_STATEMENTS.iter().find(|(name, _)| *name == wanted).unwrap();
        let steps = steps(&mut connection, statement).await;
        assert!(steps[0].starts_with("SCAN listed VIRTUAL TABLE"), "{wanted}: {steps:?}");
        let last = steps.last().unwrap();
        assert!(last.starts_with("SEARCH ") && last.contains("sqlite_autoindex"), "{wanted}: {steps:?}");
    }
}
