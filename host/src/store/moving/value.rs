//! The values of rows on their way, and a sum over them that does not depend on their order.

use super::schema::{Column, Kind, Table};
use super::{MoveError, Nul};
use sha2::{Digest as _, Sha256};

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub(super) type Row = Vec<Value>;

/// What is known of all rows of a table: the same on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// The sum of a digest of each row: rows come in any order, and one that is missing or twice is noticed.
    pub(super) content: u128,
}

impl Value {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Null | Self::Integer(_) | Self::Boolean(_) => &[],
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// About what it takes.
    fn size(&self) -> u64 {
        8 + self.bytes().len() as u64
    }

    fn digest(&self, hash: &mut Sha256) {
        let (kind, number) = match self {
            Self::Null => (0, 0),
            Self::Integer(number) => (1, *number),
            Self::Boolean(value) => (2, i64::from(*value)),
            // Before what has any length comes how long it is, so that no two rows are one sequence of bytes.
            Self::Text(text) => (3, length(text.as_bytes())),
            Self::Bytes(bytes) => (4, length(bytes)),
        };
        hash.update([kind]);
        hash.update(number.to_le_bytes());
        hash.update(self.bytes());
    }
}

impl Sum {
    pub(super) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        row.iter().for_each(|value| value.digest(&mut hash));
        let digest: [u8; 32] = hash.finalize().into();
        let (first, _) = digest.split_first_chunk().expect("16 of 32 bytes");
        self.rows += 1;
        self.bytes += size(row);
        self.content = self.content.wrapping_add(u128::from_le_bytes(*first));
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).expect("what is in memory is shorter")
}

/// About what a row takes.
pub(super) fn size(row: &Row) -> u64 {
    row.iter().map(Value::size).sum()
}

/// Makes a row of one side's table one of the other's, and counts the texts in which a NUL was replaced.
///
/// `nul` is what becomes of one; none where the target takes it as it is.
pub(super) fn converted(row: Row, source: &Table, target: &Table, nul: Option<Nul>) -> Result<(Row, u64), MoveError> {
    for (value, column) in row.iter().zip(&target.columns) {
        let place = || format!("{}.{} of the row {}", source.name, column.name, row_name(&row, source));
        match (value, column.kind) {
            (Value::Bytes(bytes), Kind::Text) if std::str::from_utf8(bytes).is_err() => {
                return Err(MoveError::NoText(place()));
            }
            (Value::Text(text), Kind::Text) if nul == Some(Nul::Refused) && text.contains('\0') => {
                return Err(MoveError::Nul(place()));
            }
            _ => {}
        }
    }
    let mut replaced = 0;
    let convert = |(value, column): (Value, &Column)| match (value, column.kind) {
        // Keys are texts on SQLite and bytes on PostgreSQL.
        (Value::Text(text), Kind::Bytes) => Value::Bytes(text.into_bytes()),
        (Value::Bytes(bytes), Kind::Text) => Value::Text(String::from_utf8(bytes).expect("looked at above")),
        (Value::Text(text), Kind::Text) if nul.is_some() && text.contains('\0') => {
            replaced += 1;
            Value::Text(text.replace('\0', NUL_SHOWN))
        }
        (value, _) => value,
    };
    Ok((row.into_iter().zip(&target.columns).map(convert).collect(), replaced))
}

/// What a host on PostgreSQL keeps in the place of a NUL.
const NUL_SHOWN: &str = "\u{2400}";

/// Names a row by its primary key.
pub(super) fn row_name(row: &Row, table: &Table) -> String {
    let cells = row.iter().zip(&table.columns).filter(|(_, column)| column.is_key);
    let cells = cells.map(|(value, column)| {
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::Text(text) => text.escape_debug().to_string(),
            Value::Bytes(bytes) => bytes.escape_ascii().to_string(),
        };
        format!("{} = {value}", column.name)
    });
    format!("({})", cells.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn table(kinds: &[Kind]) -> Table {
        let column = |(at, &kind)| Column { name: format!("c{at}"), kind, is_key: at == 0, is_numbered: false };
        let columns = kinds.iter().enumerate().map(column).collect();
        Table { name: "t".to_owned(), columns, refers_to: BTreeSet::new() }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn sum(rows: &[Row]) -> Sum {
        let mut sum = Sum::default();
        rows.iter().for_each(|row| sum.add(row));
        sum
    }

    #[test]
    fn a_sum_depends_on_every_value_and_on_no_order() {
        let rows = [vec![Value::Integer(1), text("ab")], vec![Value::Integer(2), Value::Null]];
        let turned = [rows[1].clone(), rows[0].clone()];
        assert_eq!(sum(&rows), sum(&turned));
        for other in [
            vec![Value::Integer(1), text("ac")],
            vec![Value::Integer(1), Value::Bytes(b"ab".to_vec())],
            vec![Value::Boolean(true), text("ab")],
            vec![Value::Integer(1), Value::Null],
        ] {
            assert_ne!(sum(&[other.clone(), rows[1].clone()]).content, sum(&rows).content, "{other:?}");
        }
        assert_ne!(sum(&[vec![text("a"), text("b")]]).content, sum(&[vec![text("ab"), text("")]]).content);
        assert_ne!(sum(&[rows[0].clone(), rows[0].clone()]).content, sum(&rows).content);
    }

    #[test]
    fn a_nul_in_a_text_is_refused_with_its_place_or_shown_and_in_bytes_it_stays() {
        let (source, target) =
            (table(&[Kind::Integer, Kind::Text, Kind::Text]), table(&[Kind::Integer, Kind::Text, Kind::Bytes]));
        let row = || vec![Value::Integer(7), text("a\0b"), text("c\0")];
        let refused = converted(row(), &source, &target, Some(Nul::Refused)).unwrap_err().to_string();
        assert!(refused.contains("t.c1 of the row (c0 = 7)"), "{refused}");
        let (shown, replaced) = converted(row(), &source, &target, Some(Nul::Shown)).unwrap();
        assert_eq!((shown, replaced), (vec![Value::Integer(7), text("a␀b"), Value::Bytes(b"c\0".to_vec())], 1));
        assert_eq!(converted(row(), &source, &source, None).unwrap(), (row(), 0));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let (source, target) = (table(&[Kind::Bytes]), table(&[Kind::Text]));
        let (text_row, _) = converted(vec![Value::Bytes(b"key".to_vec())], &source, &target, None).unwrap();
        assert_eq!(text_row, [text("key")]);
        let refused = converted(vec![Value::Bytes(vec![0xff])], &source, &target, None).unwrap_err().to_string();
        assert!(refused.contains("t.c0 of the row (c0 = \\xff)"), "{refused}");
    }
}
