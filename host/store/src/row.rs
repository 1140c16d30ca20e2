//! From columns to nouns and back: names, ids, JSON, numbers.
//!
//! A value that can't be read is never skipped: the error names table, column and row, not the value.

use std::borrow::Cow;
use std::str::FromStr;

use portico_core::error::{Error, Result};
use portico_core::time::UtcMs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Inconsistent;

/// Where a value stands, for the error when it can't be read.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    table: &'static str,
    row: &'a str,
}

impl<'a> Place<'a> {
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

/// Text from outside as it can be stored: Postgres refuses U+0000, and a message whose sender put one into an id must not
/// come back forever.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// As [`clean`], for text that may be absent.
pub(crate) fn clean_option(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(clean)
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

/// Rows to fetch for a page: one more than asked for, so that a further row shows.
pub(crate) fn page_rows(page: &portico_core::page::PageRequest) -> i64 {
    i64::from(page.limit) + 1
}
