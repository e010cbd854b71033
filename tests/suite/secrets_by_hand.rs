//! Secrets on their way from the rows to a call, in an engine in this process.

use crate::engine_by_hand::Host;
use crate::world::{PLUGIN, START, World, manual_job};
use async_trait::async_trait;
use latchwork::domain::digest::Digest;
use latchwork::domain::grants::{SecretGrant, SecretShown};
use latchwork::domain::host_pattern::HostPattern;
use latchwork::domain::ids::{IncarnationId, IntervalId};
use latchwork::domain::interval::IntervalState;
use latchwork::domain::job::{DEFAULT_WORKSPACE, Job};
use latchwork::domain::secret::SecretId;
use latchwork::domain::task::{Outcome, TaskOutput};
use latchwork::sandbox::{
    CallReport, Callable, GrantedSecret, PlanOutput, PluginSource, Refusal, Surroundings, TaskInput,
};
use latchwork::vault::{MasterKey, Vault};
use std::sync::{Arc, Mutex};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// A plugin whose tasks notice what secrets they are given: variable, value, what they see, and where it may go.
#[derive(Clone, Default)]
struct Spies(Arc<Mutex<Vec<Seen>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen(String, String, SecretShown, Vec<HostPattern>);

impl Spies {
    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl PluginSource for Spies {
    fn loaded(&self, _: &Digest) -> Option<Arc<dyn Callable>> {
        Some(Arc::new(self.clone()))
    }

    async fn load(&self, _: Vec<u8>) -> Result<Arc<dyn Callable>, Refusal> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Callable for Spies {
    async fn plan(&self, _: Surroundings<'_>) -> CallReport<PlanOutput> {
        let output = PlanOutput { stages: Vec::new(), keys: Default::default(), events: Vec::new() };
        CallReport { outcome: Outcome::Succeeded(output), log: Vec::new() }
    }

    async fn run(&self, _: &TaskInput<'_>, surroundings: Surroundings<'_>) -> CallReport<TaskOutput> {
        let seen = |secret: &GrantedSecret| {
            Seen(secret.env.clone(), secret.value.to_string(), secret.shown_as, secret.hosts.clone())
        };
        self.0.lock().unwrap().extend(surroundings.scope.reach.secrets.iter().map(seen));
        CallReport { outcome: Outcome::Succeeded(TaskOutput::default()), log: Vec::new() }
    }
}

fn vault(key: &str) -> Arc<Vault> {
    Arc::new(Vault::new(MasterKey::parse(key).unwrap(), None))
}

fn id(name: &str) -> SecretId {
    SecretId { workspace: DEFAULT_WORKSPACE.to_owned(), name: name.to_owned() }
}

async fn store(world: &World, name: &str, value: &str) {
    world.put_secret(&id(name), &vault(KEY).seal(&id(name), value).unwrap(), START).await.unwrap();
}

fn grant(name: &str, env: &str, shown_as: SecretShown, hosts: &[&str]) -> SecretGrant {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    SecretGrant { name: name.to_owned(), env: env.to_owned(), shown_as, hosts }
}

fn job(secrets: Vec<SecretGrant>) -> Job {
    let mut job = manual_job();
    job.spec.plugin = PLUGIN.to_owned();
    job.spec.work.grants.secrets = secrets;
    job.spec.work.policy.retry.max_attempts = 1;
    job
}

async fn host(world: World, spies: &Spies, vault: Arc<Vault>) -> Host {
    Host::with_vault(IncarnationId::generate(), world, "a", Arc::new(spies.clone()), vault).await
}

/// Why an interval that must fail did.
async fn failure_of(host: &Host, interval: IntervalId) -> String {
    let ended = host.ended(interval).await;
    assert_eq!(ended.state, IntervalState::Failed, "{ended:?}");
    ended.reason.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_given_what_its_job_was_granted_and_another_value_from_the_next_interval_on() {
    let (world, spies) = (World::new().await, Spies::default());
    for name in ["TOKEN", "SIGNING_KEY", "UNASKED"] {
        store(&world, name, &format!("the value of {name}")).await;
    }
    let host = host(world, &spies, vault(KEY)).await;
    let grants = vec![
        grant("TOKEN", "API_TOKEN", SecretShown::Placeholder, &["api.example.com"]),
        grant("SIGNING_KEY", "SIGNING_KEY", SecretShown::Value, &[]),
    ];
    let interval = host.fire(job(grants.clone())).await;
    assert_eq!(host.ended(interval).await.state, IntervalState::Succeeded);
    let token = |value: &str| {
        let hosts = vec!["api.example.com".parse().unwrap()];
        Seen("API_TOKEN".to_owned(), value.to_owned(), SecretShown::Placeholder, hosts)
    };
    let signing = Seen("SIGNING_KEY".to_owned(), "the value of SIGNING_KEY".to_owned(), SecretShown::Value, Vec::new());
    assert_eq!(spies.seen(), [token("the value of TOKEN"), signing.clone()]);

    store(&host.world, "TOKEN", "another value").await;
    let interval = host.fire(job(grants)).await;
    assert_eq!(host.ended(interval).await.state, IntervalState::Succeeded);
    assert_eq!(spies.seen(), [token("another value"), signing]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_or_in_anothers_place_fails_every_call_and_the_mend_is_named() {
    let (world, spies) = (World::new().await, Spies::default());
    store(&world, "PRESENT", "hunter2").await;
    let of_another = vault(KEY).seal(&id("PRESENT"), "hunter2").unwrap();
    world.put_secret(&id("SWAPPED"), &of_another, START).await.unwrap();
    let host = host(world, &spies, vault(KEY)).await;
    let cases: [(&str, &[&str]); 2] = [
        ("MISSING", &["grants.secrets", "`MISSING`", "latchwork secret set MISSING"]),
        ("SWAPPED", &["grants.secrets", "`SWAPPED`", "damaged, or belongs to another secret", "store it again"]),
    ];
    for (name, said) in cases {
        let grants =
            vec![grant("PRESENT", "PRESENT", SecretShown::Value, &[]), grant(name, "OTHER", SecretShown::Value, &[])];
        let reason = failure_of(&host, host.fire(job(grants)).await).await;
        assert!(said.iter().all(|part| reason.contains(part)) && !reason.contains("hunter2"), "{name}: {reason}");
    }
    assert_eq!(spies.seen(), [], "no task was called");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_the_key_fails_every_call_and_names_both_keys_and_the_setting() {
    let spies = Spies::default();
    let needed = vault(KEY).key().unwrap().to_string();
    let held = vault(OTHER_KEY).key().unwrap().to_string();
    let cases: [(Arc<Vault>, &[&str]); 2] = [
        (vault(OTHER_KEY), &["`TOKEN`", &needed, &held, "LATCHWORK_SECRETS_PREVIOUS_KEY_FILE"]),
        (Arc::default(), &["`TOKEN`", "LATCHWORK_SECRETS_KEY_FILE", "openssl rand -hex 32"]),
    ];
    for (vault, said) in cases {
        let world = World::new().await;
        store(&world, "TOKEN", "hunter2").await;
        let host = host(world, &spies, vault).await;
        let grants = vec![grant("TOKEN", "TOKEN", SecretShown::Value, &[])];
        let reason = failure_of(&host, host.fire(job(grants)).await).await;
        assert!(said.iter().all(|part| reason.contains(part)), "{reason}");
        // A job that needs no secret is not concerned.
        let interval = host.fire(job(Vec::new())).await;
        assert_eq!(host.ended(interval).await.state, IntervalState::Succeeded);
        host.stop().await;
    }
    assert_eq!(spies.seen(), [], "no task was called");
}
