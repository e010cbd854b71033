//! Compiled code outlasts the host, and nobody else's code gets in with it.

use latchwork_tests::{Host, HostBuilder, text};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Does something to an entry of the cache, with its name.
type Change = (&'static str, fn(&Path));

/// With this a host can compile nothing.
const NO_COMPILER: (&str, &str) = ("--compile-memory-bytes-max", "1");

#[test]
fn a_restarted_host_compiles_nothing_again() {
    let (builder, job) = kept();
    let host = builder.flag(NO_COMPILER.0, NO_COMPILER.1).start();
    let ended = host.api.ended(&host.api.trigger(&job));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(host.api.upload("noop", &latchwork_tests::plugin("noop")).0, 422, "it could compile nothing");
    host.api.assert_goes_on();
}

#[test]
fn an_entry_that_was_changed_is_discarded_with_a_warning_and_compiled_again() {
    let changes: [Change; 4] = [
        ("a bit", |entry| {
            let mut bytes = std::fs::read(entry).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(entry, bytes).unwrap();
        }),
        ("half of it", |entry| {
            let file = std::fs::File::options().write(true).open(entry).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("all of it", |entry| std::fs::write(entry, "").unwrap()),
        ("another installation's", |entry| {
            let (foreign, _) = kept();
            std::fs::copy(entry_of(&foreign), entry).unwrap();
        }),
    ];
    let (builder, job) = kept();
    let entry = entry_of(&builder);
    for (what, change) in changes {
        change(&entry);
        let changed = std::fs::read(&entry).unwrap();
        let host = builder.start();
        let ended = host.api.ended(&host.api.trigger(&job));
        assert_eq!(ended["state"], "succeeded", "{what}: {ended}");
        let warning = format!("{} is discarded and the plugin compiled again", entry.display());
        assert!(host.log().contains(&warning), "{what}: {}", host.log());
        assert_ne!(std::fs::read(&entry).unwrap(), changed, "{what}: it is written anew");
        // The next start is to warn for itself.
        std::fs::write(builder.log(), "").unwrap();
        host.stop();
    }
}

#[test]
fn a_version_that_is_removed_leaves_no_code() {
    let builder = HostBuilder::new();
    let host = builder.start();
    let (_, hello) = host.api.upload("hello", &latchwork_tests::plugin("hello"));
    assert!(entry_of(&builder).exists());
    let path = format!("/plugins/hello/{}", text(&hello["digest"]));
    assert_eq!(host.api.send("DELETE", &path, None).0, 204);
    assert_eq!(std::fs::read_dir(builder.data_dir().join("code-cache")).unwrap().count(), 0);
}

/// A host that has run a job, and is gone; the job.
fn kept() -> (HostBuilder, String) {
    let builder = HostBuilder::new();
    let host: Host = builder.start();
    host.api.upload_plugin("misbehave");
    let job = host.api.manual_job("misbehave", &json!({ "act": "succeed" }), json!({}));
    assert_eq!(host.api.ended(&host.api.trigger(&job))["state"], "succeeded");
    host.stop();
    (builder, job)
}

/// The only entry of a host's cache.
fn entry_of(builder: &HostBuilder) -> PathBuf {
    let mut entries = std::fs::read_dir(builder.data_dir().join("code-cache")).unwrap();
    let entry = entries.next().expect("an entry").unwrap().path();
    assert!(entries.next().is_none(), "one entry alone");
    entry
}
