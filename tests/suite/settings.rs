//! Where settings come from, and what becomes of wrong ones.

use latchwork_tests::HostBuilder;
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn a_wrong_value_stops_the_start_and_names_the_variable_and_what_it_takes() {
    let cases = [
        ("--listen", "LATCHWORK_LISTEN", "here", "an address and a port"),
        ("--listen", "LATCHWORK_LISTEN", "", "an address and a port"),
        ("--host-id", "LATCHWORK_HOST_ID", "two words", "printable characters"),
        ("--database-url", "DATABASE_URL", "mysql://root@db/x", "sqlite:PATH"),
        ("--database-url", "DATABASE_URL", "latchwork.db", "sqlite:PATH"),
        ("--database-url", "DATABASE_URL", "sqlite:a.db?mode=rwc", "no `?` parameters"),
        ("--roles", "LATCHWORK_ROLES", "leader", "`leader` names no role"),
        ("--roles", "LATCHWORK_ROLES", "", "api, scheduler and worker"),
        ("--roles", "LATCHWORK_ROLES", "api,worker", "on SQLite there is one host"),
        ("--labels", "LATCHWORK_LABELS", "gpu", "labels such as gpu=yes"),
        ("--allow-dir", "LATCHWORK_ALLOW_DIR", "/no/such/directory", "directories that exist"),
        ("--secrets-key-file", "LATCHWORK_SECRETS_KEY_FILE", "/no/such/key", "cannot read /no/such/key"),
        ("--secrets-key-file", "LATCHWORK_SECRETS_KEY_FILE", "", "the path of a file with a key"),
        ("--secrets-previous-key-file", "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE", "/no/such/key", "cannot read"),
        ("--upload-bytes-max", "LATCHWORK_UPLOAD_BYTES_MAX", "64MB", "a number of bytes"),
        ("--compile-memory-bytes-max", "LATCHWORK_COMPILE_MEMORY_BYTES_MAX", "2GB", "a number of bytes"),
        ("--compile-cpu-max", "LATCHWORK_COMPILE_CPU_MAX", "1500ms", "whole seconds"),
        ("--compile-timeout", "LATCHWORK_COMPILE_TIMEOUT", "soon", "a duration such as 2m"),
        ("--task-timeout-max", "LATCHWORK_TASK_TIMEOUT_MAX", "25h", "at most 24h"),
        ("--task-memory-bytes-max", "LATCHWORK_TASK_MEMORY_BYTES_MAX", "1", "from 65536 to 1073741824"),
        ("--task-handles-max", "LATCHWORK_TASK_HANDLES_MAX", "0", "from 1 to 10000"),
        ("--job-lanes-max", "LATCHWORK_JOB_LANES_MAX", "2000", "from 1 to 1024"),
        ("--calls-memory-bytes-max", "LATCHWORK_CALLS_MEMORY_BYTES_MAX", "8GB", "from 65536"),
        ("--stop-grace", "LATCHWORK_STOP_GRACE", "a while", "a duration such as 30s"),
        ("--enable-recovery", "ENABLE_RECOVERY", "yes", "true or false"),
        ("--default-recovery-enabled", "DEFAULT_RECOVERY_ENABLED", "1", "true or false"),
        ("--recovery-check-interval", "RECOVERY_CHECK_INTERVAL", "0", "a whole number of seconds from 1"),
        ("--recovery-check-interval", "RECOVERY_CHECK_INTERVAL", "5s", "a whole number of seconds from 1"),
        ("--max-recovery-attempts", "MAX_RECOVERY_ATTEMPTS", "0", "a whole number from 1"),
        ("--max-recovery-attempts", "MAX_RECOVERY_ATTEMPTS", "-1", "a whole number from 1"),
        (
            "--default-retention-intervals",
            "LATCHWORK_DEFAULT_RETENTION_INTERVALS",
            "-1",
            "0 for any number of intervals",
        ),
        ("--default-retention-days", "LATCHWORK_DEFAULT_RETENTION_DAYS", "90d", "a whole number of days"),
        ("--allow-http", "LATCHWORK_ALLOW_HTTP", "api.example.com", "https://api.example.com"),
        ("--allow-http", "LATCHWORK_ALLOW_HTTP", "https://a,ftp://b", "`ftp://b` is none of https://HOST"),
        ("--allow-address", "LATCHWORK_ALLOW_ADDRESS", "localhost", "networks such as 10.1.0.0/16"),
        ("--config", "LATCHWORK_CONFIG", "/no/such/file.toml", "a TOML file"),
    ];
    for (flag, variable, value, takes) in cases {
        let by_flag = HostBuilder::new().command_of("serve").arg(format!("{flag}={value}")).refusal();
        let by_variable = HostBuilder::new().command_of("serve").env(variable, value).refusal();
        for refusal in [by_flag, by_variable] {
            assert!(refusal.contains(variable) && refusal.contains(takes), "{variable}={value:?}: {refusal}");
        }
    }
}

