//! Requests over TLS: they go to servers for which an authority vouches that the host's machine trusts.

use crate::outgoing::{Ended, fetch, start};
use latchwork_tests::{Authority, Host, HostBuilder, Web};
use serde_json::json;

/// A host on a machine that trusts this authority alone; its jobs may be granted any server of this machine.
fn builder(trusted: &Authority) -> HostBuilder {
    let builder = HostBuilder::new().variable("SSL_CERT_FILE", trusted.file());
    builder.flag("--allow-http", "https://*:*").flag("--allow-address", "127.0.0.0/8")
}

/// Has a request sent to `localhost`, by a job that is granted it.
fn ask(host: &Host, web: &Web) -> Ended {
    let grants = json!({ "http": [{ "scheme": "https", "host": "localhost", "port": web.port() }] });
    fetch(host, json!({ "url": web.url("localhost", "/ok") }), grants, json!({}))
}

/// Checks that the server was connected to, was not believed for a reason that the log tells, and was asked nothing.
fn assert_not_believed(ended: &Ended, web: &Web, reason: &str) {
    let failure = &ended.task["failure"];
    let message = failure["message"].as_str().unwrap_or_default();
    let is_of_tls = failure["kind"] == "retryable" && message.contains("TlsProtocolError");
    assert!(is_of_tls, "{}: {:?}", ended.task, ended.log);
    let line = format!("GET {}: no TLS: invalid peer certificate: {reason}", web.url("localhost", "/ok"));
    assert!(ended.log.iter().any(|logged| logged.starts_with(&line)), "{line}: {:?}", ended.log);
    assert_eq!((web.connections(), web.seen().len()), (1, 0));
}

#[test]
fn a_request_over_tls_carries_the_tasks_key_and_is_logged_with_its_status() {
    let authority = Authority::new("ours");
    let (web, host) = (Web::start_tls(&authority, "localhost"), start(&builder(&authority)));
    let ended = ask(&host, &web);
    assert_eq!(ended.task["output"], json!({ "status": 200, "body": "ok" }), "{:?}", ended.log);
    let seen = web.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/ok"));
    assert_eq!(seen[0].header("idempotency-key"), format!("{}/0", ended.interval));
    assert_eq!(seen[0].header("host"), format!("localhost:{}", web.port()));
    let line = format!("GET https://localhost:{}/ok: 200 in ", web.port());
    assert!(ended.log.iter().any(|logged| logged.starts_with(&line) && logged.ends_with(" ms")), "{:?}", ended.log);
}

#[test]
fn a_server_of_an_authority_that_the_machine_does_not_know_is_asked_nothing() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (web, host) = (Web::start_tls(&theirs, "localhost"), start(&builder(&ours)));
    assert_not_believed(&ask(&host, &web), &web, "UnknownIssuer");
}

#[test]
fn a_server_with_the_certificate_of_another_name_is_asked_nothing() {
    let authority = Authority::new("ours");
    let (web, host) = (Web::start_tls(&authority, "example.com"), start(&builder(&authority)));
    assert_not_believed(&ask(&host, &web), &web, r#"certificate not valid for name "localhost""#);
}

#[test]
fn an_address_inside_is_refused_before_it_is_connected_to() {
    let authority = Authority::new("ours");
    let web = Web::start_tls(&authority, "localhost");
    let ended = ask(&start(&builder(&authority).without_flag("--allow-address")), &web);
    ended.assert_denied("127.0.0.1");
    ended.assert_denied("start it with --allow-address");
    // Connections come in one after another: one of the first host would be counted by now.
    let ended = ask(&start(&builder(&authority)), &web);
    assert_eq!(ended.task["output"]["status"], 200, "{:?}", ended.log);
    assert_eq!((web.connections(), web.seen().len()), (1, 1));
}
