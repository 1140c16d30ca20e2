//! From columns to nouns and back: text, numbers, names, ids, JSON.
//!
//! A value that can't be read is never skipped: the error names table, column and row, not the value.

use std::str::FromStr;

use portico_core::error::{Error, Result};
use portico_core::time::UtcMs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;

use crate::error::{self, Cause, Inconsistent};
use crate::statement::Statement;

/// A row of either database, as long as it is being read. Columns are read by their position in the statement.
pub(crate) struct Row<'r> {
    /// For errors.
    statement: &'static Statement,
    inner: Inner<'r>,
}

enum Inner<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r PgRow),
}

/// A type that is read from a whole row.
pub(crate) trait FromRow: Sized {
    /// Reads a row.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// A type that is read from one column.
pub(crate) trait Column<'r>: Sized {
    /// Reads the column at `index`, counted from 0.
    fn read(row: &Row<'r>, index: usize) -> Result<Self>;
}

impl<'r> Row<'r> {
    /// A row that SQLite gave for a statement.
    pub(crate) fn sqlite(statement: &'static Statement, row: &'r rusqlite::Row<'r>) -> Self {
        Self { statement, inner: Inner::Sqlite(row) }
    }

    /// A row that Postgres gave for a statement.
    pub(crate) fn postgres(statement: &'static Statement, row: &'r PgRow) -> Self {
        Self { statement, inner: Inner::Postgres(row) }
    }

    /// The column at `index`, counted from 0.
    pub(crate) fn get<T: Column<'r>>(&self, index: usize) -> Result<T> {
        T::read(self, index)
    }

    fn failed(&self, cause: impl Into<Cause>) -> Error {
        error::failed(self.statement, cause.into())
    }

    fn required<T>(&self, index: usize, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.failed(Cause::Null(index)))
    }
}

impl<'r> Column<'r> for Option<&'r str> {
    fn read(row: &Row<'r>, index: usize) -> Result<Self> {
        match row.inner {
            Inner::Sqlite(inner) => {
                let value = inner.get_ref(index).map_err(|e| row.failed(e))?;
                value.as_str_or_null().map_err(|e| row.failed(Cause::Column(index, e)))
            }
            Inner::Postgres(inner) => sqlx::Row::try_get(inner, index).map_err(|e| row.failed(e)),
        }
    }
}

impl<'r> Column<'r> for Option<i64> {
    fn read(row: &Row<'r>, index: usize) -> Result<Self> {
        match row.inner {
            Inner::Sqlite(inner) => {
                let value = inner.get_ref(index).map_err(|e| row.failed(e))?;
                value.as_i64_or_null().map_err(|e| row.failed(Cause::Column(index, e)))
            }
            Inner::Postgres(inner) => sqlx::Row::try_get(inner, index).map_err(|e| row.failed(e)),
        }
    }
}

impl<'r> Column<'r> for Option<&'r [u8]> {
    fn read(row: &Row<'r>, index: usize) -> Result<Self> {
        match row.inner {
            Inner::Sqlite(inner) => {
                let value = inner.get_ref(index).map_err(|e| row.failed(e))?;
                value.as_blob_or_null().map_err(|e| row.failed(Cause::Column(index, e)))
            }
            Inner::Postgres(inner) => sqlx::Row::try_get(inner, index).map_err(|e| row.failed(e)),
        }
    }
}

/// Columns that are never absent, and owned ones, read as those above.
macro_rules! columns {
    ($($type:ty, $from:ty => |$value:ident| $read:expr;)*) => {$(
        impl<'r> Column<'r> for $type {
            fn read(row: &Row<'r>, index: usize) -> Result<Self> {
                let $value = <Option<$from>>::read(row, index)?;
                let $value = row.required(index, $value)?;
                Ok($read)
            }
        }
    )*};
}

columns! {
    &'r str, &'r str => |value| value;
    i64, i64 => |value| value;
    &'r [u8], &'r [u8] => |value| value;
    String, &'r str => |value| value.to_owned();
    Vec<u8>, &'r [u8] => |value| value.to_owned();
}

/// Tuples are read column by column.
macro_rules! tuples {
    ($(($($type:ident $index:literal),+);)*) => {$(
        impl<$($type: for<'r> Column<'r>),+> FromRow for ($($type,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($($type::read(row, $index)?,)+))
            }
        }
    )*};
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

/// The table and the row a value stands in, for the error when it can't be read.
#[derive(Clone, Copy)]
pub(crate) struct RowRef<'a> {
    table: &'static str,
    row: &'a str,
}

impl<'a> RowRef<'a> {
    /// The row with that id.
    pub(crate) fn new(table: &'static str, row: &'a str) -> Self {
        Self { table, row }
    }

    fn bad(self, column: &'static str) -> Error {
        Inconsistent { table: self.table, column, row: self.row.to_owned() }.into()
    }

    /// A value of an enum from its name.
    pub(crate) fn name<T>(self, column: &'static str, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        read(name).ok_or_else(|| self.bad(column))
    }

    /// An id.
    pub(crate) fn id<T: FromStr>(self, column: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.bad(column))
    }

    /// An id that may be absent.
    pub(crate) fn id_option<T: FromStr>(self, column: &'static str, text: Option<&str>) -> Result<Option<T>> {
        text.map(|t| self.id(column, t)).transpose()
    }

    /// JSON.
    pub(crate) fn json<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|_| self.bad(column))
    }

    /// A number that is smaller in the noun than in the column.
    pub(crate) fn number<T: TryFrom<i64>>(self, column: &'static str, number: i64) -> Result<T> {
        T::try_from(number).map_err(|_| self.bad(column))
    }
}

/// JSON to store.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("writing JSON for the database", e))
}

/// A time that may be absent, as stored.
pub(crate) fn ms(time: Option<UtcMs>) -> Option<i64> {
    time.map(|t| t.0)
}

/// A count, which no database reports below zero.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A count as the port wants it; saturates.
pub(crate) fn count_u32(number: i64) -> u32 {
    u32::try_from(count(number)).unwrap_or(u32::MAX)
}

/// The length of a list, as bound.
pub(crate) fn length(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What sorts after every id: the start of a list without a cursor.
pub(crate) const AFTER_ALL: &str = "~";

/// The cursor of a page as bound.
pub(crate) fn cursor(page: &portico_core::page::PageRequest) -> &str {
    page.before.as_deref().unwrap_or(AFTER_ALL)
}

/// The rows of a list that a page passes over, as bound.
pub(crate) fn offset(page: &portico_core::page::PageRequest) -> i64 {
    i64::from(page.offset)
}

/// Rows to fetch for a page: one more than asked for, so that a further row shows.
pub(crate) fn page_rows(page: &portico_core::page::PageRequest) -> i64 {
    i64::from(page.limit) + 1
}