#[test]
fn a_place_that_cannot_be_used_stops_the_start_and_names_the_setting() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = file.join("below").display().to_string();
    let refusal = HostBuilder::new().bare_command().args(["serve", "--data-dir", &below_a_file]).refusal();
    assert!(refusal.contains("LATCHWORK_DATA_DIR") && refusal.contains(&below_a_file), "{refusal}");

    let refusal = HostBuilder::new().command().args(["--database-url", &format!("sqlite:{below_a_file}")]).refusal();
    assert!(refusal.contains("DATABASE_URL") && refusal.contains(&below_a_file), "{refusal}");

    std::fs::write(&file, "this is no database, whatever its name says").unwrap();
    let refusal =
        HostBuilder::new().command().args(["--database-url", &format!("sqlite:{}", file.display())]).refusal();
    assert!(refusal.contains("DATABASE_URL"), "{refusal}");

    let host = HostBuilder::new().start();
    let taken = host.api.server().trim_start_matches("http://").to_owned();
    let refusal = HostBuilder::new().command_of("serve").args(["--listen", &taken]).refusal();
    assert!(refusal.contains("LATCHWORK_LISTEN") && refusal.contains(&taken), "{refusal}");
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("latchwork.toml");
    let toml = "host_id = 'file'\nrecovery_check_interval = 7\nmax_recovery_attempts = 7\nenable_recovery = false\n";
    std::fs::write(&file, toml).unwrap();
    let builder = HostBuilder::new()
        .variable("LATCHWORK_CONFIG", file.to_str().unwrap())
        .variable("RECOVERY_CHECK_INTERVAL", "8")
        .variable("MAX_RECOVERY_ATTEMPTS", "8")
        .flag("--max-recovery-attempts", 9);
    let health = builder.start().api.get("/health");
    assert_eq!(health["host_id"], "file");
    let recovery = &health["recovery"];
    assert_eq!(
        [&recovery["enabled"], &recovery["default_enabled"], &recovery["check_interval_seconds"]],
        [&json!(false), &json!(true), &json!(8)]
    );
    assert_eq!(recovery["max_attempts"], 9);
}

