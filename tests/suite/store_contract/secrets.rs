//! Sealed secrets, and the change of their key. What is sealed is bytes to the store.

use crate::world::{START, World, at, manual_job};
use latchwork::domain::grants::{Grants, SecretGrant, SecretShown};
use latchwork::domain::job::DEFAULT_WORKSPACE;
use latchwork::domain::secret::{KeyId, Sealed, Sealing, SecretId};
use latchwork::domain::timestamp::Timestamp;
use latchwork::store::{Resealed, SecretDeletion, SecretPut, SecretRecord};
use std::collections::BTreeMap;

fn id(name: &str) -> SecretId {
    SecretId { workspace: DEFAULT_WORKSPACE.to_owned(), name: name.to_owned() }
}

fn sealed(key: &str, bytes: &[u8]) -> Sealed {
    Sealed { key: KeyId::new(key), bytes: bytes.to_vec() }
}

/// Keeps a secret under a key.
pub(super) async fn put(world: &World, name: &str, key: &str, bytes: &[u8], now: Timestamp) -> SecretPut {
    let sealing = Sealing { sealed: sealed(key, bytes), before_rotation: None };
    world.put_secret(&id(name), &sealing, now).await.unwrap()
}

/// Keeps one as a host does that has the keys `new` and, from before, `old`.
async fn put_between(world: &World, name: &str) {
    let sealing = Sealing { sealed: sealed("new", b"by new"), before_rotation: Some(sealed("old", b"by old")) };
    world.put_secret(&id(name), &sealing, START).await.unwrap();
}

async fn kept(world: &World, name: &str) -> Option<Sealed> {
    world.sealed_secrets(DEFAULT_WORKSPACE, &[name]).await.unwrap().remove(name)
}

fn record(name: &str, created_at: Timestamp, updated_at: Timestamp) -> SecretRecord {
    SecretRecord { name: name.to_owned(), created_at, updated_at }
}

fn resealed(name: &str, was: &[u8]) -> Resealed {
    Resealed { secret: id(name), was: sealed("old", was), becomes: sealed("new", b"by new") }
}

fn under(keys: &[(&str, u64)]) -> BTreeMap<KeyId, u64> {
    keys.iter().map(|(key, secrets)| (KeyId::new(*key), *secrets)).collect()
}

#[tokio::test]
async fn a_secret_is_kept_replaced_listed_and_read_back_by_name_in_its_workspace() {
    let world = super::new_world().await;
    assert_eq!(put(&world, "B", "k1", b"\0one\xff", START).await, SecretPut::New(record("B", START, START)));
    assert_eq!(put(&world, "A", "k1", b"two", at(1)).await, SecretPut::New(record("A", at(1), at(1))));
    assert_eq!(put(&world, "B", "k2", b"three", at(2)).await, SecretPut::Replaced(record("B", START, at(2))));
    let elsewhere = SecretId { workspace: "other".to_owned(), name: "B".to_owned() };
    let sealing = Sealing { sealed: sealed("k1", b"four"), before_rotation: None };
    assert!(matches!(world.put_secret(&elsewhere, &sealing, at(3)).await.unwrap(), SecretPut::New(_)));

    let listed = world.secrets(DEFAULT_WORKSPACE).await.unwrap();
    assert_eq!(listed, [record("A", at(1), at(1)), record("B", START, at(2))]);
    assert_eq!(world.secrets("nobody's").await.unwrap(), []);
    let read = world.sealed_secrets(DEFAULT_WORKSPACE, &["B", "A", "C", "%", "b"]).await.unwrap();
    let expected = [("A".to_owned(), sealed("k1", b"two")), ("B".to_owned(), sealed("k2", b"three"))];
    assert_eq!(read, expected.into());
    assert_eq!(world.sealed_secrets("other", &["B"]).await.unwrap()["B"], sealed("k1", b"four"));
    assert_eq!(world.all_sealed_secrets().await.unwrap().len(), 3);
    assert_eq!(world.secret_keys().await.unwrap(), under(&[("k1", 2), ("k2", 1)]));
}

