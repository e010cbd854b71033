//! A PostgreSQL server that a test stops and starts again, on one address.

use crate::postgres::{as_ordinary_user, guarded, programs};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Makes the files of a server and says where they are. The server goes with them when the tests' process has ended.
const GUARD: &str = r#"
directory=$(mktemp -d "$1/latchwork-postgres-XXXXXX") || exit 1
trap '"$2/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null 2>&1; rm -rf "$directory"' EXIT
"$2/initdb" --pgdata "$directory/data" --username latchwork --auth trust --encoding UTF8 --locale C --no-sync \
    >"$directory/log" 2>&1 </dev/null || { cat "$directory/log" >&2; exit 1; }
echo "$directory"
cat >/dev/null
"#;

/// A server of one test's own. It ends with it.
pub struct PostgresServer {
    directory: PathBuf,
    port: u16,
    connections_max: u16,
    guard: Child,
}

impl PostgresServer {
    /// A running one that serves so many connections.
    pub fn start(connections_max: u16) -> Self {
        let (guard, directory) = guarded(GUARD, "");
        // Whoever asks next gets another.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let server = Self { directory, port, connections_max, guard };
        server.start_again();
        server
    }

    /// Where it listens on 127.0.0.1, also while it does not run.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `DATABASE_URL` takes.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Ends it without a word to anybody, as a crash would: it recovers at its start.
    pub fn crash(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Ends it in order; its clients are told.
    pub fn stop(&self) {
        self.control(&["-m", "fast", "stop"]);
    }

    /// Starts it where it was.
    pub fn start_again(&self) {
        let Self { directory, port, connections_max, .. } = self;
        let settings = format!(
            "-k {} -c listen_addresses=127.0.0.1 -p {port} -c max_connections={connections_max} -c fsync=off \
             -c full_page_writes=off -c deadlock_timeout=100ms -c superuser_reserved_connections=0",
            directory.display()
        );
        self.control(&["-o", &settings, "-w", "start"]);
    }

    /// Carries out a statement.
    pub fn run(&self, statement: &str) {
        self.with(async |connection| {
            sqlx::query(AssertSqlSafe(statement)).execute(connection).await.expect("the statement is sound");
        });
    }

    /// Asks for one number.
    pub fn number(&self, query: &str) -> i64 {
        self.with(async |connection| {
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(connection).await.expect("the query is sound")
        })
    }

    /// A connection; none where the server does not run, or has no room.
    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        connect(self.port).await
    }

    fn with<T>(&self, ask: impl AsyncFnOnce(&mut PgConnection) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut connection = self.connect().await.expect("the server answers");
            let answer = ask(&mut connection).await;
            connection.close().await.expect("the connection closes");
            answer
        })
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = Command::new(programs().join("pg_ctl"));
        command.arg("-D").arg(self.directory.join("data")).arg("-l").arg(self.directory.join("log")).args(arguments);
        // The server would keep a pipe open for as long as it runs.
        as_ordinary_user(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let log = || std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert!(command.status().expect("pg_ctl runs").success(), "pg_ctl {arguments:?}:\n{}", log());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It ends by itself.
        let _ = self.guard.wait();
    }
}

/// A connection to the server at a port.
pub async fn connect(port: u16) -> sqlx::Result<PgConnection> {
    url(port).parse::<PgConnectOptions>().expect("a URL").connect().await
}

/// What `DATABASE_URL` takes of a server that is reached through a port.
pub fn url(port: u16) -> String {
    format!("postgres://latchwork:secret@127.0.0.1:{port}/postgres?sslmode=disable")
}
