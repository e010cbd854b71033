//! Requests that are refused: by the job's grants, by the operator's bound, by the address that a name stands for.

use crate::outgoing::{builder, fetch, grant, start};
use latchwork_tests::{HostBuilder, Web, text};
use serde_json::{Value, json};

#[test]
fn a_request_passes_only_where_scheme_host_port_and_method_are_granted() {
    let (web, host) = (Web::start(), start(&builder().flag("--allow-http", "https://*:*")));
    let url = web.url("127.0.0.1", "/ok");
    let one = |scheme: &str, host: &str, port: u16, methods: &[&str]| json!({ "http": [{ "scheme": scheme, "host": host, "port": port, "methods": methods }] });
    let port = web.port();
    let cases = [
        ("nothing", json!({})),
        ("another host", one("http", "127.0.0.2", port, &[])),
        ("a name for the address", one("http", "localhost", port, &[])),
        ("another port", one("http", "127.0.0.1", port ^ 1, &[])),
        ("another scheme", one("https", "127.0.0.1", port, &[])),
        ("another method", one("http", "127.0.0.1", port, &["POST", "HEAD"])),
    ];
    for (what, grants) in cases {
        let ended = fetch(&host, json!({ "url": url }), grants, json!({}));
        ended.assert_denied(&format!("GET {url} was refused: the job does not grant it; `grants.http` takes"));
        assert!(web.seen().is_empty(), "{what} is granted, and a request arrived");
    }
    let ended = fetch(&host, json!({ "url": url }), one("http", "127.0.0.1", port, &["GET"]), json!({}));
    assert_eq!(ended.task["output"]["status"], 200, "{:?}", ended.log);
}

#[test]
fn a_user_in_the_url_cannot_disguise_where_a_request_goes() {
    let (web, host) = (Web::start(), start(&builder()));
    let url = format!("http://me:word@127.0.0.1:{}/ok", web.port());
    let ended = fetch(&host, json!({ "url": url }), grant("*", web.port()), json!({}));
    ended.assert_denied("a URL holds no user and no password");
    assert!(!format!("{:?}", ended.log).contains("word@"), "{:?}", ended.log);
    assert!(web.seen().is_empty());
}

#[test]
fn an_address_inside_is_refused_however_it_is_written_or_named() {
    let web = Web::start();
    let host = start(&HostBuilder::new().flag("--allow-http", "http://*:*"));
    for place in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
    ] {
        let ended = fetch(&host, json!({ "url": web.url(place, "/ok") }), grant("*", web.port()), json!({}));
        let refused = ended.log.iter().any(|line| line.contains("does not let plugins reach"));
        let unknown = ended.log.iter().any(|line| line.contains("the name cannot be looked up"));
        assert!(refused || unknown, "{place}: {} {:?}", ended.task, ended.log);
        assert!(web.seen().is_empty(), "{place}");
    }
    let ended = fetch(&host, json!({ "url": web.url("localhost", "/ok") }), grant("*", web.port()), json!({}));
    ended.assert_denied("127.0.0.1");
    ended.assert_denied("start it with --allow-address");
    let metadata = json!({ "url": "http://169.254.169.254/latest/meta-data/" });
    fetch(&host, metadata, grant("*", 80), json!({})).assert_denied("does not let plugins reach 169.254.169.254");
}

#[test]
fn of_the_addresses_of_a_name_only_those_allowed_are_tried() {
    let (web, host) = (Web::start(), start(&builder()));
    let ended = fetch(&host, json!({ "url": web.url("localhost", "/ok") }), grant("localhost", web.port()), json!({}));
    assert_eq!(ended.task["output"]["status"], 200, "{:?}", ended.log);
    let ended = fetch(&host, json!({ "url": web.url("[::1]", "/ok") }), grant("::1", web.port()), json!({}));
    ended.assert_denied("does not let plugins reach ::1");
}

fn job(http: Value) -> Value {
    json!({
        "name": "fetch", "plugin": "fetch", "type": "manual", "payload": { "urls": ["http://127.0.0.1:1/"] },
        "grants": { "http": [http] },
    })
}

