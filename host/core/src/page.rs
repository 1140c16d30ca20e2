//! Cursor paging: newest first, `?limit=&cursor=`. And how much a page may hold.

use std::str::FromStr;

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

    /// The same page, ended early where its rows, of which these are the bytes, would hold more than `bytes_max`.
    pub(crate) fn within(&self, bytes: &[u64], bytes_max: u64) -> Self {
        let limit = u32::try_from(fitting(bytes, bytes_max)).unwrap_or(u32::MAX);
        Self { limit: self.limit.min(limit), before: self.before.clone() }
    }
}

/// How many of the first rows, of which these are the bytes, hold at most `bytes_max`; one in any case: a page leads on.
pub(crate) fn fitting(bytes: &[u64], bytes_max: u64) -> usize {
    let sums = bytes.iter().scan(0_u64, |sum, bytes| {
        *sum = sum.saturating_add(*bytes);
        Some(*sum)
    });
    sums.take_while(|sum| *sum <= bytes_max).count().max(1)
}

/// Some rows and the way to the next ones.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Pass as `cursor` for the rows after these; absent on the last page.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_the_row_that_is_too_much() {
        assert_eq!(fitting(&[4, 4, 4], 8), 2);
        assert_eq!(fitting(&[4, 4, 4], 12), 3);
        assert_eq!(fitting(&[9, 1], 8), 1, "it leads on");
        assert_eq!(fitting(&[], 8), 1);
    }

    #[test]
    fn what_was_cut_is_on_the_next_page() {
        // Two rows were asked for and there is a third one, as a store tells it.
        let asked = PageRequest { limit: 2, before: None };
        let cut = asked.within(&[4, 5, 1], 8);
        assert_eq!(Page::cut(vec!["c", "b"], &cut, |row| (*row).to_owned()).next.as_deref(), Some("c"));
        let whole = asked.within(&[4, 4, 1], 8);
        assert_eq!(whole.limit, 2);
        assert_eq!(Page::cut(vec!["c", "b"], &whole, |row| (*row).to_owned()).next, None);
    }
}
