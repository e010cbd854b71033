//! What whoever watches an interval is told, as server-sent events or page by page.

use latchwork_tests::{Host, HostBuilder, text};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

/// A message of a stream.
#[derive(Debug)]
struct Message {
    event: String,
    id: Option<String>,
    data: Value,
}

struct Stream(BufReader<BodyReader<'static>>);

impl Stream {
    fn open(host: &Host, path: &str, last_event_id: Option<&str>) -> Self {
        let response = ask(host, path, "text/event-stream", last_event_id);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self(BufReader::new(response.into_body().into_reader()))
    }

    /// The next message; none at the end.
    fn next(&mut self) -> Option<Message> {
        let mut message = Message { event: String::new(), id: None, data: Value::Null };
        let mut data = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream ends in order") == 0 {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("event", value)) => value.trim().clone_into(&mut message.event),
                Some(("id", value)) => message.id = Some(value.trim().to_owned()),
                // A text of several lines comes as several.
                Some(("data", value)) => data += &format!("{value}\n"),
                None if !message.event.is_empty() => {
                    message.data = serde_json::from_str(&data).expect("JSON");
                    return Some(message);
                }
                _ => {}
            }
        }
    }

    fn rest(mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

fn ask(host: &Host, path: &str, accept: &str, last_event_id: Option<&str>) -> Response<Body> {
    let patience = Some(Duration::from_secs(60));
    let agent: Agent = Agent::config_builder().http_status_as_error(false).timeout_global(patience).build().into();
    let mut request = agent.get(format!("{}{path}", host.api.server())).header("accept", accept);
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    request.call().expect("the host answers")
}

/// An interval of which every task emits two events.
fn emitting(host: &Host, tasks: u32) -> String {
    let payload = json!({ "act": "emit", "times": 2, "name": "tide", "body": "{\n\"high\": true}" });
    host.api.trigger(&host.api.manual_job("misbehave", &payload, json!({ "tasks": tasks })))
}

/// An open interval of which nothing runs: its only task waits for its retry.
fn resting(host: &Host) -> (String, String) {
    let rest = json!({ "retry": { "max_attempts": 2, "backoff": "1h", "max_backoff": "1h" } });
    let job = host.api.manual_job("misbehave", &json!({ "act": "retryable", "until_attempt": 9 }), rest);
    let interval = host.api.trigger(&job);
    let task = || host.api.send("GET", &format!("/intervals/{interval}/tasks/0"), None).1;
    latchwork_tests::wait_for("the task to wait", || (task()["state"] == "waiting").then_some(()));
    (job, format!("/intervals/{interval}/events"))
}

fn plugin_ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|message| message.event == "plugin").filter_map(|message| message.id.as_deref()).collect()
}

#[test]
fn a_stream_tells_all_that_happens_and_ends_with_the_interval() {
    let host = crate::jobs::host();
    let interval = emitting(&host, 3);
    let messages = Stream::open(&host, &format!("/intervals/{interval}/events"), None).rest();
    let told: Vec<&Message> = messages.iter().filter(|message| message.event == "plugin").collect();
    assert_eq!(told.len(), 6, "{messages:?}");
    for message in told {
        assert_eq!((&message.data["name"], &message.data["body"]), (&json!("tide"), &json!({ "high": true })));
        assert_eq!(message.id.as_deref(), Some(message.data["id"].to_string().as_str()));
        assert!(message.data["index"].as_u64() < Some(3) && message.data["at"].is_string(), "{message:?}");
    }
    let progress = messages.iter().rfind(|message| message.event == "progress").unwrap();
    assert_eq!(progress.data, json!({ "total": 3, "completed": 3, "failed": 0, "running": 0 }));
    let last = messages.last().unwrap();
    assert_eq!(
        (last.event.as_str(), last.id.as_deref(), &last.data["state"]),
        ("state", Some("end"), &json!("succeeded"))
    );
}

#[test]
fn a_stream_is_live() {
    let host = crate::jobs::host();
    let (job, path) = resting(&host);
    let mut stream = Stream::open(&host, &path, None);
    let first = stream.next().unwrap();
    assert_eq!((first.event.as_str(), &first.data["state"]), ("state", &json!("running")));
    host.api.send("DELETE", &format!("/jobs/{job}"), None);
    let last = stream.rest().pop().unwrap();
    assert_eq!(last.data, json!({ "state": "cancelled", "reason": "the job was deleted" }));
}

#[test]
fn a_client_goes_on_where_it_was() {
    let host = crate::jobs::host();
    let interval = emitting(&host, 3);
    let path = format!("/intervals/{interval}/events");
    let messages = Stream::open(&host, &path, None).rest();
    let ids = plugin_ids(&messages);
    let rest = Stream::open(&host, &format!("{path}?after=0"), Some(ids[3])).rest();
    assert_eq!(plugin_ids(&rest), ids[4..], "the header goes before the address");
    let rest = Stream::open(&host, &format!("{path}?after={}", ids[4]), None).rest();
    assert_eq!(plugin_ids(&rest), ids[5..]);
    assert_eq!(ask(&host, &path, "text/event-stream", Some("end")).status().as_u16(), 204);
    assert_eq!(ask(&host, &path, "text/event-stream", Some("tide")).status().as_u16(), 400);
    assert_eq!(ask(&host, "/intervals/none/events", "text/event-stream", None).status().as_u16(), 404);
}

#[test]
fn who_asks_for_json_gets_a_page() {
    let host = crate::jobs::host();
    let interval = emitting(&host, 2);
    host.api.ended(&interval);
    let page = |query: &str| -> Vec<Value> {
        let mut response = ask(&host, &format!("/intervals/{interval}/events{query}"), "application/json", None);
        let page: Value = response.body_mut().read_json().unwrap();
        page["events"].as_array().unwrap().clone()
    };
    let all = page("");
    assert_eq!((all.len(), &all[0]["body"]), (4, &json!({ "high": true })));
    assert_eq!(page(&format!("?after={}&limit=2", all[0]["id"])), all[1..3]);
}

#[test]
fn what_a_failed_task_emitted_is_dropped() {
    let host = crate::jobs::host();
    let payload = json!({ "act": "emit", "times": 2, "name": "tide", "body": "1", "then": "fatal" });
    let ended = host.api.run("misbehave", &payload, json!({}));
    let messages = Stream::open(&host, &format!("/intervals/{}/events", text(&ended["id"])), None).rest();
    assert_eq!(plugin_ids(&messages), [""; 0]);
    assert_eq!(messages.last().unwrap().data["state"], "failed");
}

#[test]
fn a_host_serves_so_many_streams_and_ends_them_in_order_when_it_stops() {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    let (_, path) = resting(&host);
    let mut streams: Vec<Stream> = (0..64).map(|_| Stream::open(&host, &path, None)).collect();
    let mut refused = ask(&host, &path, "text/event-stream", None);
    let problem: Value = refused.body_mut().read_json().unwrap();
    assert_eq!((refused.status().as_u16(), &problem["code"]), (503, &json!("too_many_streams")), "{problem}");
    let kept = streams.pop().unwrap();
    host.signal("TERM");
    kept.rest();
    drop(streams);
    assert!(host.wait().success());
}
