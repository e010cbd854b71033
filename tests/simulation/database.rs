//! One SQLite file for each run, in memory where the machine offers that.

use latchwork::store::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::runtime::Handle;

pub(crate) struct Database {
    pub(crate) store: Arc<SqliteStore>,
    /// The threads behind sqlx; no host runs there.
    threads: Handle,
    files: TempDir,
}

impl Database {
    pub(crate) fn new(threads: &Handle) -> Self {
        static MIGRATED: OnceLock<Vec<u8>> = OnceLock::new();
        let files = files();
        let path = path(&files);
        std::fs::write(&path, MIGRATED.get_or_init(|| migrated(threads))).unwrap();
        let store = Arc::new(wait(threads, SqliteStore::open(&path)).unwrap());
        Self { store, threads: threads.clone(), files }
    }

    /// Runs a call to its end while this thread waits, so that the call is one step whatever sqlx does for it.
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        wait(&self.threads, call)
    }

    /// A connection for whoever wants to look past the store.
    pub(crate) fn connect(&self) -> SqliteConnection {
        self.wait(SqliteConnectOptions::new().filename(path(&self.files)).read_only(true).connect()).unwrap()
    }
}

fn wait<T>(threads: &Handle, call: impl Future<Output = T>) -> T {
    let _context = threads.enter();
    // Within a task of tokio's a call may be told to give way; it would be asked again for ever.
    futures::executor::block_on(tokio::task::unconstrained(call))
}

fn files() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn path(files: &TempDir) -> PathBuf {
    files.path().join("latchwork.db")
}

/// The bytes of a database with the whole schema and no rows: made once and copied, as migrating takes longer than a run.
fn migrated(threads: &Handle) -> Vec<u8> {
    let files = files();
    let copy = files.path().join("migrated.db");
    wait(threads, async {
        drop(SqliteStore::open(&path(&files)).await.unwrap());
        let options = SqliteConnectOptions::new().filename(path(&files));
        let mut connection = options.connect().await.unwrap();
        sqlx::query("vacuum into ?").bind(copy.to_str().unwrap()).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    std::fs::read(copy).unwrap()
}
