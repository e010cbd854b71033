//! What is particular to SQLite: a file, with one host at a time, and columns that take values of any type.

use crate::mill::Mill;
use crate::on_sqlite::raw;
use crate::world::{World, every, job_on};
use latchwork::domain::rules::Retention;
use latchwork::store::{SqliteStore, StoreError};

const KEEP_ALL: Retention = Retention { intervals: None, days: None };

#[tokio::test]
async fn a_second_host_is_kept_off_the_file_while_the_first_has_it() {
    let world = World::new().await;
    let second = SqliteStore::open(&world.database()).await.err().expect("the file is taken");
    assert!(matches!(&second, StoreError::InUse(path) if path.ends_with("latchwork.db")), "{second}");
    let world = world.reopened().await;
    assert_eq!(world.plugins().await.unwrap().len(), 1);
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

#[tokio::test]
async fn the_log_of_writes_is_cut_back_after_a_reader_held_it() {
    let mut mill = Mill::new(2, KEEP_ALL).await;
    let log = mill.world.database().with_extension("db-wal");
    let mut reader = raw(&mill.world).await;
    sqlx::query("begin").execute(&mut reader).await.unwrap();
    sqlx::query("select count(*) from jobs").fetch_one(&mut reader).await.unwrap();
    let wasm = vec![7; 8 << 20];
    for number in 0..10u8 {
        let wasm = [&wasm[..], &[number]].concat();
        mill.world.upload("large", &wasm, mill.now).await;
    }
    mill.round().await;
    assert!(std::fs::metadata(&log).unwrap().len() > 64 << 20, "the reader keeps it from beginning anew");
    sqlx::query("rollback").execute(&mut reader).await.unwrap();
    mill.world.give_back_pages(0).await.unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_damage_and_no_failure_of_the_database() {
    let world = World::new().await;
    let job = world.keep(job_on(every(10))).await;
    let damage = sqlx::query("update jobs set period_ms = 'often' where id = ?").bind(job.to_string());
    damage.execute(&mut raw(&world).await).await.unwrap();
    let read = world.job(job).await;
    assert!(matches!(&read, Err(StoreError::Unreadable { what, .. }) if what == "period_ms"), "{read:?}");
}
