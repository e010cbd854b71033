//! Reads typed values out of rows; what does not parse is named.

use super::Row;
use crate::domain::timestamp::Timestamp;
use crate::store::{Result, StoreError};
use sqlx::Row as _;
use std::fmt::Display;
use std::str::FromStr;

/// A text that is written as `T` displays itself.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &Row, column: &str) -> Result<T> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| StoreError::unreadable(column, error))
}

/// The same where null is allowed.
pub(super) fn maybe_parsed<T: FromStr<Err: Display>>(row: &Row, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error| StoreError::unreadable(column, error))).transpose()
}

/// A JSON text.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| StoreError::unreadable(column, error))
}

/// One of a few words: a variant without members, by its name in JSON.
pub(super) fn word<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(text.into()).map_err(|error| StoreError::unreadable(column, error))
}

/// Writes a variant without members so that [`word`] reads it.
pub(super) fn to_word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a variant without members is a string in JSON, not {other:?}"),
    }
}

/// A number within the bounds of `T`.
pub(super) fn number<T: TryFrom<i64, Error: Display>>(row: &Row, column: &str) -> Result<T> {
    let number: i64 = row.try_get(column)?;
    number.try_into().map_err(|error| StoreError::unreadable(column, error))
}

/// The same where null is allowed.
pub(super) fn maybe_number<T: TryFrom<i64, Error: Display>>(row: &Row, column: &str) -> Result<Option<T>> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|number| number.try_into().map_err(|error| StoreError::unreadable(column, error))).transpose()
}

/// An instant.
pub(super) fn instant(row: &Row, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_ms(row.try_get(column)?))
}

/// The same where null is allowed.
pub(super) fn maybe_instant(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    let ms: Option<i64> = row.try_get(column)?;
    Ok(ms.map(Timestamp::from_ms))
}

/// Reads the rows that can be read, and reports the others: one damaged row keeps nobody from the rest.
pub(super) fn readable<T>(rows: &[Row], what: &str, read: impl Fn(&Row) -> Result<T>) -> Vec<T> {
    let read = |row| read(row).inspect_err(|error| report(row, what, error)).ok();
    rows.iter().filter_map(read).collect()
}

/// Names the row whatever its `id` holds.
fn report(row: &Row, what: &str, error: &StoreError) {
    let id: Vec<u8> = row.try_get_unchecked("id").unwrap_or_default();
    let id = String::from_utf8_lossy(&id);
    tracing::error!(%id, "The row of {what} {id} is left out: {error}");
}

/// Writes a value as JSON text.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs with string keys are JSON")
}
