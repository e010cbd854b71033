//! Secrets in a sandbox: what a plugin sees of them, where they are put in its requests, and that its log has none.

use async_trait::async_trait;
use latchwork::clock::{Clock as _, SystemClock};
use latchwork::domain::addresses::AllowedAddresses;
use latchwork::domain::grants::{HttpGrant, HttpScheme, SecretShown};
use latchwork::domain::ids::{IntervalId, JobId, TaskIndex};
use latchwork::domain::job::Policy;
use latchwork::domain::key_quota::KeyUsage;
use latchwork::domain::task::{Outcome, TaskOutput};
use latchwork::domain::turns::Party;
use latchwork::sandbox::{
    CallReport, GrantedSecret, JobInput, KeyReader, KeysUnavailable, Limits, Network, Reach, Sandbox, Scope,
    Surroundings, TaskInput,
};
use latchwork_tests::{Web, compiler, plugin};
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "s3cr3t/of the job";

/// The call of a plugin whose job is granted one secret, `API_TOKEN`.
fn call(name: &str, payload: &Value, web: &Web, secret: GrantedSecret) -> CallReport<TaskOutput> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let allowed = AllowedAddresses::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let any_host =
        HttpGrant { scheme: HttpScheme::Http, host: "*".parse().unwrap(), port: web.port(), methods: Vec::new() };
    let reach =
        Reach { http: vec![any_host], secrets: vec![secret], network: Network::new(allowed), ..Reach::default() };
    let scope = scope(payload, reach);
    let surroundings = Surroundings { scope: &scope, task: None, warm: None };
    runtime.block_on(async {
        let plugin = Sandbox::new(compiler()).unwrap().load(plugin(name)).await.unwrap();
        plugin.run(&only_task(), surroundings).await
    })
}

/// What the calls of an interval share that has only this.
pub(crate) fn scope(payload: &Value, reach: Reach) -> Arc<Scope> {
    let job = JobInput {
        workspace_id: "default".to_owned(),
        job: JobId::generate(),
        job_name: "job".to_owned(),
        interval: IntervalId::generate(),
        scheduled_at: SystemClock.now(),
        payload: payload.to_string(),
        tasks: 1,
    };
    let policy = Policy::default();
    let limits = Limits {
        timeout: policy.timeout,
        memory_bytes_max: policy.memory_bytes_max,
        key_bytes_max: policy.key_bytes_max,
        call: policy.limits,
    };
    let party = Arc::new(Party { workspace: "default".into(), job: job.job, weight: 1 });
    Scope::new(job, limits, party, reach, Arc::new(NoKeys), || SystemClock.now())
}

pub(crate) fn only_task() -> TaskInput<'static> {
    TaskInput {
        index: TaskIndex(0),
        total: 1,
        stage: "tasks",
        stage_index: 0,
        stage_total: 1,
        attempt: 1,
        fencing_token: 1,
        checkpoint: None,
    }
}

fn secret(shown_as: SecretShown, value: &str, hosts: &[&str]) -> GrantedSecret {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    GrantedSecret { env: "API_TOKEN".to_owned(), shown_as, hosts, value: value.to_owned().into() }
}

pub(crate) fn output(report: &CallReport<TaskOutput>) -> Value {
    match &report.outcome {
        Outcome::Succeeded(output) => serde_json::from_slice(&output.output).unwrap(),
        Outcome::Failed(failure) => panic!("{failure:?}: {:?}", report.log),
    }
}

/// Sends the variable in a header.
fn fetch(web: &Web, host: &str, secret: GrantedSecret) -> CallReport<TaskOutput> {
    let payload = json!({ "urls": [web.url(host, "/echo")], "headers": { "authorization": "Bearer $API_TOKEN" } });
    call("fetch", &payload, web, secret)
}

