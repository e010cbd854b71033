//! The keys of jobs.

use crate::hands::Hands;
use crate::world::{START, World, manual_job, tasks_only};
use latchwork::domain::ids::JobId;
use latchwork::domain::task::KeyWrites;

/// Runs an interval of a job whose only task writes these keys.
async fn write(world: &World, job: JobId, writes: KeyWrites) {
    let owner = world.host("a", START).await;
    let interval = world.fire_job(job, START).await;
    world.plan(owner, interval, &tasks_only(1)).await;
    let mut hands = Hands::on(world, owner, interval, START).await;
    hands.complete([0]);
    hands.note(0, |task| task.keys = writes);
    hands.record(world).await.unwrap();
}

/// A job with these keys; the value of each is its own name.
async fn job_with(world: &World, keys: &[&str]) -> JobId {
    let job = world.keep(manual_job()).await;
    write(world, job, keys.iter().map(|&key| (key.to_owned(), Some(key.into()))).collect()).await;
    job
}

async fn list(world: &World, job: JobId, prefix: &str) -> Vec<String> {
    world.list_keys(job, prefix, None, 99).await.unwrap()
}

#[tokio::test]
async fn keys_are_listed_in_the_order_of_their_bytes() {
    let world = super::new_world().await;
    let mut keys = ["b", "a", "B", "a/10", "a/9", "ä", "z", "日本", "~", " ", "\u{10ffff}", "\u{ffff}"];
    let job = job_with(&world, &keys).await;
    keys.sort_unstable();
    assert_eq!(list(&world, job, "").await, keys);
}

#[tokio::test]
async fn a_prefix_is_taken_letter_by_letter_whatever_its_characters() {
    let world = super::new_world().await;
    let job =
        job_with(&world, &["50%", "50%/a", "500", "a_b", "aXb", "A_b", "ä/1", "ä/2", "a/1", "日本語", "日", "*x"])
            .await;
    assert_eq!(list(&world, job, "50%").await, ["50%", "50%/a"]);
    assert_eq!(list(&world, job, "a_").await, ["a_b"]);
    assert_eq!(list(&world, job, "ä/").await, ["ä/1", "ä/2"]);
    assert_eq!(list(&world, job, "日").await, ["日", "日本語"]);
    assert_eq!(list(&world, job, "*").await, ["*x"]);
    assert_eq!(list(&world, job, "b").await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let world = super::new_world().await;
    let job = job_with(&world, &["a", "k/1", "k/2", "k/3", "l"]).await;
    let page = async |after| world.list_keys(job, "k/", after, 2).await.unwrap();
    assert_eq!(page(None).await, ["k/1", "k/2"]);
    assert_eq!(page(Some("k/2")).await, ["k/3"]);
    assert_eq!(page(Some("k/3")).await, Vec::<String>::new());
    assert_eq!(page(Some("a")).await, ["k/1", "k/2"], "a place before the prefix is its beginning");
    assert_eq!(page(Some("k/15")).await, ["k/2", "k/3"], "the key itself need not be there");
}

#[tokio::test]
async fn a_job_sees_only_its_own_keys() {
    let world = super::new_world().await;
    let (mine, other) = (job_with(&world, &["mine", "both"]).await, job_with(&world, &["both"]).await);
    write(&world, other, [("both".to_owned(), Some(b"other".to_vec()))].into()).await;
    assert_eq!(world.key(mine, "both").await.unwrap().as_deref(), Some(&b"both"[..]));
    assert_eq!(world.key(other, "mine").await.unwrap(), None);
    assert_eq!(list(&world, other, "").await, ["both"]);
}

#[tokio::test]
async fn a_key_is_set_replaced_and_removed_and_may_hold_no_bytes() {
    let world = super::new_world().await;
    let job = job_with(&world, &["kept", "replaced", "removed"]).await;
    let writes =
        [("replaced".to_owned(), Some(Vec::new())), ("removed".to_owned(), None), ("never there".to_owned(), None)];
    write(&world, job, writes.into()).await;
    assert_eq!(list(&world, job, "").await, ["kept", "replaced"]);
    assert_eq!(world.key(job, "replaced").await.unwrap(), Some(Vec::new()));
    assert_eq!(world.key(job, "removed").await.unwrap(), None);
}

#[tokio::test]
async fn a_prefix_may_hold_nul_and_the_last_character_there_is() {
    let world = super::new_world().await;
    let job =
        job_with(&world, &["a", "a\0", "a\0b", "a\u{1}", "\u{10ffff}", "\u{10ffff}z", "\u{d7ff}", "\u{e000}"]).await;
    assert_eq!(list(&world, job, "a\0").await, ["a\0", "a\0b"]);
    assert_eq!(list(&world, job, "\u{10ffff}").await, ["\u{10ffff}", "\u{10ffff}z"]);
    assert_eq!(list(&world, job, "\u{d7ff}").await, ["\u{d7ff}"]);
    assert_eq!(world.list_keys(job, "a", Some("a\0"), 9).await.unwrap(), ["a\0b", "a\u{1}"]);
}
