//! Hints to other hosts and from them, by NOTIFY and LISTEN.
//!
//! A hint is a statement of its own after the commit that it tells of: transactions that notify wait for each other when
//! they commit, and what makes completions durable must not.

use super::PostgresStore;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::hint::Hint;
use crate::domain::ids::IncarnationId;
use crate::store::{Result, StoreError};
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::sync::Mutex;

/// What all hosts on a database listen to.
const CHANNEL: &str = "latchwork_hints";

/// A connection that has been silent for so long may lead nowhere any more, or to a server that is none of them now:
/// another one is made.
const LISTEN_FOR: Duration = Duration::from_secs(60);

/// The connection that listens: its own, beside those of the pool.
pub(super) struct Ear {
    /// By what its own hints are known, which come back like those of others.
    name: String,
    listener: Mutex<Option<PgListener>>,
}

impl Ear {
    pub(super) fn new() -> Self {
        Self { name: IncarnationId::generate().to_string(), listener: Mutex::default() }
    }

    /// Connects to the server that the pool is on by now.
    async fn connect(&self, pool: &PgPool) -> Result<PgListener> {
        let options = (*pool.connect_options()).clone();
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    /// The hints of a message, unless it is its own.
    fn read(&self, message: &str) -> Vec<Hint> {
        let mut words = message.split(' ');
        if words.next() == Some(&*self.name) {
            return Vec::new();
        }
        words.filter_map(Hint::named).collect()
    }
}

pub(super) async fn tell(store: &PostgresStore, hints: &[Hint]) -> Result<()> {
    let words: Vec<_> = std::iter::once(&*store.ear.name).chain(hints.iter().map(|hint| hint.name())).collect();
    let tell = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(words.join(" "));
    tell.execute(&store.writer).await?;
    Ok(())
}

pub(super) async fn hear(store: &PostgresStore) -> Result<Vec<Hint>> {
    let mut held = store.ear.listener.lock().await;
    let Some(listener) = &mut *held else {
        *held = Some(store.ear.connect(&store.writer).await?);
        return Ok(Hint::ALL.to_vec());
    };
    let silence = SystemClock.sleep_for(LISTEN_FOR);
    tokio::pin!(silence);
    loop {
        let heard = tokio::select! {
            heard = listener.try_recv() => heard,
            () = &mut silence => {
                *held = None;
                return Ok(Vec::new());
            }
        };
        match heard {
            Ok(Some(message)) => {
                let hints = store.ear.read(message.payload());
                if !hints.is_empty() {
                    return Ok(hints);
                }
            }
            lost => {
                *held = None;
                return Err(StoreError::from(
                    lost.err().unwrap_or(std::io::Error::from(ErrorKind::ConnectionReset).into()),
                ));
            }
        }
    }
}