#[test]
fn a_plugin_sees_a_placeholder_or_the_secret_as_its_job_says() {
    let web = Web::start();
    let seen = |secret| output(&call("misbehave", &json!({ "act": "environment" }), &web, secret))["variables"].clone();
    let placeholders = [(); 2].map(|()| seen(secret(SecretShown::Placeholder, SECRET, &[])));
    for variables in &placeholders {
        let placeholder = variables["API_TOKEN"].as_str().unwrap();
        let random = placeholder.strip_prefix("latchwork-secret-").unwrap();
        assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{placeholder}");
    }
    assert_ne!(placeholders[0], placeholders[1], "what stands for a secret cannot be guessed");
    assert_eq!(seen(secret(SecretShown::Value, SECRET, &[])), json!({ "API_TOKEN": SECRET }));
}

#[test]
fn a_placeholder_becomes_the_secret_on_the_way_to_the_hosts_that_may_have_it() {
    let web = Web::start();
    for hosts in [&[][..], &["127.0.0.1"], &["*.example.com", "127.0.0.1"]] {
        let report = fetch(&web, "127.0.0.1", secret(SecretShown::Placeholder, SECRET, hosts));
        assert_eq!(output(&report)["status"], 200, "{hosts:?}: {report:?}");
        assert_eq!(web.seen()[0].header("authorization"), format!("Bearer {SECRET}"));
        assert!(!format!("{:?}", report.log).contains(SECRET), "{report:?}");
    }
    let report = fetch(&web, "localhost", secret(SecretShown::Placeholder, SECRET, &["127.0.0.1"]));
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{report:?}");
    let refusal = "the secret API_TOKEN is not granted to localhost";
    assert!(report.log.iter().any(|line| line.message.contains(refusal)), "{report:?}");
    assert!(web.seen().is_empty(), "not even the placeholder is sent");
}

#[test]
fn a_placeholder_within_basic_credentials_is_replaced_too() {
    let web = Web::start();
    let payload = json!({ "urls": [web.url("127.0.0.1", "/ok")], "basic": ["user", "$API_TOKEN"] });
    let report = call("fetch", &payload, &web, secret(SecretShown::Placeholder, SECRET, &[]));
    assert_eq!(output(&report)["status"], 200, "{report:?}");
    // `user:s3cr3t/of the job` in base64.
    assert_eq!(web.seen()[0].header("authorization"), "Basic dXNlcjpzM2NyM3Qvb2YgdGhlIGpvYg==");
}

#[test]
fn a_secret_that_no_header_can_hold_is_withheld_and_not_told() {
    let web = Web::start();
    let report = fetch(&web, "127.0.0.1", secret(SecretShown::Placeholder, "first\r\nX-Second: line", &[]));
    let refusal = "the secret API_TOKEN cannot stand in the header authorization";
    assert!(report.log.iter().any(|line| line.message.contains(refusal)), "{report:?}");
    assert!(!format!("{report:?}").contains("X-Second") && web.seen().is_empty(), "{report:?}");
}

#[test]
fn what_a_plugin_prints_or_fails_with_is_kept_without_its_secrets() {
    let web = Web::start();
    let payload = json!({ "act": "tell", "variable": "API_TOKEN" });
    let report = call("misbehave", &payload, &web, secret(SecretShown::Value, SECRET, &[]));
    let told: Vec<_> = report.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(told, ["[secret API_TOKEN]", "out: [secret API_TOKEN]", "err: [secret API_TOKEN]"]);
    let Outcome::Failed(failure) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(failure.message, "failed with [secret API_TOKEN]");
}

struct NoKeys;

#[async_trait]
impl KeyReader for NoKeys {
    async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, KeysUnavailable> {
        Ok(None)
    }

    async fn list(&self, _prefix: &str, _after: Option<&str>, _limit: u32) -> Result<Vec<String>, KeysUnavailable> {
        Ok(Vec::new())
    }

    async fn usage(&self, _keys: &[String]) -> Result<KeyUsage, KeysUnavailable> {
        Ok(KeyUsage::default())
    }
}
