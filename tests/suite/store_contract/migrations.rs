//! Every version of the schema, with data in place: there and back, for every migration that there is.

use super::every_table::{Cells, Contents, contents, worked_world};
use super::{Connection, broken_references, raw, raw_closed};
use crate::world::Closed;
use std::collections::BTreeSet;

/// What an earlier version has no word for and holds as the nearest that it has, by table and column.
const HELD_AS_ANOTHER: [(&str, &str); 3] = [("jobs", "type"), ("jobs", "next_fire_at"), ("intervals", "origin")];

async fn contents_of(closed: &Closed) -> Contents {
    let mut connection: Connection = raw_closed(closed).await;
    contents(&mut connection).await
}

/// What both versions have a column for.
fn common(of: &Contents, with: &Contents) -> Contents {
    let columns = |contents: &Contents, table: &str| -> BTreeSet<String> {
        contents.get(table).into_iter().flatten().flat_map(|row| row.keys().cloned()).collect()
    };
    let shared = |table: &str| {
        let mut shared = &columns(of, table) & &columns(with, table);
        shared.retain(|column| !HELD_AS_ANOTHER.contains(&(table, column)));
        shared
    };
    let only = |row: &Cells, columns: &BTreeSet<String>| {
        row.iter().filter(|(column, _)| columns.contains(*column)).map(|(c, v)| (c.clone(), v.clone())).collect()
    };
    let tables = of.iter().filter(|(table, _)| with.contains_key(*table));
    tables
        .map(|(table, rows)| {
            let columns = shared(table);
            (table.clone(), rows.iter().map(|row| only(row, &columns)).collect())
        })
        .collect()
}

fn row_counts(contents: &Contents) -> Vec<(&str, usize)> {
    contents.iter().map(|(table, rows)| (table.as_str(), rows.len())).collect()
}

#[tokio::test]
async fn whatever_a_version_can_hold_is_there_after_the_way_down_up_and_down_again() {
    let world = worked_world().await;
    let newest = contents(&mut raw(&world).await).await;
    assert!(newest.values().all(|rows| !rows.is_empty()), "a table is empty: {:?}", row_counts(&newest));
    let mut closed = world.closed();
    let (mut reverted, mut newer) = (0, newest);
    while let Some(version) = closed.revert().await {
        reverted += 1;
        let older = contents_of(&closed).await;
        if older.is_empty() {
            break;
        }
        assert_eq!(common(&older, &newer), common(&newer, &older), "down from `{version}`");
        let counts = row_counts(&older);
        assert!(counts.iter().all(|(table, rows)| newer[*table].len() == *rows), "down from `{version}`: {counts:?}");

        let world = closed.opened().await;
        assert_eq!(broken_references(&world).await, 0, "up from below `{version}`");
        let restored = contents(&mut raw(&world).await).await;
        assert_eq!(common(&older, &restored), common(&restored, &older), "up from below `{version}`");
        world.jobs().await.unwrap();
        closed = world.closed();
        for _ in 0..reverted {
            closed.revert().await.expect("the same migrations");
        }
        assert_eq!(contents_of(&closed).await, older, "down from `{version}` for the second time");
        newer = older;
    }
    assert!(reverted > 1, "there are several versions");
    // Nothing is left of the schema, and the database may serve another test.
    closed.opened().await;
}
