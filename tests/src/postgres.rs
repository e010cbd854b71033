//! A PostgreSQL server for each test process, and a database of its own for each test; another one for what is measured.

use latchwork::store::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::OnceCell;

/// Makes the server and outlives the tests by a moment: its input ends with their process, however that ends, and then
/// the server and its files go. It holds the directory, and says its name when the server listens.
const GUARD: &str = r#"
directory=$(mktemp -d "$1/latchwork-postgres-XXXXXX") || exit 1
trap '"$2/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null 2>&1; rm -rf "$directory"' EXIT
"$2/initdb" --pgdata "$directory/data" --username latchwork --auth trust --encoding UTF8 --locale C --no-sync \
    >"$directory/log" 2>&1 </dev/null || { cat "$directory/log" >&2; exit 1; }
"$2/pg_ctl" -D "$directory/data" -l "$directory/log" -o "-k $directory -c listen_addresses= $3" -w start >/dev/null 2>&1 </dev/null \
    || { cat "$directory/log" >&2; exit 1; }
echo "$directory"
cat >/dev/null
"#;

/// What the server of the tests is told: its files need not outlast a power cut.
const TESTED: &str = "-c fsync=off -c full_page_writes=off -c max_connections=400 -c deadlock_timeout=100ms";

/// What the server is told that is measured: it is as durable as everybody's, and counts statements.
const MEASURED: &str = "-c shared_preload_libraries=pg_stat_statements -c max_wal_size=4GB -c max_connections=800";

/// The database that those of the tests are copies of.
const TEMPLATE: &str = "migrated";

/// Ends what the last test has left open in a database, and removes its rows: a new database takes ten times as long.
const EMPTY: &str = "do $$ begin \
    perform pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() \
      and pid <> pg_backend_pid() and backend_type = 'client backend'; \
    execute (select 'truncate ' || string_agg(quote_ident(tablename), ', ') || ' restart identity' from pg_tables \
      where schemaname = 'public' and tablename <> '_sqlx_migrations'); \
    end $$";

/// A running server.
struct Cluster {
    directory: PathBuf,
    /// Whether the template is there.
    template: OnceCell<()>,
    /// Databases whose tests are over: emptied they serve the next ones.
    left: Mutex<Vec<String>>,
    _guard: Child,
}

/// A database with the whole schema, for one test.
pub struct PostgresDatabase {
    cluster: &'static Cluster,
    name: String,
}

impl PostgresDatabase {
    /// A new one; the first starts the server.
    pub async fn new() -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        Self::on(CLUSTER.get_or_init(|| Cluster::start(TESTED))).await
    }

    /// One on a server whose commits reach the disk, with `pg_stat_statements` in it.
    pub async fn measured() -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let database = Self::on(CLUSTER.get_or_init(|| Cluster::start(MEASURED))).await;
        let mut connection = database.connect().await;
        run(&mut connection, "create extension if not exists pg_stat_statements".to_owned()).await;
        connection.close().await.expect("the connection closes");
        database
    }

    async fn on(cluster: &'static Cluster) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let left = cluster.left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(name) = left {
            let mut connection = cluster.connect(&name).await;
            run(&mut connection, EMPTY.to_owned()).await;
            connection.close().await.expect("the connection closes");
            return Self { cluster, name };
        }
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut connection = cluster.administrator().await;
        run(&mut connection, format!("create database {name} template {TEMPLATE}")).await;
        connection.close().await.expect("the connection closes");
        Self { cluster, name }
    }

    /// The same for a test without a runtime of its own.
    pub fn blocking() -> Self {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(Self::new())
    }

    /// What `DATABASE_URL` takes.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// A connection past the store.
    pub async fn connect(&self) -> PgConnection {
        self.cluster.connect(&self.name).await
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whatever state it was left in is no beginning for another test.
            return;
        }
        let mut left = self.cluster.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(std::mem::take(&mut self.name));
    }
}

impl Cluster {
    fn start(settings: &str) -> Self {
        let (guard, directory) = guarded(GUARD, settings);
        Self { directory, template: OnceCell::new(), left: Mutex::default(), _guard: guard }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://latchwork@localhost/{database}?host={}", self.directory.display())
    }

    async fn connect(&self, database: &str) -> PgConnection {
        let options: PgConnectOptions = self.url(database).parse().expect("a URL");
        options.connect().await.expect("the server answers")
    }

    /// A connection to the server, once the template is there.
    async fn administrator(&self) -> PgConnection {
        self.template
            .get_or_init(|| async {
                let mut connection = self.connect("postgres").await;
                run(&mut connection, format!("create database {TEMPLATE}")).await;
                connection.close().await.expect("the connection closes");
                // A copy is refused while anybody is connected to what is copied.
                PostgresStore::open(&self.url(TEMPLATE), 1).await.expect("the schema is made").close().await;
            })
            .await;
        self.connect("postgres").await
    }
}

async fn run(connection: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.expect("the statement is sound");
}

/// Starts a guard as an ordinary user and waits until it says the name of its directory.
pub(crate) fn guarded(script: &str, settings: &str) -> (Child, PathBuf) {
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "sh"]).arg(std::env::temp_dir()).arg(programs()).arg(settings).current_dir("/");
    // What ends the tests from the terminal must not end the guard with them.
    guard.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut guard = as_ordinary_user(&mut guard).spawn().expect("sh starts");
    let mut line = String::new();
    let said = BufReader::new(guard.stdout.take().expect("it is piped")).read_line(&mut line);
    said.expect("the guard speaks");
    let directory = PathBuf::from(line.trim());
    assert!(directory.is_absolute(), "PostgreSQL did not start; what it says is above");
    (guard, directory)
}

/// PostgreSQL refuses to run as root.
pub(crate) fn as_ordinary_user(command: &mut Command) -> &mut Command {
    match ordinary_user() {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}

/// The folder of the server's programs.
pub(crate) fn programs() -> PathBuf {
    let packaged = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = packaged.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists());
    found.expect(
        "PostgreSQL 15 or later is not installed: the tests start a server of their own; apt install postgresql",
    )
}

/// Who runs it where this process is root, with which group.
fn ordinary_user() -> Option<(u32, u32)> {
    if Path::new("/proc/self").metadata().expect("this process is there").uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the users are listed");
    let ids = |name: &str| {
        let user = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = user.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("there is a user `postgres` or `nobody`"))
}