#[test]
fn a_wrong_file_stops_the_start_and_names_the_key() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("latchwork.toml");
    let cases = [
        ("lissten = '127.0.0.1:1'", "`lissten` is no setting"),
        ("listen = 8080", "`listen`: LATCHWORK_LISTEN takes an address and a port"),
        ("data_dir = 1", "`data_dir`: LATCHWORK_DATA_DIR takes the path of a directory"),
        ("host_id = 'two words'", "`host_id`: LATCHWORK_HOST_ID takes 1 to 128 printable characters"),
        ("database_url = true", "`database_url`: DATABASE_URL takes sqlite:PATH"),
        ("allow_dir = ['/no/such/directory']", "`allow_dir`: LATCHWORK_ALLOW_DIR takes directories that exist"),
        ("allow_http = ['https://a', 'b']", "`allow_http`: LATCHWORK_ALLOW_HTTP takes servers"),
        ("allow_address = '10.0.0.0/33'", "`allow_address`: LATCHWORK_ALLOW_ADDRESS takes networks"),
        ("roles = 'api,api,leader'", "`roles`: LATCHWORK_ROLES takes api, scheduler and worker"),
        ("labels = 'zone'", "`labels`: LATCHWORK_LABELS takes labels such as gpu=yes"),
        ("secrets_key_file = 1", "`secrets_key_file`: LATCHWORK_SECRETS_KEY_FILE takes the path of a file with a key"),
        ("secrets_previous_key_file = ''", "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE takes the path of a file with a key"),
        ("secrets_key = '00'", "`secrets_key` is no setting"),
        ("upload_bytes_max = '64MB'", "`upload_bytes_max`: LATCHWORK_UPLOAD_BYTES_MAX takes a number of bytes"),
        ("stop_grace = 'a while'", "`stop_grace`: LATCHWORK_STOP_GRACE takes a duration such as 30s"),
        ("enable_recovery = 'true'", "`enable_recovery`: ENABLE_RECOVERY takes true or false"),
        ("default_recovery_enabled = 1", "`default_recovery_enabled`: DEFAULT_RECOVERY_ENABLED takes true or false"),
        ("recovery_check_interval = 0", "RECOVERY_CHECK_INTERVAL takes a whole number of seconds from 1"),
        ("max_recovery_attempts = -1", "MAX_RECOVERY_ATTEMPTS takes a whole number from 1"),
        ("listen", "TOML"),
    ];
    for (toml, named) in cases {
        std::fs::write(&file, toml).unwrap();
        let refusal = HostBuilder::new().command_of("serve").arg("--config").arg(&file).refusal();
        assert!(refusal.contains(named), "{toml}: {refusal}");
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_stops_the_start() {
    let refusal = HostBuilder::new().command().env("RUST_LOG", "latchwork=loud").refusal();
    assert!(refusal.contains("RUST_LOG is `latchwork=loud`: it takes a level such as info"), "{refusal}");
}

#[test]
fn a_host_that_others_can_reach_warns_that_nothing_is_authenticated() {
    let mut command = HostBuilder::new().command_of("serve");
    command.args(["--listen", "0.0.0.0:0"]).stderr(Stdio::piped());
    let mut host = command.spawn().unwrap();
    let lines = BufReader::new(host.stderr.take().unwrap()).lines().map(Result::unwrap);
    let log: Vec<String> = lines.take_while(|line| !line.contains("Listening on")).collect();
    host.kill().unwrap();
    host.wait().unwrap();
    assert!(log.iter().any(|line| line.contains("WARN") && line.contains("nothing is authenticated")), "{log:?}");
}

#[test]
fn a_host_keeps_its_identity_across_restarts_and_is_a_new_incarnation_each_time() {
    let builder = HostBuilder::new();
    let [first, second] = [(); 2].map(|()| {
        let host = builder.start();
        let health = host.api.get("/health");
        assert_eq!(host.stop().code(), Some(0));
        health
    });
    assert_eq!(first["host_id"], second["host_id"]);
    assert_ne!(first["incarnation_id"], second["incarnation_id"]);
    assert!(first["recovery"]["last_check_at"].is_string(), "recovery looks before the host serves: {first}");
}

#[test]
fn the_schema_can_be_made_taken_back_and_made_again_with_data_in_it() {
    let builder = HostBuilder::new();
    assert!(migrate(&builder, &[]).contains("up to date"));
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    host.api.assert_goes_on();
    host.kill();
    assert!(migrate(&builder, &[]).contains("up to date"));

    while !migrate(&builder, &["--revert"]).contains("nothing to revert") {}
    let left = "select count(*) from sqlite_master where type = 'table' and name not like '_sqlx%' \
                and name not like 'sqlite_%'";
    assert_eq!(builder.rows().number(left), 0, "no table is left behind");

    assert!(migrate(&builder, &[]).contains("up to date"));
    let host = builder.start();
    assert_eq!(host.api.get("/jobs"), json!({ "jobs": [] }));
    host.api.upload_plugin("misbehave");
    host.api.assert_goes_on();
}

#[test]
fn the_schema_of_a_running_host_is_not_touched() {
    let builder = HostBuilder::new();
    let host = builder.start();
    let mut revert = builder.command_of("migrate");
    let refusal = revert.arg("--revert").refusal();
    assert!(refusal.contains("another host already uses"), "{refusal}");
    assert_eq!(host.api.get("/jobs"), json!({ "jobs": [] }));
}

fn migrate(builder: &HostBuilder, flags: &[&str]) -> String {
    let output = builder.command_of("migrate").args(flags).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

trait Refusal {
    /// Runs the command, which must fail, and returns what it says in one line.
    fn refusal(&mut self) -> String;
}

impl Refusal for Command {
    fn refusal(&mut self) -> String {
        let output = self.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{self:?} was not refused: {message}");
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
