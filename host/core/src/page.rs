//! Cursor paging: newest first, `?limit=&cursor=`.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::limits::Limits;

/// Which rows of a list are wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// At most so many rows.
    pub limit: u32,
    /// Only rows whose sort key is below this one (the `next` of the page before).
    pub before: Option<String>,
}

impl PageRequest {
    /// Checks what a caller asked for against the limits.
    pub fn new(limit: Option<u32>, cursor: Option<String>, limits: &Limits) -> Result<Self> {
        let limit = limit.unwrap_or(limits.page_default);
        if limit == 0 || limit > limits.page_max {
            return Err(Error::invalid("limit", format!("must be 1 to {}", limits.page_max)));
        }
        if cursor.as_ref().is_some_and(|c| c.len() > 64 || !c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            return Err(Error::invalid("cursor", "must be the `next` of an earlier page, unchanged"));
        }
        Ok(Self { limit, before: cursor })
    }

    /// Checks that the cursor is an id of the kind that the list goes by.
    pub(crate) fn by<Id: FromStr>(&self) -> Result<&Self> {
        match &self.before {
            Some(cursor) if cursor.parse::<Id>().is_err() => {
                Err(Error::invalid("cursor", "must be the `next` of an earlier page of this list, unchanged"))
            }
            _ => Ok(self),
        }
    }
}

/// Some rows and the way to the next ones.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Pass as `cursor` for the rows after these; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of rows fetched with `limit + 1`, so that a further row shows there is a next page.
    pub fn cut(mut rows: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Self {
        let limit = request.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next }
    }
}
