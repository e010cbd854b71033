//! Sees, past all hosts, when tasks are recorded.

use latchwork::clock::{Clock as _, SystemClock};
use latchwork::domain::progress::Bitmap;
use latchwork_tests::server::connect;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks.
const GLANCE: Duration = Duration::from_millis(100);

const DONE: &str = "select first_index, length, done from segments where interval_id = $1";

/// What has been seen of an interval's rows.
#[derive(Default)]
pub(crate) struct Seen {
    /// For each index, a time in milliseconds since 1970 at which it was recorded already.
    pub(crate) recorded_at: Vec<Option<i64>>,
    /// Indices that were recorded once and later were not.
    pub(crate) forgotten: Vec<usize>,
    pub(crate) looks: u32,
}

/// Looks at an interval's rows, again and again.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    /// Dropped at the end.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    pub(crate) fn of(server_port: u16, interval: &str, tasks: u32) -> Self {
        let seen = Arc::new(Mutex::new(Seen { recorded_at: vec![None; tasks as usize], ..Seen::default() }));
        let (stop, stopped) = mpsc::channel::<()>();
        let (notes, interval) = (Arc::clone(&seen), interval.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut connection = None;
            loop {
                let is_last = !matches!(stopped.recv_timeout(GLANCE), Err(RecvTimeoutError::Timeout));
                // A server that is away is asked again at the next glance.
                connection = runtime.block_on(look(connection, server_port, &interval, &notes));
                if is_last {
                    return;
                }
            }
        });
        Self { seen, stop: Some(stop), thread: Some(thread) }
    }

    /// How many tasks were recorded when it last looked.
    pub(crate) fn recorded(&self) -> usize {
        lock(&self.seen).recorded_at.iter().flatten().count()
    }

    /// Looks once more, and tells what it has seen.
    pub(crate) fn end(mut self) -> Seen {
        drop(self.stop.take());
        self.thread.take().expect("it ends once").join().expect("the observer goes on to its end");
        std::mem::take(&mut *lock(&self.seen))
    }
}

async fn look(connection: Option<PgConnection>, port: u16, interval: &str, seen: &Mutex<Seen>) -> Option<PgConnection> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(port).await.ok()?,
    };
    let rows = sqlx::query(DONE).bind(interval).fetch_all(&mut connection).await.ok()?;
    // After the answer: what it tells was so by then.
    let now = SystemClock.now().ms();
    let mut seen = lock(seen);
    seen.looks += 1;
    for row in rows {
        let number = |column| usize::try_from(row.get::<i64, _>(column)).expect("no number is negative");
        let (first, length) = (number("first_index"), number("length"));
        let bytes: Vec<u8> = row.get("done");
        let done = Bitmap::from_bytes(u32::try_from(length).expect("a length"), &bytes).expect("a sound bitmap");
        let is_done = |offset: usize| done.contains(u32::try_from(offset).expect("an offset"));
        for index in first..first + length {
            let before = seen.recorded_at[index];
            match (before, is_done(index - first)) {
                (None, true) => seen.recorded_at[index] = Some(now),
                (Some(_), false) => seen.forgotten.push(index),
                (None, false) | (Some(_), true) => {}
            }
        }
    }
    Some(connection)
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