#[tokio::test]
async fn a_secret_is_deleted_unless_a_job_is_granted_it_or_has_an_open_interval_that_is() {
    let world = super::new_world().await;
    assert_eq!(world.delete_secret(&id("TOKEN")).await.unwrap(), SecretDeletion::Unknown);
    for name in ["TOKEN", "OTHER"] {
        put(&world, name, "k", b"sealed", START).await;
    }
    let mut job = manual_job();
    let grant = |name: &str| SecretGrant {
        name: name.to_owned(),
        env: "E".to_owned(),
        shown_as: SecretShown::Value,
        hosts: Vec::new(),
    };
    job.spec.work.grants = Grants { secrets: vec![grant("TOKEN")], ..Grants::default() };
    let mut namesake = job.clone();
    namesake.id = latchwork::domain::ids::JobId::generate();
    namesake.spec.workspace_id = "other".to_owned();
    world.keep(namesake).await;
    let granted = SecretDeletion::Granted(vec![(world.keep(job.clone()).await, job.spec.name.clone())]);
    assert_eq!(world.delete_secret(&id("TOKEN")).await.unwrap(), granted);
    assert_eq!(world.delete_secret(&id("OTHER")).await.unwrap(), SecretDeletion::Deleted);
    assert_eq!(kept(&world, "OTHER").await, None);

    let interval = world.fire_job(job.id, START).await;
    let kept_job = world.job(job.id).await.unwrap().unwrap();
    let mut without = kept_job.clone();
    without.spec.work.grants = Grants::default();
    without.updated_at = at(1);
    let edit = latchwork::store::JobEdit {
        job: without,
        was_updated_at: kept_job.updated_at,
        rescheduling: latchwork::store::Rescheduling::Kept,
    };
    assert_eq!(world.edit_job(&edit).await.unwrap(), latchwork::store::Edited::Done);
    assert_eq!(world.delete_secret(&id("TOKEN")).await.unwrap(), granted, "the open interval has its own grants");
    assert!(kept(&world, "TOKEN").await.is_some());
    world.cancel_interval(interval, "for the test", at(2)).await.unwrap();
    assert_eq!(world.delete_secret(&id("TOKEN")).await.unwrap(), SecretDeletion::Deleted);
    assert_eq!(world.delete_secret(&id("TOKEN")).await.unwrap(), SecretDeletion::Unknown);
}

#[tokio::test]
async fn all_secrets_go_to_another_key_together_and_keep_their_times() {
    let world = super::new_world().await;
    put(&world, "A", "old", b"a", START).await;
    put(&world, "B", "old", b"b", at(1)).await;
    let listed = world.secrets(DEFAULT_WORKSPACE).await.unwrap();
    let new = KeyId::new("new");
    assert!(world.reseal_secrets(&new, &[resealed("A", b"a"), resealed("B", b"b")]).await.unwrap());
    assert_eq!(world.secret_keys().await.unwrap(), under(&[("new", 2)]));
    assert_eq!(kept(&world, "A").await.unwrap(), sealed("new", b"by new"));
    assert_eq!(world.secrets(DEFAULT_WORKSPACE).await.unwrap(), listed);
    assert!(world.reseal_secrets(&new, &[]).await.unwrap(), "again, with nothing to do");
}

#[tokio::test]
async fn what_somebody_stored_meanwhile_keeps_the_key_from_changing_at_all() {
    let world = super::new_world().await;
    put(&world, "A", "old", b"a", START).await;
    put(&world, "B", "old", b"changed meanwhile", START).await;
    let new = KeyId::new("new");
    let before = world.all_sealed_secrets().await.unwrap();
    assert!(!world.reseal_secrets(&new, &[resealed("A", b"a"), resealed("B", b"as it was")]).await.unwrap());
    assert!(!world.reseal_secrets(&new, &[resealed("A", b"a")]).await.unwrap(), "B would be left behind");
    assert!(!world.reseal_secrets(&new, &[resealed("A", b"a"), resealed("GONE", b"x")]).await.unwrap());
    assert_eq!(world.all_sealed_secrets().await.unwrap(), before);
}

#[tokio::test]
async fn while_any_secret_is_under_the_old_key_new_ones_are_kept_under_it_too() {
    let world = super::new_world().await;
    put_between(&world, "FIRST").await;
    assert_eq!(world.secret_keys().await.unwrap(), under(&[("new", 1)]), "nobody needs the old one");
    assert_eq!(world.delete_secret(&id("FIRST")).await.unwrap(), SecretDeletion::Deleted);

    put(&world, "A", "old", b"a", START).await;
    put_between(&world, "B").await;
    assert_eq!(kept(&world, "B").await.unwrap(), sealed("old", b"by old"), "there may be hosts without the new key");
    let both = [resealed("A", b"a"), resealed("B", b"by old")];
    assert!(world.reseal_secrets(&KeyId::new("new"), &both).await.unwrap());
    put_between(&world, "C").await;
    assert_eq!(kept(&world, "C").await.unwrap(), sealed("new", b"by new"));
}

#[tokio::test]
async fn whoever_stores_and_whoever_changes_the_key_take_turns() {
    let world = super::new_world().await;
    let new = KeyId::new("new");
    for round in 0..20 {
        put(&world, "A", "old", b"a", START).await;
        let name = format!("N{round}");
        let moved = [resealed("A", b"a")];
        let (changed, ()) = tokio::join!(world.reseal_secrets(&new, &moved), put_between(&world, &name));
        // Stored first, it is under the old key and nothing has changed; stored afterwards, it is under the new one.
        let expected = if changed.unwrap() { "new" } else { "old" };
        assert_eq!(kept(&world, &name).await.unwrap().key, KeyId::new(expected), "round {round}");
        let keys = world.secret_keys().await.unwrap();
        assert_eq!(keys.contains_key(&KeyId::new("old")), expected == "old", "round {round}: {keys:?}");
        for secret in ["A", &name] {
            world.delete_secret(&id(secret)).await.unwrap();
        }
    }
}
