//! Secrets from outside: stored, listed and deleted over the API and by commands, granted to jobs, and put under another
//! key.

use latchwork_tests::{Host, HostBuilder, PostgresDatabase, text};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tempfile::TempDir;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// Files with keys.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A file that nobody else can read.
    fn file(&self, name: &str, text: &str) -> String {
        self.file_with(name, text, 0o600)
    }

    fn file_with(&self, name: &str, text: &str, mode: u32) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    }
}

/// A host with a key and a plugin.
fn host_with_key(keys: &Keys) -> Host {
    let host = HostBuilder::new().flag("--secrets-key-file", keys.file("key", &format!("{KEY}\n"))).start();
    host.api.upload_plugin("misbehave");
    host
}

fn put(host: &Host, name: &str, value: &str) -> (u16, Value) {
    host.api.send("PUT", &format!("/workspaces/default/secrets/{name}"), Some(&json!({ "value": value })))
}

fn delete(host: &Host, name: &str) -> (u16, Value) {
    host.api.send("DELETE", &format!("/workspaces/default/secrets/{name}"), None)
}

fn listed(host: &Host) -> Vec<String> {
    let secrets = host.api.get("/workspaces/default/secrets");
    secrets["secrets"].as_array().unwrap().iter().map(|secret| text(&secret["name"])).collect()
}

/// A job that is granted a secret, and succeeds where it can be opened.
fn granted(name: &str) -> Value {
    json!({
        "name": "granted", "plugin": "misbehave", "type": "manual", "payload": { "act": "succeed" },
        "retry": { "max_attempts": 1 }, "grants": { "secrets": [{ "name": name }] },
    })
}

fn run(host: &Host, job: &Value) -> Value {
    host.api.ended(&host.api.trigger(&host.api.create_job(job)))
}

/// Runs `latchwork secret rotate` with a host's settings.
fn rotate(builder: &HostBuilder) -> Output {
    let mut command = builder.bare_command();
    command.args(["secret", "rotate", "--json", "--data-dir"]).arg(builder.data_dir()).output().unwrap()
}

