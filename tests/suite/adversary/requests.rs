//! Guests that send requests to whom they may not, or in a way that nobody may.

use super::case::Case;
use crate::outgoing::grant;
use latchwork_tests::{Guest, Host, SUCCESS};
use serde_json::json;

/// `HTTP-request-denied`, by its place among the error codes of `wasi:http`.
const DENIED: u32 = 15;

pub(super) fn cases(host: &Host) -> Vec<Case> {
    let port = host.api.server().rsplit_once(':').expect("an address has a port").1;
    let port: u16 = port.parse().expect("a number");
    let here = |place: &str| format!("{place}:{port}");
    let (other, anywhere) = (grant("example.org", 80), grant("*", port));
    let cases = [
        ("a request without a grant", "GET", "example.com".to_owned(), json!({})),
        ("a request to another name than the granted one", "GET", "example.com".to_owned(), other.clone()),
        ("a request to another address than the granted one", "GET", "192.0.2.1".to_owned(), grant("192.0.2.2", 80)),
        ("a request to the host itself", "GET", here("127.0.0.1"), anywhere.clone()),
        ("a request to the host by its name", "GET", here("localhost"), anywhere.clone()),
        ("a request to the host by IPv6", "GET", here("[::1]"), anywhere.clone()),
        ("a request to the host in other digits", "GET", here("0x7f.1"), anywhere.clone()),
        ("a request to the host by one number", "GET", here("2130706433"), anywhere),
        ("a request to what a cloud tells its machines", "GET", "169.254.169.254".to_owned(), grant("*", 80)),
        ("a request with a user in it", "GET", "me:word@example.org:80".to_owned(), other.clone()),
        ("a request with the granted name for a user", "GET", "example.org@127.0.0.1".to_owned(), other.clone()),
        ("a tunnel", "CONNECT", "example.org".to_owned(), other),
    ];
    let case = |(name, method, authority, grants): (_, &str, String, _)| {
        Case::output(name, denied(method, &authority), json!(null)).with(json!({ "grants": grants }))
    };
    cases.into_iter().map(case).collect()
}

/// A guest that sends a request, and traps unless it is told that this was denied.
fn denied(method: &str, authority: &str) -> Guest {
    // It has come, it is taken for the first time, it is an error, and it is this one.
    let told = [(64, 1), (72, 0), (80, 1), (88, DENIED)].map(|(at, byte)| {
        format!("(if (i32.ne (i32.load8_u (i32.const {at})) (i32.const {byte})) (then (unreachable)))")
    });
    let run = format!(
        "(local $response i32)
        (local.set $response (call $send))
        (call $await (local.get $response))
        (call $response-get (local.get $response) (i32.const 64))
        {}
        {SUCCESS}",
        told.concat()
    );
    Guest::sending(method, authority, run)
}
