//! Components and the names they have.

use crate::world::{PLUGIN, START, World, at, manual_job};
use latchwork::domain::digest::Digest;
use latchwork::store::{Uploaded, VersionDeletion};

async fn versions(world: &World, name: &str) -> Vec<Digest> {
    world.plugin_versions(name).await.unwrap().iter().map(|version| version.digest).collect()
}

async fn current(world: &World, name: &str) -> Digest {
    let all = world.plugins().await.unwrap();
    all.iter().find(|version| version.name == name).expect("the name has a version").digest
}

#[tokio::test]
async fn a_version_is_new_once_and_current_whenever_it_is_uploaded() {
    let world = super::new_world().await;
    let (old, new_once) = world.upload("hello", b"old", at(1)).await;
    let (new, new_too) = world.upload("hello", b"new", at(2)).await;
    assert_eq!((new_once, new_too), (Uploaded::New, Uploaded::New));
    assert_eq!((versions(&world, "hello").await, current(&world, "hello").await), (vec![new, old], new));
    assert_eq!(world.upload("hello", b"old", at(3)).await, (old, Uploaded::Again));
    assert_eq!((versions(&world, "hello").await, current(&world, "hello").await), (vec![old, new], old));
}

#[tokio::test]
async fn the_version_uploaded_last_is_current_even_where_the_clock_stood_or_went_back() {
    let world = super::new_world().await;
    for (text, uploaded_at) in [("a", at(9)), ("b", at(9)), ("c", at(9)), ("d", at(5)), ("b", at(1))] {
        let (digest, _) = world.upload("hello", text.as_bytes(), uploaded_at).await;
        assert_eq!(current(&world, "hello").await, digest, "{text}");
        assert_eq!(versions(&world, "hello").await[0], digest, "{text}");
    }
}

#[tokio::test]
async fn every_name_is_listed_with_all_that_is_known_of_its_current_version() {
    let world = super::new_world().await;
    world.upload("audit", b"old", at(1)).await;
    let (digest, _) = world.upload("audit", b"a component of audit", at(2)).await;
    let all = world.plugins().await.unwrap();
    assert_eq!(all.iter().map(|version| version.name.as_str()).collect::<Vec<_>>(), ["audit", PLUGIN]);
    assert_eq!((all[0].digest, all[0].size_bytes, all[0].uploaded_at), (digest, 20, at(2)));
    assert_eq!(all[0].imports, ["latchwork:plugin/log"]);
}

#[tokio::test]
async fn a_components_bytes_come_back_by_its_digest() {
    let world = super::new_world().await;
    let (digest, _) = world.upload("hello", b"\0asm bytes", START).await;
    assert_eq!(world.component(&digest).await.unwrap().as_deref(), Some(&b"\0asm bytes"[..]));
    assert_eq!(world.component(&Digest::of(b"other")).await.unwrap(), None);
}

#[tokio::test]
async fn a_deleted_version_is_gone_and_its_bytes_stay_while_another_name_has_them() {
    let world = super::new_world().await;
    let (digest, _) = world.upload("hello", b"shared", START).await;
    world.upload("greeting", b"shared", START).await;
    assert_eq!(world.delete_plugin_version("hello", &digest).await.unwrap(), VersionDeletion::Deleted);
    assert_eq!(world.delete_plugin_version("hello", &digest).await.unwrap(), VersionDeletion::Unknown);
    assert!(world.component(&digest).await.unwrap().is_some());
    assert_eq!(world.delete_plugin_version("greeting", &digest).await.unwrap(), VersionDeletion::Deleted);
    assert_eq!(world.component(&digest).await.unwrap(), None);
}

#[tokio::test]
async fn a_version_with_an_open_interval_cannot_be_deleted() {
    let world = super::new_world().await;
    let digest = current(&world, PLUGIN).await;
    let job = world.keep(manual_job()).await;
    let interval = world.fire_job(job, START).await;
    assert_eq!(world.delete_plugin_version(PLUGIN, &digest).await.unwrap(), VersionDeletion::Pinned(interval));
    world.abandon(interval, "enough", None, START).await.unwrap();
    assert_eq!(world.delete_plugin_version(PLUGIN, &digest).await.unwrap(), VersionDeletion::Deleted);
}

#[tokio::test]
async fn an_interval_stays_on_the_version_with_which_it_fired() {
    let world = super::new_world().await;
    let old = current(&world, PLUGIN).await;
    let job = world.keep(manual_job()).await;
    let before = world.fire_job(job, START).await;
    let (new, _) = world.upload(PLUGIN, b"a newer component", at(1)).await;
    let after = world.fire_job(job, at(2)).await;
    assert_eq!(world.open_interval(before).await.unwrap().unwrap().digest, old);
    assert_eq!(world.open_interval(after).await.unwrap().unwrap().digest, new);
}