fn rotated(builder: &HostBuilder) -> (u64, u64) {
    let output = rotate(builder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["changed"].as_u64().unwrap(), report["unchanged"].as_u64().unwrap())
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_secret_is_stored_replaced_listed_without_its_value_and_deleted() {
    let host = host_with_key(&Keys::new());
    let (status, first) = put(&host, "API_TOKEN", "one");
    assert_eq!(status, 201, "{first}");
    assert_eq!(first["name"], "API_TOKEN");
    let (status, second) = put(&host, "API_TOKEN", "two");
    assert_eq!((status, &second["created_at"]), (200, &first["created_at"]), "{second}");
    put(&host, "ANOTHER", "three");
    let list = host.api.get("/workspaces/default/secrets");
    assert_eq!(list["secrets"][1], second, "{list}");
    assert_eq!(list["secrets"][1].as_object().unwrap().len(), 3, "name, created_at and updated_at: {list}");
    assert_eq!(host.api.get("/workspaces/other/secrets"), json!({ "secrets": [] }));
    assert_eq!(delete(&host, "API_TOKEN").0, 204);
    let (status, problem) = delete(&host, "API_TOKEN");
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{problem}");
    assert_eq!(listed(&host), ["ANOTHER"]);
}

#[test]
fn what_is_no_secret_is_refused_and_not_said_again() {
    let host = host_with_key(&Keys::new());
    let (most, longer) = ("x".repeat(64 << 10), "x".repeat((64 << 10) + 1));
    assert_eq!(put(&host, "MOST", &most).0, 201);
    let path = "/workspaces/default/secrets/NAME";
    let refused = |path: &str, body: Value| {
        let (status, problem) = host.api.send("PUT", path, Some(&body));
        assert!(status == 400 || status == 422, "{body}: {problem}");
        let detail = text(&problem["detail"]);
        assert!(!detail.contains("9071"), "what was sent is not shown: {detail}");
        detail
    };
    for body in [json!({ "value": "" }), json!({ "value": "9071\0" }), json!({ "value": longer })] {
        assert!(refused(path, body).contains("`value`: takes 1 to 65536 bytes, and no NUL"));
    }
    for body in [
        json!({ "value": 90_719_071 }),
        json!("9071"),
        json!({ "9071": "9071" }),
        json!({ "value": "9071", "9071": 1 }),
        json!({ "value": ["9071"] }),
        json!({}),
    ] {
        assert!(refused(path, body).contains(r#"the body takes {"value": "…"}"#));
    }
    for name in ["api-token", "1ST", "A%20B", "%C3%9C", &"A".repeat(256)] {
        let path = format!("/workspaces/default/secrets/{name}");
        assert!(refused(&path, json!({ "value": "9071" })).contains("no name of a variable"), "{name}");
    }
    refused("/workspaces/%20/secrets/NAME", json!({ "value": "9071" }));
    refused("/workspaces/a%00b/secrets/NAME", json!({ "value": "9071" }));
    assert_eq!(listed(&host), ["MOST"]);
}

#[test]
fn without_a_key_a_secret_is_refused_with_the_setting_and_all_else_works() {
    let host = HostBuilder::new().start();
    host.api.upload_plugin("misbehave");
    let (status, problem) = put(&host, "API_TOKEN", "hunter2");
    assert_eq!((status, &problem["code"]), (503, &json!("no_secrets_key")), "{problem}");
    let detail = text(&problem["detail"]);
    for part in ["LATCHWORK_SECRETS_KEY_FILE", "--secrets-key-file", "openssl rand -hex 32"] {
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(listed(&host), [""; 0]);
    host.api.assert_goes_on();
}

#[test]
fn a_job_is_granted_only_what_there_is_and_keeps_it_from_being_deleted() {
    let host = host_with_key(&Keys::new());
    let unknown = |(status, problem): (u16, Value)| {
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
        let detail = text(&problem["detail"]);
        assert!(detail.starts_with("`grants.secrets`") && detail.contains("latchwork secret set"), "{detail}");
        detail
    };
    assert!(unknown(host.api.send("POST", "/jobs", Some(&granted("TOKEN")))).contains("`TOKEN`"));
    put(&host, "TOKEN", "hunter2");
    let id = host.api.create_job(&granted("TOKEN"));
    let mut elsewhere = granted("TOKEN");
    elsewhere["workspace_id"] = json!("other");
    let said = unknown(host.api.send("POST", "/jobs", Some(&elsewhere)));
    assert!(said.contains("--workspace other"), "{said}");
    let grants = json!({ "grants": { "secrets": [{ "name": "TOKEN" }, { "name": "LATER", "env": "L" }] } });
    assert!(unknown(host.api.send("PATCH", &format!("/jobs/{id}"), Some(&grants))).contains("`LATER`"));
    put(&host, "LATER", "hunter3");
    let (status, job) = host.api.send("PATCH", &format!("/jobs/{id}"), Some(&grants));
    assert_eq!((status, &job["grants"]["secrets"][1]["name"]), (200, &json!("LATER")), "{job}");

    let (status, problem) = delete(&host, "LATER");
    assert_eq!((status, &problem["code"]), (409, &json!("secret_granted")), "{problem}");
    assert!(text(&problem["detail"]).contains(&format!("granted ({id})")), "{problem}");
    assert_eq!(host.api.ended(&host.api.trigger(&id))["state"], "succeeded");
    assert_eq!(host.api.send("DELETE", &format!("/jobs/{id}"), None).0, 204);
    assert_eq!(delete(&host, "LATER").0, 204);
    assert_eq!(listed(&host), ["TOKEN"]);
}

#[test]
fn the_commands_store_from_stdin_list_and_delete() {
    let keys = Keys::new();
    let builder = HostBuilder::new().flag("--secrets-key-file", keys.file("key", KEY));
    let host = builder.start();
    let secret = |arguments: &[&str], stdin: &str| {
        let mut command = builder.bare_command();
        command.args(["--server", host.api.server(), "secret"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that is refused may not read it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };
    let says = |arguments: &[&str], stdin: &str| {
        let output = secret(arguments, stdin);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(says(&["set", "TOKEN"], "hunter2\n"), "stored TOKEN\n");
    assert_eq!(says(&["set", "TOKEN"], "two\nlines\n"), "replaced TOKEN\n");
    says(&["set", "WINDOWS", "--workspace", "default"], "12345\r\n");
    says(&["set", "BARE", "--workspace-id", "other"], "1234");
    let list = says(&["list"], "");
    assert!(list.contains("TOKEN") && list.contains("WINDOWS") && !list.contains("BARE"), "{list}");
    assert!(says(&["list", "--workspace", "other"], "").contains("BARE"));
    assert_eq!(refusal(&secret(&["set", "EMPTY"], "\n")).matches("takes 1 to 65536 bytes").count(), 1);
    assert!(refusal(&secret(&["set", "TOKEN", "hunter2"], "")).contains("unexpected argument"));
    assert_eq!(says(&["delete", "BARE", "--workspace", "other"], ""), "deleted BARE\n");
    assert!(refusal(&secret(&["delete", "BARE"], "")).contains("not_found"));
    host.stop();
    // A version, a nonce and a tag around the value.
    let bytes = "select sum(length(ciphertext) - 41) from secrets where name in ('TOKEN', 'WINDOWS')";
    assert_eq!(builder.rows().number(bytes), "two\nlines".len() as i64 + 5, "one line end is left out");
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_stops_the_start_and_is_not_shown() {
    let keys = Keys::new();
    let open = keys.file_with("open", KEY, 0o644);
    let of_group = keys.file_with("group", KEY, 0o640);
    let short = keys.file("short", &KEY[2..]);
    let (sound, same) = (keys.file("sound", KEY), keys.file("same", &KEY.to_uppercase()));
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("LATCHWORK_SECRETS_KEY_FILE", &open)], "chmod 600"),
        (&[("LATCHWORK_SECRETS_KEY_FILE", &of_group)], "mode 640"),
        (&[("LATCHWORK_SECRETS_KEY_FILE", &short)], "LATCHWORK_SECRETS_KEY_FILE takes a key of 32 bytes"),
        (&[("LATCHWORK_SECRETS_KEY", &KEY[2..])], "LATCHWORK_SECRETS_KEY takes a key of 32 bytes"),
        (&[("LATCHWORK_SECRETS_KEY", "")], "openssl rand -hex 32"),
        (&[("LATCHWORK_SECRETS_KEY", KEY), ("LATCHWORK_SECRETS_KEY_FILE", &sound)], "are both given"),
        (&[("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", &sound)], "LATCHWORK_SECRETS_KEY_FILE is not"),
        (
            &[("LATCHWORK_SECRETS_KEY_FILE", &sound), ("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", &same)],
            "hold the same key",
        ),
        (
            &[("LATCHWORK_SECRETS_KEY_FILE", &sound), ("LATCHWORK_SECRETS_PREVIOUS_KEY", "x")],
            "LATCHWORK_SECRETS_PREVIOUS_KEY takes a key",
        ),
    ];
    for (variables, said) in cases {
        let builder = HostBuilder::new();
        let output = builder.command().envs(variables.iter().copied()).output().unwrap();
        let refusal = refusal(&output);
        assert!(refusal.contains(said) && !refusal.contains(&KEY[2..]), "{variables:?}: {refusal}");
    }
    let help = HostBuilder::new().command_of("serve").arg("--help").env("LATCHWORK_SECRETS_KEY", KEY).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("LATCHWORK_SECRETS_KEY") && !help.contains(KEY), "{help}");
}

#[test]
fn a_stopped_hosts_secrets_go_to_another_key_together_and_as_often_as_wanted() {
    let keys = Keys::new();
    let (old, new) = (keys.file("old", KEY), keys.file("new", OTHER_KEY));
    let mut builder = HostBuilder::new().variable("LATCHWORK_SECRETS_KEY_FILE", &old);
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    put(&host, "TOKEN", "hunter2");
    put(&host, "OTHER", "hunter3");
    assert!(refusal(&rotate(&builder)).contains("another host already uses"));
    host.stop();
    let under_one_key = "select count(distinct key_id) from secrets";
    builder = builder.variable("LATCHWORK_SECRETS_KEY_FILE", &new);
    let said = refusal(&rotate(&builder));
    assert!(said.contains("nothing was changed") && said.contains("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE"), "{said}");
    assert_eq!(builder.rows().number(under_one_key), 1);
    builder = builder.variable("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", &old);
    assert_eq!(rotated(&builder), (2, 0));
    assert_eq!(rotated(&builder), (0, 2), "again, as after an interruption");
    let host = builder.start();
    assert!(host.log().contains("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE can be left out"));
    assert_eq!(run(&host, &granted("TOKEN"))["state"], "succeeded");
    host.stop();

    // The old key opens nothing any more, and the host says so at its start.
    let host = builder
        .variable("LATCHWORK_SECRETS_KEY_FILE", &old)
        .variable("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", &keys.file("third", &KEY.replace("00", "77")))
        .start();
    let ended = run(&host, &granted("TOKEN"));
    let reason = text(&ended["reason"]);
    assert!(reason.contains("grants.secrets") && reason.contains("encrypted under the key"), "{reason}");
    assert!(host.log().contains("2 secrets are encrypted under the key"), "{}", host.log());
}

#[test]
fn a_rotation_without_keys_or_without_a_database_says_what_is_missing_and_makes_nothing() {
    let builder = HostBuilder::new();
    assert!(refusal(&rotate(&builder)).contains("LATCHWORK_SECRETS_KEY_FILE"));
    let builder = builder.variable("LATCHWORK_SECRETS_KEY", KEY);
    assert!(refusal(&rotate(&builder)).contains("there is no database at"));
    assert!(!builder.database().exists());
}

#[test]
fn hosts_on_postgresql_are_given_the_new_key_one_by_one_and_no_job_fails_meanwhile() {
    let (keys, database) = (Keys::new(), PostgresDatabase::blocking());
    let (old, new) = (keys.file("old", KEY), keys.file("new", OTHER_KEY));
    let on_server = |label: &str, key: &str| {
        let builder = HostBuilder::new().variable("DATABASE_URL", &database.url());
        builder.flag("--labels", format!("host={label}")).variable("LATCHWORK_SECRETS_KEY_FILE", key)
    };
    let with_both = |label| on_server(label, &new).variable("LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", &old);
    // The second has not been given the new key yet.
    let (first, second) = (with_both("first").start(), on_server("second", &old).start());
    first.api.upload_plugin("misbehave");
    put(&second, "TOKEN", "hunter2");
    put(&first, "LATER", "hunter3");
    let runs_on = |host: &Host, name: &str, label: &str| {
        let mut job = granted(name);
        job["requires"] = json!({ "host": label });
        let ended = run(host, &job);
        assert_eq!(ended["state"], "succeeded", "{name} on {label}: {ended}");
    };
    for (name, label) in [("TOKEN", "first"), ("TOKEN", "second"), ("LATER", "first"), ("LATER", "second")] {
        runs_on(&first, name, label);
    }
    second.stop();

    let second = with_both("second").start();
    assert!(second.log().contains("2 secrets are encrypted under the previous key"), "{}", second.log());
    assert_eq!(rotated(&with_both("command")), (2, 0), "while hosts run");
    put(&first, "LATEST", "hunter4");
    for name in ["TOKEN", "LATER", "LATEST"] {
        for label in ["first", "second"] {
            runs_on(&second, name, label);
        }
    }
    assert_eq!(rotated(&with_both("command")), (0, 3));
    first.stop();
    second.stop();
    let host = on_server("first", &new).start();
    runs_on(&host, "LATEST", "first");
}
