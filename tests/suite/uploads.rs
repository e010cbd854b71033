//! What can be uploaded, what is refused and why, and what can be removed again.

use latchwork_tests::{Api, Host, HostBuilder, plugin, text};
use serde_json::{Value, json};

const EXPORTS_GREET: &str = r#"(component
    (core module $code (func (export "greet")))
    (core instance $code (instantiate $code))
    (func $greet (canon lift (core func $code "greet")))
    (export "greet" (func $greet)))"#;

const EXPORTS_OF_ANOTHER_TYPE: &str = r#"(component
    (core module $code (func (export "nothing")))
    (core instance $code (instantiate $code))
    (func $nothing (canon lift (core func $code "nothing")))
    (export "plan" (func $nothing))
    (export "run" (func $nothing)))"#;

const IMPORTS_HTTP: &str = r#"(component
    (import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func)))))"#;

const IMPORTS_WHAT_NOBODY_OFFERS: &str = r#"(component
    (import "acme:rockets/launch" (instance (export "ignite" (func)))))"#;

#[test]
fn a_new_digest_answers_201_and_the_same_again_200() {
    let host = HostBuilder::new().start();
    let hello = plugin("hello");
    let (status, uploaded) = host.api.upload("hello", &hello);
    assert_eq!((status, &uploaded["size_bytes"]), (201, &json!(hello.len())), "{uploaded}");
    let (again, same) = host.api.upload("hello", &hello);
    assert_eq!((again, &same["digest"]), (200, &uploaded["digest"]));
}

#[test]
fn the_version_uploaded_last_is_current_even_if_it_is_an_old_one() {
    let host = HostBuilder::new().start();
    let first = uploaded(&host.api, "plugin", "hello");
    let second = uploaded(&host.api, "plugin", "misbehave");
    assert_eq!(versions(&host.api, "plugin"), [second.clone(), first.clone()]);
    assert_eq!(uploaded(&host.api, "plugin", "hello"), first);
    assert_eq!(versions(&host.api, "plugin"), [first.clone(), second]);
    assert_eq!(host.api.get("/plugins")["plugins"][0]["digest"], json!(first));
    let ended = host.api.run("plugin", &json!({ "name": "you" }), json!({}));
    assert_eq!((&ended["state"], &ended["digest"]), (&json!("succeeded"), &json!(first)), "{ended}");
}

#[test]
fn what_is_no_plugin_is_refused_with_the_reason() {
    let host = HostBuilder::new().start();
    let cases: [(&str, Vec<u8>, &str, &[&str]); 9] = [
        ("text", b"#!/bin/sh\necho hello".to_vec(), "not_wasm", &["not WebAssembly"]),
        ("nothing", Vec::new(), "not_wasm", &["not WebAssembly"]),
        ("a core module", wat("(module)"), "core_module", &["wasm32-wasip2"]),
        ("an empty component", wat("(component)"), "wrong_world", &["`plan`", "exports nothing"]),
        ("another export", wat(EXPORTS_GREET), "wrong_world", &["`plan`", "exports greet"]),
        ("no `run`", without_run(), "wrong_world", &["`run`", "exports plan, rum"]),
        ("another type", wat(EXPORTS_OF_ANOTHER_TYPE), "wrong_world", &["type-checking", "`plan`"]),
        ("a WASI interface", wat(IMPORTS_HTTP), "unknown_import", &["wasi:http/outgoing-handler@0.2.0"]),
        ("any interface", wat(IMPORTS_WHAT_NOBODY_OFFERS), "unknown_import", &["acme:rockets/launch"]),
    ];
    for (what, bytes, code, named) in cases {
        let (status, problem) = host.api.upload("refused", &bytes);
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{what}: {problem}");
        for name in named {
            assert!(text(&problem["detail"]).contains(name), "{what}, {name}: {problem}");
        }
    }
    assert_eq!(host.api.get("/plugins"), json!({ "plugins": [] }), "nothing of it is kept");
}

