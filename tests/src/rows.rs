//! The rows of a host that does not run.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::PathBuf;

/// The database that a stopped or killed host has left: tests look into it, and damage it.
pub struct Rows(PathBuf);

impl Rows {
    pub(crate) fn of(database: PathBuf) -> Self {
        Self(database)
    }

    /// Asks for one number.
    pub fn number(&self, sql: &'static str) -> i64 {
        self.with(async |connection| sqlx::query_scalar(sql).fetch_one(connection).await)
    }

    /// Changes rows; a statement that finds none is a mistake of the test.
    pub fn change(&self, sql: &'static str) {
        let changed = self.with(async |connection| sqlx::query(sql).execute(connection).await);
        assert!(changed.rows_affected() > 0, "{sql}");
    }

    fn with<T>(&self, ask: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(&self.0);
            let mut connection = options.connect().await.expect("the database opens");
            let answer = ask(&mut connection).await.expect("the statement is sound");
            connection.close().await.expect("the database closes");
            answer
        })
    }
}
