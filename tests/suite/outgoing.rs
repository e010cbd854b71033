//! A task's requests: what passes, what becomes of bodies, time and redirects, and what the log says of it.

use latchwork_tests::{Guest, Host, HostBuilder, Web, text};
use serde_json::{Value, json};

/// A host on which jobs may be granted any server of this machine.
pub(crate) fn builder() -> HostBuilder {
    HostBuilder::new().flag("--allow-http", "http://*:*").flag("--allow-address", "127.0.0.0/8")
}

pub(crate) fn start(builder: &HostBuilder) -> Host {
    let host = builder.start();
    host.api.upload_plugin("fetch");
    host
}

/// The grant of a server of this machine.
pub(crate) fn grant(host: &str, port: u16) -> Value {
    json!({ "http": [{ "scheme": "http", "host": host, "port": port }] })
}

/// What the one task of an interval came to, with its log.
pub(crate) struct Ended {
    pub(crate) interval: String,
    pub(crate) task: Value,
    pub(crate) log: Vec<String>,
}

/// Has a request sent by a job with these grants, once.
pub(crate) fn fetch(host: &Host, mut payload: Value, grants: Value, rest: Value) -> Ended {
    let url = payload["url"].take();
    payload["urls"] = json!([url]);
    let mut fields = json!({ "grants": grants, "retry": { "max_attempts": 1 } });
    fields.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let ended = host.api.run("fetch", &payload, fields);
    let interval = text(&ended["id"]);
    let (task, log) = (host.api.task(&interval, 0), host.api.log(&interval, Some(0)));
    Ended { interval, task, log }
}

impl Ended {
    fn failure(&self) -> (String, String) {
        let failure = &self.task["failure"];
        assert!(failure.is_object(), "{}: {:?}", self.task, self.log);
        (text(&failure["kind"]), text(&failure["message"]))
    }

    /// Checks that the request was refused, for a reason that the log tells.
    pub(crate) fn assert_denied(&self, reason: &str) {
        let (kind, message) = self.failure();
        assert!(kind == "fatal" && message.contains("HttpRequestDenied"), "{kind}: {message}, {:?}", self.log);
        assert!(self.log.iter().any(|line| line.contains(reason)), "{reason}: {:?}", self.log);
    }
}

#[test]
fn a_granted_request_carries_the_tasks_key_and_is_logged_with_its_status_and_without_its_query() {
    let (web, host) = (Web::start(), start(&builder()));
    let url = web.url("127.0.0.1", "/ok?token=private");
    let ended = fetch(&host, json!({ "url": url }), grant("127.0.0.1", web.port()), json!({}));
    assert_eq!(ended.task["output"], json!({ "status": 200, "body": "ok" }), "{:?}", ended.log);
    let seen = web.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/ok?token=private"));
    assert_eq!(seen[0].header("idempotency-key"), format!("{}/0", ended.interval));
    assert_eq!(seen[0].header("host"), format!("127.0.0.1:{}", web.port()));
    let line = format!("GET {}: 200 in ", web.url("127.0.0.1", "/ok"));
    assert!(ended.log.iter().any(|logged| logged.starts_with(&line) && logged.ends_with(" ms")), "{:?}", ended.log);
    assert!(!format!("{:?}", ended.log).contains("private"), "{:?}", ended.log);
    assert!(!host.log().contains("/ok"), "the host's own log is for its own affairs: {}", host.log());
}

#[test]
fn a_plugins_own_key_and_body_arrive_as_they_are() {
    let (web, host) = (Web::start(), start(&builder()));
    let payload = json!({
        "url": web.url("localhost", "/ok"), "method": "POST", "body": "x".repeat(10_000),
        "headers": { "Idempotency-Key": "mine" },
    });
    let ended = fetch(&host, payload, grant("localhost", web.port()), json!({}));
    assert_eq!(ended.task["output"]["status"], 200, "{} {:?}", ended.task, ended.log);
    let seen = web.seen();
    assert_eq!((seen[0].header("idempotency-key"), seen[0].body_bytes), ("mine", 10_000));
}

