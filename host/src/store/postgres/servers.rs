//! The servers that a URL names, and which of them takes writes.

use super::fault::{Fault, fault, reason};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{Result, StoreError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Error};
use std::str::FromStr as _;
use std::time::Duration;

/// How long one server may take to let a host in.
const LET_IN_WITHIN: Duration = Duration::from_secs(2);

/// Whether a server takes no writes: a standby, or one that is kept read-only.
const IS_READ_ONLY: &str = "select pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on'";

/// The servers that a database may be on, the first choice first.
pub(super) struct Servers(Vec<PgConnectOptions>);

impl Servers {
    /// Those of a URL. It may name several, separated by commas, each with a port of its own.
    pub(super) fn of(url: &str) -> Result<Self> {
        let options =
            |url: String| Ok(PgConnectOptions::from_str(&url).map_err(StoreError::from)?.application_name("latchwork"));
        Ok(Self(one_by_one(url).into_iter().map(options).collect::<Result<_>>()?))
    }

    /// Connects to the first that takes writes and leaves it again; tells what is wrong with the last where none does.
    pub(super) async fn reach(&self) -> std::result::Result<Server<'_>, Unreached> {
        let mut unreached = Unreached { fault: Fault::Fatal, reason: "the URL names no server".to_owned() };
        for (number, options) in self.0.iter().enumerate() {
            match try_one(options).await {
                Ok(()) => return Ok(Server { number, options }),
                // One that is only full is there: what others lack does not count.
                Err(error) if unreached.fault != Fault::Full => unreached = error,
                Err(_) => {}
            }
        }
        Err(unreached)
    }
}

/// One of the servers.
#[derive(Debug)]
pub(super) struct Server<'a> {
    /// Its place in the URL.
    pub(super) number: usize,
    pub(super) options: &'a PgConnectOptions,
}

/// Why no server could be used.
#[derive(Debug)]
pub(super) struct Unreached {
    pub(super) fault: Fault,
    pub(super) reason: String,
}

impl From<Unreached> for StoreError {
    fn from(unreached: Unreached) -> Self {
        match unreached.fault {
            Fault::Fatal => Self::Refused(unreached.reason),
            Fault::Away | Fault::Full | Fault::Refusing | Fault::Conflict => Self::Away(unreached.reason),
        }
    }
}

async fn try_one(server: &PgConnectOptions) -> std::result::Result<(), Unreached> {
    let ask = async {
        let mut connection = server.connect().await?;
        let is_read_only: bool = sqlx::query_scalar(IS_READ_ONLY).fetch_one(&mut connection).await?;
        // It has answered; whether it says goodbye does not matter.
        let _ = connection.close().await;
        Ok::<_, Error>(is_read_only)
    };
    let away = |reason: String| Unreached { fault: Fault::Away, reason };
    tokio::select! {
        biased;
        asked = ask => match asked {
            Ok(false) => Ok(()),
            Ok(true) => Err(away(format!("{} takes no writes: it is a standby, or read-only", name(server)))),
            Err(error) => Err(Unreached { fault: fault(&error), reason: format!("{}: {}", name(server), reason(&error)) }),
        },
        () = SystemClock.sleep_for(LET_IN_WITHIN) => {
            Err(away(format!("{} does not answer within {LET_IN_WITHIN:?}", name(server))))
        }
    }
}

/// A server as people know it.
fn name(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}

/// One URL for each server that a URL names, as libpq lists them; sqlx takes one. A `target_session_attrs` is left out: what
/// takes no writes is never used.
fn one_by_one(url: &str) -> Vec<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A password may hold an `@`.
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query: Vec<_> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("target_session_attrs=")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}{query}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_servers() {
        assert_eq!(one_by_one("postgres://db/x"), ["postgres://db/x"]);
        assert_eq!(
            one_by_one("postgresql://me:a,b@c@one:1,two:2,three/x?sslmode=require&target_session_attrs=read-write"),
            [
                "postgresql://me:a,b@c@one:1/x?sslmode=require",
                "postgresql://me:a,b@c@two:2/x?sslmode=require",
                "postgresql://me:a,b@c@three/x?sslmode=require",
            ]
        );
        assert_eq!(one_by_one("postgres://one,two?target_session_attrs=any"), ["postgres://one", "postgres://two"]);
        assert_eq!(one_by_one("postgres://me@localhost/x?host=/run/a"), ["postgres://me@localhost/x?host=/run/a"]);
    }

    #[test]
    fn every_server_is_reached_with_the_same_name_and_database() {
        let servers = Servers::of("postgres://me:secret@one:1,two/x").unwrap();
        let seen: Vec<_> =
            servers.0.iter().map(|server| (name(server), server.get_username(), server.get_database())).collect();
        assert_eq!(seen, [("one:1".to_owned(), "me", Some("x")), ("two:5432".to_owned(), "me", Some("x"))]);
    }
}
