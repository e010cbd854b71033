//! What happens in an interval, as it happens: server-sent events, or a page of JSON.

use super::AppState;
use super::error::{ApiError, ApiResult};
use super::extract::{InPath, Parameters, id, not_found};
use crate::clock::Clock;
use crate::domain::ids::IntervalId;
use crate::domain::interval::IntervalState;
use crate::domain::job::Counts;
use crate::store::{EventRecord, IntervalRecord, Result as StoreResult, Store};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How many streams a host serves at a time; each looks at the store as long as it is open.
pub const STREAMS_MAX: usize = 64;

/// How often a stream looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The longest page; each body may have 64 KiB.
const PAGE_MAX: u32 = 100;

/// The id of a stream's last message. A client that comes back with it has seen all.
const END: &str = "end";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParameters {
    after: Option<i64>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Events {
    events: Vec<EventView>,
}

/// What a plugin emitted.
#[derive(Serialize)]
struct EventView {
    id: i64,
    index: Option<u32>,
    at: String,
    name: String,
    body: Box<RawValue>,
}

/// How far the interval is; a message `progress` whenever that has changed.
#[derive(Serialize, PartialEq)]
struct ProgressView {
    total: u64,
    completed: u64,
    failed: u64,
    running: u64,
}

/// In which state the interval is; a message `state` whenever that has changed.
#[derive(Serialize, PartialEq)]
struct StateView {
    state: &'static str,
    reason: Option<String>,
}

/// Where a client goes on.
enum Place {
    /// After the event with this id.
    After(i64),
    /// It has seen the end.
    End,
}

/// What happened in an interval, after the event in `Last-Event-ID` or `after`, and then what happens, until it ends.
///
/// A client that accepts `application/json` gets a page of what plugins emitted instead.
pub(super) async fn show(
    State(app): State<AppState>,
    path: InPath<String>,
    Parameters(parameters): Parameters<EventParameters>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let interval: IntervalId = id("interval", path)?;
    app.store.interval(interval).await?.ok_or_else(|| not_found("interval", interval))?;
    let after = match place(&headers, parameters.after)? {
        Place::After(after) => after,
        // Anything else would make an `EventSource` come back again and again.
        Place::End => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    if wants_json(&headers) {
        let limit = parameters.limit.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let events = app.store.events(interval, after, limit).await?;
        return Ok(Json(Events { events: events.into_iter().map(EventView::from).collect() }).into_response());
    }
    let permit = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| ApiError::TooManyStreams(STREAMS_MAX))?;
    let feed = Feed::new(&app, interval, after, permit);
    Ok(Sse::new(feed.stream()).keep_alive(KeepAlive::default()).into_response())
}

fn place(headers: &HeaderMap, after: Option<i64>) -> Result<Place, ApiError> {
    // A browser repeats the address as it was and adds the header, so that goes first.
    let Some(seen) = headers.get("last-event-id") else { return Ok(Place::After(after.unwrap_or(0))) };
    let seen = seen.to_str().unwrap_or_default();
    let unknown = |_| ApiError::BadRequest(format!("`Last-Event-ID: {seen}` is neither an event's id nor `{END}`"));
    if seen == END { Ok(Place::End) } else { seen.parse().map(Place::After).map_err(unknown) }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    accepts.contains("application/json") && !accepts.contains("text/event-stream")
}

/// One client's stream. It looks only when the client has taken what it found before, so a slow one costs a page.
struct Feed {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    interval: IntervalId,
    after: i64,
    progress: Option<ProgressView>,
    state: Option<StateView>,
    found: VecDeque<sse::Event>,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

/// What a stream does when its client has taken all that was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more.
    Look,
    /// There will be more.
    Wait,
    /// There is nothing more.
    End,
}

impl Feed {
    fn new(app: &AppState, interval: IntervalId, after: i64, permit: OwnedSemaphorePermit) -> Self {
        Self {
            store: Arc::clone(&app.store),
            clock: Arc::clone(&app.clock),
            stop: app.stop.clone(),
            interval,
            after,
            progress: None,
            state: None,
            found: VecDeque::new(),
            next: Next::Look,
            _permit: permit,
        }
    }

    fn stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        futures::stream::unfold(self, async |mut feed| {
            let message = feed.message().await?;
            Some((Ok(message), feed))
        })
    }

    /// The next message; none at the end, which also a host that stops and a store that fails are: the client comes back.
    async fn message(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(message) = self.found.pop_front() {
                return Some(message);
            }
            match self.next {
                Next::End => return None,
                Next::Look => {}
                Next::Wait => tokio::select! {
                    () = self.clock.sleep_for(LOOK_EVERY) => {}
                    () = self.stop.cancelled() => return None,
                },
            }
            if let Err(error) = self.look().await {
                if error.is_away() {
                    return None;
                }
                let error = &error as &dyn std::error::Error;
                warn!(error, interval.id = %self.interval, "A stream of events ends: the store does not answer");
                return None;
            }
        }
    }

    async fn look(&mut self) -> StoreResult<()> {
        // The interval first: when that has ended, all of its events are there.
        let Some(interval) = self.store.interval(self.interval).await? else {
            self.next = Next::End;
            return Ok(());
        };
        let has_ended = !interval.state.is_open();
        if !has_ended {
            self.tell_state(&interval, sse::Event::default());
        }
        let events = self.store.events(self.interval, self.after, PAGE_MAX).await?;
        let has_more = events.len() == PAGE_MAX as usize;
        for event in events {
            self.after = event.id;
            let message = sse::Event::default().event("plugin").id(event.id.to_string());
            self.tell(message, &EventView::from(event));
        }
        self.tell_progress(interval.counts);
        self.next = match (has_more, has_ended) {
            (true, _) => Next::Look,
            (false, true) => {
                self.tell_state(&interval, sse::Event::default().id(END));
                Next::End
            }
            (false, false) => Next::Wait,
        };
        Ok(())
    }

    fn tell_progress(&mut self, counts: Counts) {
        let Counts { total, completed, failed, running } = counts;
        let progress = ProgressView { total, completed, failed, running };
        if self.progress.as_ref() != Some(&progress) {
            self.tell(sse::Event::default().event("progress"), &progress);
            self.progress = Some(progress);
        }
    }

    fn tell_state(&mut self, interval: &IntervalRecord, message: sse::Event) {
        let state = StateView::from((interval.state, interval.reason.clone()));
        if self.state.as_ref() != Some(&state) {
            self.tell(message.event("state"), &state);
            self.state = Some(state);
        }
    }

    fn tell(&mut self, message: sse::Event, data: &impl Serialize) {
        self.found.push_back(message.json_data(data).expect("the views are JSON"));
    }
}

impl From<(IntervalState, Option<String>)> for StateView {
    fn from((state, reason): (IntervalState, Option<String>)) -> Self {
        Self { state: state.name(), reason }
    }
}

impl From<EventRecord> for EventView {
    fn from(event: EventRecord) -> Self {
        // What the host keeps was checked when it was emitted; a row changed by hand is shown as a string.
        let body = RawValue::from_string(event.body).or_else(|_| serde_json::value::to_raw_value("unreadable"));
        Self {
            id: event.id,
            index: event.index.map(|index| index.0),
            at: event.at.to_string(),
            name: event.name,
            body: body.expect("a string is JSON"),
        }
    }
}
