//! What is committed stays, and the file has one host at a time.

use crate::hands::Hands;
use crate::world::{START, World, at};
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
