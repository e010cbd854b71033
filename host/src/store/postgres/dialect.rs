//! What PostgreSQL says in its own way. The other database's `dialect` has the same names; each says why they differ.

/// Bytes without any: `x''` are bits here.
macro_rules! no_bytes {
    () => {
        "''::bytea"
    };
}

/// The bytes that a text in hexadecimal stands for.
macro_rules! unhex {
    ($text:literal) => {
        concat!("decode(", $text, ", 'hex')")
    };
}

/// The elements of a JSON array, each a row with a `value`.
macro_rules! elements {
    ($json:literal) => {
        concat!("jsonb_array_elements(", $json, "::jsonb)")
    };
}

/// The texts of a JSON array, each a row with a `value`.
macro_rules! texts {
    ($json:literal) => {
        concat!("jsonb_array_elements_text(", $json, "::jsonb)")
    };
}

/// Whether what stands before it is among the texts of a JSON array. As an array it is looked up in an index; of the rows
/// of a function PostgreSQL does not know how few they are.
macro_rules! in_list {
    ($json:literal) => {
        concat!("= any (array(select jsonb_array_elements_text(", $json, "::jsonb)))")
    };
}

/// A JSON array of what a group's rows hold.
macro_rules! json_list {
    ($($element:tt)*) => {
        concat!("json_agg(", $($element)*, ")")
    };
}

/// A JSON object of names and values.
macro_rules! json_object {
    ($members:literal) => {
        concat!("json_build_object(", $members, ")")
    };
}

/// A number in a column of JSON text, null where it is not there: texts are not taken for JSON here, nor for numbers.
macro_rules! json_number {
    ($column:literal, $member:literal) => {
        concat!("cast(cast(", $column, " as json) ->> '", $member, "' as bigint)")
    };
}

/// Whether labels, a JSON object of texts, hold all members of another.
macro_rules! labels_meet {
    ($labels:literal, $requires:literal) => {
        concat!($requires, "::jsonb <@ ", $labels, "::jsonb")
    };
}

/// What the database's own clock shows, whenever the transaction began.
macro_rules! database_now {
    () => {
        "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"
    };
}

/// The smaller of two values.
macro_rules! smaller {
    () => {
        "least"
    };
}

/// The larger of two values.
macro_rules! larger {
    () => {
        "greatest"
    };
}

/// Indices cannot be named here, and need not be.
macro_rules! by_index {
    ($index:literal) => {
        ""
    };
}

/// The same for the primary key.
macro_rules! by_primary_key {
    ($table:literal) => {
        ""
    };
}

/// A join whose right side is looked up for each row of the left, which PostgreSQL does by itself.
macro_rules! lookup_join {
    () => {
        "join"
    };
}

/// Where a row lies, for tables whose key is long.
macro_rules! place {
    () => {
        "ctid"
    };
}

/// Whether a row is among those whose places a query tells: only an array of them is gone to directly.
macro_rules! in_places {
    ($($query:tt)*) => {
        concat!("ctid = any (array(", $($query)*, "))")
    };
}

/// Locks the rows read, so that nobody else changes them, refers to them or keeps them from ending.
macro_rules! for_update {
    () => {
        " for update"
    };
}

/// The same for rows of which others refer to the key in the meantime; of one table where several are read.
macro_rules! for_no_key_update {
    () => {
        " for no key update"
    };
    (of $table:literal) => {
        concat!(" for no key update of ", $table)
    };
}

/// Locks the rows read, so that nobody changes them.
macro_rules! for_share {
    () => {
        " for share"
    };
}

/// Locks the rows read, so that nobody ends or removes them: a heartbeat goes through, whoever ends a host waits.
macro_rules! for_key_share {
    () => {
        " for key share"
    };
}

/// Passes by the rows that somebody else has locked.
macro_rules! skip_locked {
    () => {
        " skip locked"
    };
}

use super::Row;
use sqlx::Row as _;
use std::borrow::Cow;

/// What stands in the place of NUL.
const NUL_SHOWN: &str = "\u{2400}";

/// Whether any migration was ever applied.
pub(super) const HAS_VERSIONS: &str = "select to_regclass('_sqlx_migrations') is not null";

/// A text that people or plugins made up. PostgreSQL keeps none with a NUL: its picture is kept instead.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', NUL_SHOWN)) } else { Cow::Borrowed(text) }
}

/// A key of a job as the column takes it: as bytes it may hold a NUL, and compares like SQLite's in every locale.
pub(super) fn key(key: &str) -> &[u8] {
    key.as_bytes()
}

/// Reads a key.
pub(super) fn read_key(row: &Row) -> sqlx::Result<String> {
    String::from_utf8(row.try_get("key")?).map_err(|error| sqlx::Error::Decode(error.into()))
}
