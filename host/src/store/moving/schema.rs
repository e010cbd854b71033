//! The tables of a database, as its own catalogue tells them: what is moved is whatever is there.

use std::collections::{BTreeMap, BTreeSet};

/// Why tables cannot be moved. Both sides are of this version, so somebody else has changed one of them.
#[derive(Debug, thiserror::Error)]
#[error("this schema cannot be moved: {0}")]
pub struct SchemaError(String);

/// The types of columns that the schema has, by what both databases can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Boolean,
    Text,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Whether it belongs to the primary key, by which a row is named.
    pub(super) is_key: bool,
    /// Whether the database numbers its rows, so that the next number must be behind all that are there.
    pub(super) is_numbered: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The tables that its rows refer to.
    pub(super) refers_to: BTreeSet<String>,
}

/// A table on both sides, its columns in the same order.
pub(super) struct Pair {
    pub(super) source: Table,
    pub(super) target: Table,
}

impl Kind {
    /// What a type is, as either database calls it.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Some(Self::Integer),
            "boolean" => Some(Self::Boolean),
            "text" => Some(Self::Text),
            "blob" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

impl Table {
    /// Its columns, as a statement lists them.
    pub(super) fn list(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The statement that reads all of it.
    pub(super) fn select(&self) -> String {
        format!("select {} from {}", self.list(), quoted(&self.name))
    }
}

/// A name within a statement. It comes from the catalogue of a schema that is our own.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Puts rows of a catalogue together: table, column, type, whether it is of the key, whether it is numbered.
pub(super) fn tables(
    columns: Vec<(String, String, String, bool, bool)>,
    references: Vec<(String, String)>,
) -> Result<Vec<Table>, SchemaError> {
    let mut tables = BTreeMap::<String, Table>::new();
    for (table, name, kind, is_key, is_numbered) in columns {
        let kind = Kind::named(&kind)
            .ok_or_else(|| SchemaError(format!("column {table}.{name} has the unknown type {kind}")))?;
        let new = || Table { name: table.clone(), columns: Vec::new(), refers_to: BTreeSet::new() };
        let column = Column { name, kind, is_key, is_numbered };
        tables.entry(table.clone()).or_insert_with(new).columns.push(column);
    }
    for (from, to) in references {
        if let Some(table) = tables.get_mut(&from) {
            table.refers_to.insert(to);
        }
    }
    Ok(tables.into_values().collect())
}

/// The tables of both sides, each after those that its rows refer to. Both have the same, as both are of one version.
pub(super) fn paired(source: Vec<Table>, target: Vec<Table>) -> Result<Vec<Pair>, SchemaError> {
    let mut others: BTreeMap<_, _> = source.into_iter().map(|table| (table.name.clone(), table)).collect();
    let mut pairs = Vec::new();
    for target in in_order(target)? {
        let source = others.remove(&target.name);
        let source = source.ok_or_else(|| SchemaError(format!("the source has no table {}", target.name)))?;
        pairs.push(Pair { source: like(&source, &target)?, target });
    }
    match others.into_keys().next() {
        Some(name) => Err(SchemaError(format!("the target has no table {name}"))),
        None => Ok(pairs),
    }
}

/// The source's table with its columns in the order of the target's.
fn like(source: &Table, target: &Table) -> Result<Table, SchemaError> {
    let named = |column: &Column| source.columns.iter().find(|own| own.name == column.name).cloned();
    let columns: Option<Vec<_>> = target.columns.iter().map(named).collect();
    match columns {
        Some(columns) if columns.len() == source.columns.len() => Ok(Table { columns, ..source.clone() }),
        _ => Err(SchemaError(format!("the columns of {} are others in the source than in the target", target.name))),
    }
}

fn in_order(mut tables: Vec<Table>) -> Result<Vec<Table>, SchemaError> {
    let mut ordered: Vec<Table> = Vec::new();
    while !tables.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|table| table.name == *name);
        // A table whose rows refer to one another waits for no other.
        let is_next = |table: &Table| table.refers_to.iter().all(|name| *name == table.name || is_there(name));
        let next = tables.iter().position(is_next);
        let next = next.ok_or_else(|| SchemaError("its tables refer to each other in a circle".to_owned()))?;
        ordered.push(tables.remove(next));
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str], refers_to: &[&str]) -> Table {
        let column =
            |name: &&str| Column { name: (*name).to_owned(), kind: Kind::Text, is_key: false, is_numbered: false };
        let refers_to = refers_to.iter().map(|&name| name.to_owned()).collect();
        Table { name: name.to_owned(), columns: columns.iter().map(column).collect(), refers_to }
    }

    fn order(pairs: &[Pair]) -> Vec<&str> {
        pairs.iter().map(|pair| pair.target.name.as_str()).collect()
    }

    #[test]
    fn a_table_comes_after_all_that_it_refers_to() {
        let all =
            [table("a", &[], &["b", "a"]), table("b", &[], &["d", "c"]), table("c", &[], &["d"]), table("d", &[], &[])];
        let pairs = paired(all.to_vec(), all.to_vec()).unwrap();
        assert_eq!(order(&pairs), ["d", "c", "b", "a"]);
        let circle = vec![table("a", &[], &["b"]), table("b", &[], &["a"])];
        assert!(paired(circle.clone(), circle).is_err());
    }

    #[test]
    fn columns_are_taken_by_their_names() {
        let pairs = paired(vec![table("a", &["x", "y"], &[])], vec![table("a", &["y", "x"], &[])]).unwrap();
        assert_eq!((pairs[0].source.list(), pairs[0].target.list()), ("\"y\", \"x\"".into(), "\"y\", \"x\"".into()));
    }

    #[test]
    fn what_only_one_side_has_is_named() {
        for (source, target) in [
            (vec![table("a", &["x"], &[])], vec![]),
            (vec![], vec![table("a", &["x"], &[])]),
            (vec![table("a", &["x", "y"], &[])], vec![table("a", &["x"], &[])]),
            (vec![table("a", &["x"], &[])], vec![table("a", &["x", "y"], &[])]),
        ] {
            let error = paired(source, target).err().expect("they differ").to_string();
            assert!(error.contains(" a"), "{error}");
        }
    }
}
