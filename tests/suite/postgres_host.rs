//! The real host on a real PostgreSQL.

use latchwork_tests::{HostBuilder, PostgresDatabase, Witness};
use serde_json::json;

const TASKS: u32 = 200;
const MAX_PARALLEL: u32 = 2;

#[test]
fn a_host_that_was_killed_goes_on_where_it_was() {
    let (database, witness) = (PostgresDatabase::blocking(), Witness::new());
    let builder = HostBuilder::new().flag("--allow-dir", witness.allowed()).variable("DATABASE_URL", &database.url());
    let host = builder.start();
    host.api.upload_plugin("misbehave");
    let fields = json!({ "tasks": TASKS, "max_parallel": MAX_PARALLEL, "grants": witness.grants() });
    let job = host.api.manual_job("misbehave", &witness.payload(20), fields);
    let interval = host.api.trigger(&job);
    host.api.wait_for_interval(&interval, |_| witness.call_count() >= 10);
    host.kill();
    assert!(witness.call_count() < u64::from(TASKS), "the kill came too late");

    let host = builder.start();
    let ended = host.api.ended(&interval);
    assert_eq!((&ended["state"], &ended["completed"]), (&json!("succeeded"), &json!(TASKS)), "{ended}");
    assert_eq!(ended["recovery_attempts"], json!(1), "{ended}");
    let duplicates = ended["duplicates"].as_u64().unwrap();
    assert!((1..=u64::from(MAX_PARALLEL)).contains(&duplicates), "{ended}");
    assert!(witness.call_count() <= u64::from(TASKS) + duplicates, "only tasks in flight run again");
    assert!(host.log().contains(&format!("Scheduled recovery for job {job}, interval {interval}")));
    host.api.assert_goes_on();
    assert!(!builder.database().exists(), "nothing is kept in a file");
}

#[test]
fn the_schema_is_made_and_undone_by_command_and_the_password_is_not_shown() {
    let database = PostgresDatabase::blocking();
    let url = database.url().replace("latchwork@", "latchwork:sesame@");
    let builder = HostBuilder::new().variable("DATABASE_URL", &url);
    let migrate = |arguments: &[&str]| {
        let output = builder.command_of("migrate").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with("postgres://localhost/") && !said.contains("sesame"), "{said}");
        said
    };
    let mut said = migrate(&["--revert"]);
    while !said.contains("reverted `main job`") {
        assert!(said.contains("reverted `"), "{said}");
        said = migrate(&["--revert"]);
    }
    assert!(migrate(&["--revert"]).contains("nothing to revert"));
    assert!(migrate(&[]).contains("the schema is up to date"));
}