#[test]
fn a_damaged_component_is_refused() {
    let host = HostBuilder::new().start();
    let mut damaged = plugin("hello");
    damaged.truncate(damaged.len() / 2);
    let (status, problem) = host.api.upload("damaged", &damaged);
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_component")), "{problem}");
}

#[test]
fn an_upload_over_the_cap_is_refused_with_the_cap_and_its_setting() {
    let host = HostBuilder::new().flag("--upload-bytes-max", 1_000).start();
    let (status, problem) = host.api.upload("large", &[0; 1_001]);
    assert_eq!((status, &problem["code"]), (413, &json!("too_large")), "{problem}");
    let detail = text(&problem["detail"]);
    assert!(detail.contains("1000 bytes") && detail.contains("LATCHWORK_UPLOAD_BYTES_MAX"), "{detail}");
    let (status, problem) = host.api.upload("small", &[0; 1_000]);
    assert_eq!((status, &problem["code"]), (422, &json!("not_wasm")), "the cap itself is allowed: {problem}");
}

#[test]
fn a_plugins_name_has_only_plain_characters() {
    let host = HostBuilder::new().start();
    for name in ["a%20b", "a%2Fb", "%C3%A4", &"n".repeat(129)] {
        let (status, problem) = host.api.upload(name, &plugin("hello"));
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{name}: {problem}");
        assert!(text(&problem["detail"]).starts_with("`name`"), "{name}: {problem}");
    }
}

#[test]
fn a_version_can_be_removed_unless_an_open_interval_is_pinned_to_it() {
    let host = HostBuilder::new().start();
    let digest = uploaded(&host.api, "misbehave", "misbehave");
    let job = host.api.manual_job("misbehave", &json!({ "act": "sleep", "ms": 600_000 }), json!({ "timeout": "1h" }));
    let interval = host.api.trigger(&job);

    let (status, problem) = delete(&host, "misbehave", &digest);
    assert_eq!((status, &problem["code"]), (409, &json!("version_in_use")), "{problem}");
    assert!(text(&problem["detail"]).contains(&interval), "the interval is named: {problem}");

    assert_eq!(host.api.send("DELETE", &format!("/jobs/{job}"), None).0, 204);
    assert_eq!(delete(&host, "misbehave", &digest).0, 204);
    assert_eq!(delete(&host, "misbehave", &digest).0, 404);
    assert_eq!(host.api.send("GET", "/plugins/misbehave", None).0, 404);
}

#[test]
fn versions_that_are_not_there_answer_404() {
    let host = HostBuilder::new().start();
    assert_eq!(delete(&host, "nobody", &"0".repeat(64)).0, 404);
    assert_eq!(delete(&host, "nobody", "no digest").0, 404);
    assert_eq!(host.api.send("GET", "/plugins/nobody", None).0, 404);
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("sound text")
}

/// A sound plugin, but for the name of one export.
fn without_run() -> Vec<u8> {
    let mut bytes = plugin("hello");
    // A component's own exports come last in its file: a zero, the name's length, the name.
    let name = bytes.windows(5).rposition(|name| name == b"\0\x03run").expect("`run` is exported");
    bytes[name + 4] = b'm';
    bytes
}

/// Uploads one of the project's plugins under any name and returns its digest.
fn uploaded(api: &Api, name: &str, file: &str) -> String {
    let (status, body) = api.upload(name, &plugin(file));
    assert!(status == 200 || status == 201, "{body}");
    text(&body["digest"])
}

fn versions(api: &Api, name: &str) -> Vec<String> {
    let versions = api.get(&format!("/plugins/{name}"));
    versions["versions"].as_array().expect("an array").iter().map(|version| text(&version["digest"])).collect()
}

fn delete(host: &Host, name: &str, digest: &str) -> (u16, Value) {
    host.api.send("DELETE", &format!("/plugins/{name}/{}", digest.replace(' ', "%20")), None)
}
