//! What a schedule will do, before a job has it.

use latchwork_tests::{Api, Host, text};
use serde_json::{Value, json};
use std::process::Command;

/// The path of a preview that begins before the clocks of Berlin are changed in spring, or in autumn.
fn berlin(expression: &str, rest: &str) -> String {
    let expression = expression.replace(' ', "%20").replace('/', "%2F");
    format!("/schedule/preview?cron={expression}&timezone=Europe%2FBerlin&{rest}")
}

fn locals(preview: &Value) -> Vec<String> {
    preview["firings"].as_array().unwrap().iter().map(|firing| text(&firing["local"])).collect()
}

fn refusal(api: &Api, query: &str) -> String {
    let (status, problem) = api.send("GET", &format!("/schedule/preview?{query}"), None);
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_field")), "{problem}");
    text(&problem["detail"])
}

#[test]
fn a_preview_lists_firings_in_both_times_and_says_what_the_clocks_do_to_them() {
    let host = crate::jobs::host();
    let spring = "from=2026-03-28T12:00:00Z&count=2";
    let shifted = host.api.get(&berlin("30 2 * * *", spring));
    assert_eq!(locals(&shifted), ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    let first = &shifted["firings"][0];
    assert_eq!((&first["at"], &first["clock_change"]), (&json!("2026-03-29T01:00:00.000Z"), &json!("shifted")));
    assert!(text(&first["note"]).starts_with("shifted from 02:30"), "{first}");

    let skipped = host.api.get(&berlin("30 2 * * *", &format!("{spring}&dst_gap=skip")));
    assert_eq!(locals(&skipped)[0], "2026-03-30T02:30:00+02:00");
    let gap = &skipped["skipped"][0];
    assert_eq!((&gap["local"], &gap["count"]), (&json!("2026-03-29T02:30:00"), &json!(1)));

    let twice = host.api.get(&berlin("30 2 * * *", "from=2026-10-24T12:00:00Z&count=2&dst_fold=twice"));
    assert_eq!(locals(&twice), ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]);
    assert_eq!(twice["firings"][1]["clock_change"], "second_of_two");
}

#[test]
fn a_preview_takes_each_kind_of_schedule_and_ten_firings_where_nothing_is_said() {
    let host = crate::jobs::host();
    let every = host.api.get("/schedule/preview?interval=1h30m&from=2026-01-01T00:00:00Z");
    assert_eq!(every["firings"].as_array().unwrap().len(), 10);
    assert_eq!(every["firings"][0]["at"], "2026-01-01T01:30:00.000Z");
    let once = host.api.get("/schedule/preview?at=2030-01-31T12:00:00Z");
    assert_eq!(locals(&once), ["2030-01-31T12:00:00+00:00"]);
    assert_eq!(locals(&host.api.get("/schedule/preview?type=cron&cron=@daily&count=1000")).len(), 1_000);
}

#[test]
fn a_preview_refuses_what_a_job_would_be_refused_for_in_the_same_words() {
    let host = crate::jobs::host();
    let job = |schedule: Value| {
        let mut job = json!({ "name": "n", "plugin": "misbehave" });
        job.as_object_mut().unwrap().extend(schedule.as_object().unwrap().clone());
        text(&host.api.send("POST", "/jobs", Some(&job)).1["detail"])
    };
    let cases = [
        ("interval=soon", json!({ "type": "interval", "interval": "soon" })),
        ("cron=every%20day", json!({ "type": "cron", "cron": "every day" })),
        ("cron=@daily&timezone=Mars%2FBase", json!({ "type": "cron", "cron": "@daily", "timezone": "Mars/Base" })),
        ("cron=0%200%2030%202%20*", json!({ "type": "cron", "cron": "0 0 30 2 *" })),
        ("at=2001-01-01T00:00:00Z", json!({ "type": "once", "at": "2001-01-01T00:00:00Z" })),
        ("type=cron&interval=5s", json!({ "type": "cron", "interval": "5s" })),
    ];
    for (query, schedule) in cases {
        assert_eq!(refusal(&host.api, query), job(schedule), "{query}");
    }
    assert!(refusal(&host.api, "cron=0%200%2030%202%20*").contains("matches no time to come"));
    assert!(refusal(&host.api, "interval=5s&count=1001").starts_with("`count`: takes 1 to 1000"));
    assert!(refusal(&host.api, "interval=5s&from=noon").starts_with("`from`"));
    assert!(refusal(&host.api, "count=3").starts_with("`type`"));
}

#[test]
fn the_command_shows_the_preview_to_a_person() {
    let host = crate::jobs::host();
    let shown = says(&host, &["--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--dst-gap", "skip"]);
    let [header, first, second, skipped] = &shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
    assert!(header.starts_with("UTC") && header.contains("LOCAL"), "{shown}");
    assert!(first.starts_with("2026-03-28T01:30:00Z") && first.contains("2026-03-28T02:30:00+01:00"), "{shown}");
    assert!(second.starts_with("2026-03-30T00:30:00Z"), "{shown}");
    assert!(skipped.starts_with("1 firing is skipped at 2026-03-29 02:30:00"), "{shown}");
}

fn says(host: &Host, flags: &[&str]) -> String {
    let mut command = Command::new(latchwork_tests::host_binary());
    let preview = ["schedule", "preview", "--count", "2", "--from", "2026-03-27T12:00:00Z"];
    let output = command.args(preview).args(flags).args(["--server", host.api.server()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
