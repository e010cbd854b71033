//! What SQLite says in its own way. The other database's `dialect` has the same names; each says why they differ.

/// Bytes without any: a text in quotes would be kept as text.
macro_rules! no_bytes {
    () => {
        "x''"
    };
}

/// The bytes that a text in hexadecimal stands for.
macro_rules! unhex {
    ($text:literal) => {
        concat!("unhex(", $text, ")")
    };
}

/// The elements of a JSON array, each a row with a `value`. SQLite binds no arrays, so lists come as JSON.
macro_rules! elements {
    ($json:literal) => {
        concat!("json_each(", $json, ")")
    };
}

/// The texts of a JSON array, each a row with a `value`.
macro_rules! texts {
    ($json:literal) => {
        concat!("json_each(", $json, ")")
    };
}

/// Whether what stands before it is among the texts of a JSON array.
macro_rules! in_list {
    ($json:literal) => {
        concat!("in (select value from json_each(", $json, "))")
    };
}

/// A JSON array of what a group's rows hold.
macro_rules! json_list {
    ($($element:tt)*) => {
        concat!("json_group_array(", $($element)*, ")")
    };
}

/// A JSON object of names and values.
macro_rules! json_object {
    ($members:literal) => {
        concat!("json_object(", $members, ")")
    };
}

/// A number in a column of JSON text, null where it is not there.
macro_rules! json_number {
    ($column:literal, $member:literal) => {
        concat!($column, " ->> '", $member, "'")
    };
}

/// Whether labels, a JSON object of texts, hold all members of another.
macro_rules! labels_meet {
    ($labels:literal, $requires:literal) => {
        concat!(
            "not exists (select key, value from json_each(",
            $requires,
            ") except select key, value from json_each(",
            $labels,
            "))"
        )
    };
}

/// What the database's own clock shows: this one has none but the machine's.
macro_rules! database_now {
    () => {
        "null"
    };
}

/// The smaller of two values.
macro_rules! smaller {
    () => {
        "min"
    };
}

/// The larger of two values.
macro_rules! larger {
    () => {
        "max"
    };
}

/// Makes SQLite take an index that it would pass by.
macro_rules! by_index {
    ($index:literal) => {
        concat!(" indexed by ", $index)
    };
}

/// Makes SQLite take the primary key, where it would pass it by.
macro_rules! by_primary_key {
    ($table:literal) => {
        concat!(" indexed by sqlite_autoindex_", $table, "_1")
    };
}

/// A join whose right side is looked up for each row of the left: SQLite changes the order of every other join.
macro_rules! lookup_join {
    () => {
        "cross join"
    };
}

/// Where a row lies, for tables whose key is long.
macro_rules! place {
    () => {
        "rowid"
    };
}

/// Whether a row is among those whose places a query tells.
macro_rules! in_places {
    ($($query:tt)*) => {
        concat!("rowid in (", $($query)*, ")")
    };
}

/// Locks the rows read, so that nobody else changes them. SQLite's only writer has locked everything.
macro_rules! for_update {
    () => {
        ""
    };
}

/// The same for rows of which others refer to the key in the meantime.
macro_rules! for_no_key_update {
    ($(of $table:literal)?) => {
        ""
    };
}

/// Locks the rows read, so that nobody changes them.
macro_rules! for_share {
    () => {
        ""
    };
}

/// Locks the rows read, so that nobody ends or removes them.
macro_rules! for_key_share {
    () => {
        ""
    };
}

/// Passes by the rows that somebody else has locked.
macro_rules! skip_locked {
    () => {
        ""
    };
}

use super::Row;
use sqlx::Row as _;
use std::borrow::Cow;

/// Whether any migration was ever applied.
pub(super) const HAS_VERSIONS: &str = "select count(*) > 0 from sqlite_master where name = '_sqlx_migrations'";

/// A text that people or plugins made up. SQLite keeps every text.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// A key of a job as the column takes it: SQLite compares texts by their bytes.
pub(super) fn key(key: &str) -> &str {
    key
}

/// Reads a key.
pub(super) fn read_key(row: &Row) -> sqlx::Result<String> {
    row.try_get("key")
}