#[test]
fn a_redirect_is_a_request_like_any_other() {
    let (web, other, host) = (Web::start(), Web::start(), start(&builder()));
    let url = web.url("127.0.0.1", &format!("/to/{}", other.url("127.0.0.1", "/ok")));
    let ended = fetch(&host, json!({ "url": url }), grant("127.0.0.1", web.port()), json!({}));
    ended.assert_denied(&format!(r#""host":"127.0.0.1","port":{},"methods":["GET"]"#, other.port()));
    assert_eq!((web.seen().len(), other.seen().len()), (1, 0));

    let grants = json!({ "http": [grant("127.0.0.1", web.port())["http"][0], grant("*", other.port())["http"][0]] });
    let ended = fetch(&host, json!({ "url": url }), grants, json!({}));
    assert_eq!(ended.task["output"]["body"], "ok", "{:?}", ended.log);
    assert_eq!((web.seen().len(), other.seen().len()), (1, 1));
}

#[test]
fn a_body_beyond_the_limit_ends_the_call_with_the_limits_name_and_value() {
    let (web, host) = (Web::start(), start(&builder()));
    let limit = json!({ "http_body_limit_bytes": 1_000 });
    let post =
        |bytes: usize| json!({ "url": web.url("127.0.0.1", "/ok"), "method": "POST", "body": "x".repeat(bytes) });
    let get = |path: &str| json!({ "url": web.url("127.0.0.1", path) });
    for (payload, body) in
        [(post(9_000), "request"), (get("/bytes/1001"), "response"), (get("/stream/5000"), "response")]
    {
        let ended = fetch(&host, payload.clone(), grant("127.0.0.1", web.port()), limit.clone());
        let (kind, message) = ended.failure();
        let named = format!("the body of a {body} has at most 1000 bytes (http_body_limit_bytes): ");
        assert_eq!(kind, "limit_exceeded", "{message}");
        assert!(message.starts_with(&named), "{message}");
        assert!(ended.log.iter().any(|line| line.starts_with(&named)), "{:?}", ended.log);
    }
    for payload in [post(1_000), get("/bytes/1000"), get("/stream/1000")] {
        let ended = fetch(&host, payload.clone(), grant("127.0.0.1", web.port()), limit.clone());
        assert_eq!(ended.task["output"]["status"], 200, "{payload}: {} {:?}", ended.task, ended.log);
    }
}

#[test]
fn a_server_that_never_answers_ends_with_the_calls_timeout() {
    let (web, host) = (Web::start(), start(&builder()));
    let payload = json!({ "url": web.url("127.0.0.1", "/never") });
    let ended = fetch(&host, payload, grant("127.0.0.1", web.port()), json!({ "timeout": "2s" }));
    let (kind, message) = ended.failure();
    assert_eq!((kind.as_str(), message.as_str()), ("timeout", "the call took longer than 2s (timeout)"));
    assert_eq!(web.seen().len(), 1);
    let line = format!("GET {}: still open when the call ended, after ", web.url("127.0.0.1", "/never"));
    assert!(ended.log.iter().any(|logged| logged.starts_with(&line)), "{:?}", ended.log);
    host.api.upload_plugin("misbehave");
    host.api.assert_goes_on();
}

#[test]
fn a_request_is_told_in_the_log_also_where_that_keeps_nothing_of_the_plugin() {
    let (web, host) = (Web::start(), start(&builder()));
    let rest = json!({ "log_limit_bytes": 0 });
    let ended =
        fetch(&host, json!({ "url": web.url("127.0.0.1", "/ok") }), grant("127.0.0.1", web.port()), rest.clone());
    assert_eq!(ended.task["output"]["status"], 200, "{:?}", ended.log);
    assert!(ended.log[0].contains("/ok: 200 in "), "{:?}", ended.log);

    let given_up = Guest::sending("GET", &format!("127.0.0.1:{}", web.port()), "(drop (call $send)) (i32.const 16)");
    host.api.upload("hasty", &given_up.component());
    let fields = json!({ "grants": grant("127.0.0.1", web.port()), "log_limit_bytes": 0 });
    let interval = text(&host.api.run("hasty", &json!(null), fields)["id"]);
    let log = host.api.log(&interval, Some(0));
    let line = format!("GET {}: ", web.url("127.0.0.1", "/"));
    assert!(log.len() == 1 && log[0].starts_with(&line), "{log:?}");
}

#[test]
fn a_server_that_is_not_there_is_told_in_the_log_and_may_be_tried_again() {
    let host = start(&builder());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let payload = json!({ "url": format!("http://127.0.0.1:{free}/") });
    let ended = fetch(&host, payload, grant("127.0.0.1", free), json!({}));
    let (kind, message) = ended.failure();
    assert!(kind == "retryable" && message.contains("ConnectionRefused"), "{kind}: {message}");
    assert!(ended.log.iter().any(|line| line.contains("no connection: ")), "{:?}", ended.log);
}

#[test]
fn sockets_and_look_ups_of_names_are_never_granted() {
    let (web, host) = (Web::start(), start(&builder()));
    host.api.upload_plugin("misbehave");
    for place in ["127.0.0.1", "localhost"] {
        let payload = json!({ "act": "connect", "address": format!("{place}:{}", web.port()) });
        let rest = json!({ "grants": grant("*", web.port()) });
        let ended = host.api.run("misbehave", &payload, rest);
        let output = &host.api.task(&text(&ended["id"]), 0)["output"];
        assert_eq!(output["connected"], false, "{place}: {output} {ended}");
    }
}

#[test]
fn configuration_values_are_environment_variables() {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    let rest = json!({ "grants": { "config": { "REGION": "eu", "EMPTY": "" } } });
    let ended = host.api.run("misbehave", &json!({ "act": "environment" }), rest);
    let output = &host.api.task(&text(&ended["id"]), 0)["output"];
    assert_eq!(output["variables"], json!({ "REGION": "eu", "EMPTY": "" }), "{ended}");
}
