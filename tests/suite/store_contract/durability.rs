//! What is committed stays, and the file has one host at a time.

use super::raw;
use crate::hands::Hands;
use crate::world::{START, World, at, every, job_on, manual_job, tasks_only};
use latchwork::domain::ids::TaskIndex;
use latchwork::store::{SqliteStore, Store, StoreError};

#[tokio::test]
async fn what_was_recorded_is_there_after_the_store_was_opened_again() {
    let world = World::new().await;
    let owner = world.host("a", START).await;
    let interval = world.interval_of(owner, 100).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(4, START);
    hands.complete([0, 2]);
    hands.note(2, |task| task.output = b"result".to_vec());
    hands.record(&world).await.unwrap();

    let world = world.reopened().await;

    assert_eq!(world.completed(interval).await, [0, 2]);
    assert_eq!(world.counts(interval).await.running, 2);
    let notes = world.task_notes(interval, TaskIndex(2), TaskIndex(2)).await.unwrap();
    assert_eq!(notes[&TaskIndex(2)].output.as_deref(), Some(&b"result"[..]));
    world.host("a", at(1)).await;
    assert_eq!(world.resume(interval, 1, 3, at(1)).await.unwrap().duplicates, 2);
}

#[tokio::test]
async fn a_second_host_is_kept_off_the_file_while_the_first_has_it() {
    let world = World::new().await;
    let second = SqliteStore::open(&world.database()).await.err().expect("the file is taken");
    assert!(matches!(&second, StoreError::InUse(path) if path.ends_with("latchwork.db")), "{second}");
    let world = world.reopened().await;
    assert_eq!(world.plugins().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_schema_goes_back_and_forth_without_leaving_anything() {
    let files = tempfile::TempDir::new().unwrap();
    let database = files.path().join("latchwork.db");
    drop(SqliteStore::open(&database).await.unwrap());
    while let Some(name) = SqliteStore::revert(&database).await.unwrap() {
        assert!(!name.is_empty());
    }
    assert_eq!(tables(&database).await, ["_sqlx_migrations"]);
    let store = SqliteStore::open(&database).await.unwrap();
    assert!(store.jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_and_what_refers_to_them_go_through_a_version_back_and_forth() {
    let world = World::new().await;
    let (manual, cron) = (world.keep(manual_job()).await, world.keep(job_on(every(10))).await);
    let owner = world.host("a", START).await;
    let interval = world.fire_job(manual, START).await;
    world.plan(owner, interval, &tasks_only(9)).await;
    let mut hands = Hands::on(&world, owner, interval, START).await;
    hands.start(3, START);
    hands.complete([1]);
    hands.note(1, |task| {
        task.output = b"result".to_vec();
        task.keys.insert("key".to_owned(), Some(b"value".to_vec()));
    });
    hands.record(&world).await.unwrap();
    let before = (format!("{:?}", world.jobs().await.unwrap()), world.view(interval).await);

    let (database, world) = (world.database(), world.closed());
    assert_eq!(SqliteStore::revert(&database).await.unwrap().as_deref(), Some("operations"));
    let world = world.opened().await;

    let after = (format!("{:?}", world.jobs().await.unwrap()), world.view(interval).await);
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(world.completed(interval).await, [1]);
    assert_eq!(world.key(manual, "key").await.unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(world.due_jobs(at(10), 9).await.unwrap()[0].job.id, cron);
    let broken = sqlx::query("pragma foreign_key_check").fetch_all(&mut raw(&world).await).await.unwrap();
    assert!(broken.is_empty(), "{} rows refer to rows that are gone", broken.len());
}

async fn tables(database: &std::path::Path) -> Vec<String> {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", database.display())).await.unwrap();
    let names = sqlx::query_scalar("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'");
    names.fetch_all(&pool).await.unwrap()
}

#[tokio::test]
async fn another_spelling_of_the_path_leads_to_the_same_lock() {
    let world = World::new().await;
    let folder = world.database().parent().unwrap().to_owned();
    let link = folder.join("link.db");
    std::os::unix::fs::symlink(world.database(), &link).unwrap();
    let around = folder.join("..").join(folder.file_name().unwrap()).join("latchwork.db");
    for path in [link, around] {
        let second = SqliteStore::open(&path).await.err();
        assert!(matches!(second, Some(StoreError::InUse(_))), "{}", path.display());
    }
}

#[tokio::test]
async fn a_link_to_a_file_that_is_still_to_come_leads_to_its_lock() {
    let files = tempfile::TempDir::new().unwrap();
    let (database, link) = (files.path().join("latchwork.db"), files.path().join("link.db"));
    std::os::unix::fs::symlink(&database, &link).unwrap();
    let _first = SqliteStore::open(&link).await.unwrap();
    assert!(matches!(SqliteStore::open(&database).await.err(), Some(StoreError::InUse(_))));
}
