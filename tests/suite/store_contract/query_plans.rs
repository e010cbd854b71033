//! How SQLite carries out the statements that run all the time.

use super::raw;
use crate::world::World;
use latchwork::store::SqliteStore;
use sqlx::{AssertSqlSafe, Row as _};

#[tokio::test]
async fn no_hot_statement_walks_a_table_that_grows_with_the_history() {
    let world = World::new().await;
    let mut connection = raw(&world).await;
    for (name, statement) in SqliteStore::HOT_STATEMENTS {
        let plan = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}")));
        for step in plan.fetch_all(&mut connection).await.unwrap() {
            let step: String = step.get("detail");
            for table in ["intervals", "segments", "jobs", "tasks", "outputs", "checkpoints", "events", "keys"] {
                let walks = step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "));
                assert!(!walks, "{name}: {step}");
            }
        }
    }
}

#[tokio::test]
async fn the_open_intervals_of_a_job_are_found_without_its_history() {
    let world = World::new().await;
    let mut connection = raw(&world).await;
    for wanted in ["due jobs", "next open interval", "release of what waits"] {
        let (_, statement) = SqliteStore::HOT_STATEMENTS.iter().find(|(name, _)| *name == wanted).unwrap();
        let plan = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}")));
        let steps: Vec<String> =
            plan.fetch_all(&mut connection).await.unwrap().iter().map(|step| step.get("detail")).collect();
        assert!(steps.iter().any(|step| step.contains("idx_intervals_open_of_job")), "{wanted}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{wanted}: {steps:?}");
    }
}