#[test]
fn a_grant_beyond_what_the_operator_allows_is_refused_and_the_mend_is_named() {
    let host = start(
        &HostBuilder::new().variable("LATCHWORK_ALLOW_HTTP", "https://api.example.com,https://*.example.org:8443"),
    );
    for (grant, mend) in [
        (json!({ "host": "example.com" }), "--allow-http https://example.com"),
        (json!({ "host": "*.example.com" }), "--allow-http https://*.example.com"),
        (json!({ "host": "api.example.com", "port": 8443 }), "--allow-http https://api.example.com:8443"),
        (json!({ "host": "api.example.com", "scheme": "http" }), "--allow-http http://api.example.com"),
        (json!({ "host": "a.example.org" }), "--allow-http https://a.example.org"),
        (json!({ "host": "*" }), "--allow-http https://*"),
    ] {
        let (status, problem) = host.api.send("POST", "/jobs", Some(&job(grant)));
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
        let detail = text(&problem["detail"]);
        assert!(detail.starts_with("`grants.http`") && detail.ends_with(mend), "{detail}");
    }
    let kept = host.api.create_job(&job(json!({ "host": "api.example.com" })));
    let change = json!({ "grants": { "http": [{ "host": "a.example.org", "port": 8443 }] } });
    assert_eq!(host.api.send("PATCH", &format!("/jobs/{kept}"), Some(&change)).0, 200);
    let change = json!({ "grants": { "http": [{ "host": "a.example.net" }] } });
    assert_eq!(host.api.send("PATCH", &format!("/jobs/{kept}"), Some(&change)).0, 422);
}

#[test]
fn an_operator_who_takes_a_server_back_keeps_later_intervals_from_it() {
    let web = Web::start();
    let builder = HostBuilder::new().flag("--allow-address", "127.0.0.1").flag("--allow-http", "http://*:*");
    let host = start(&builder);
    let mut job = job(json!({ "scheme": "http", "host": "127.0.0.1", "port": web.port() }));
    job["payload"]["urls"] = json!([web.url("127.0.0.1", "/ok")]);
    job["retry"] = json!({ "max_attempts": 1 });
    let job = host.api.create_job(&job);
    assert_eq!(host.api.ended(&host.api.trigger(&job))["state"], "succeeded");
    host.stop();

    let host = builder.without_flag("--allow-http").start();
    let ended = host.api.ended(&host.api.trigger(&job));
    assert_eq!(ended["state"], "failed", "{ended}");
    let reason = text(&ended["reason"]);
    assert!(reason.contains("grants.http") && reason.contains("--allow-http"), "{reason}");
    assert_eq!(web.seen().len(), 1);
}

#[test]
fn what_a_plugin_asks_for_is_shown_and_a_job_that_grants_none_of_it_is_warned() {
    let host = start(&builder());
    let shown = host.api.get("/plugins/fetch")["versions"][0]["asks_for"].clone();
    for asked in ["outgoing HTTP", "configuration and secrets"] {
        assert!(shown.as_array().unwrap().contains(&json!(asked)), "{shown}");
    }
    let output = crate::hosts::cli(&host, &["plugin", "show", "fetch"]);
    assert!(output.contains("outgoing HTTP"), "{output}");

    let mut without = job(json!({}));
    without["grants"] = json!({});
    let (status, created) = host.api.send("POST", "/jobs", Some(&without));
    assert_eq!(status, 201, "{created}");
    let warning = text(&created["warning"]);
    assert!(warning.contains("asks for outgoing HTTP and the job grants none"), "{warning}");
    let id = text(&created["id"]);
    let output = crate::hosts::cli(&host, &["job", "show", &id]);
    assert!(output.contains("asks for outgoing HTTP"), "{output}");

    let output = crate::hosts::cli(&host, &["job", "edit", &id, "--grant-http", "GET,POST=http://127.0.0.1:8080"]);
    assert!(!output.contains("asks for"), "{output}");
    let edited = host.api.get(&format!("/jobs/{id}"));
    assert_eq!(edited["warning"], Value::Null, "{edited}");
    let granted = json!([{ "scheme": "http", "host": "127.0.0.1", "port": 8080, "methods": ["GET", "POST"] }]);
    assert_eq!(edited["grants"]["http"], granted);
    host.api.upload_plugin("misbehave");
    assert_eq!(
        host.api.get(&format!("/jobs/{}", host.api.manual_job("misbehave", &json!({}), json!({}))))["warning"],
        Value::Null
    );
}
