//! Paging: newest first, `?limit=&cursor=`, or `?limit=&offset=` for systems that count rows; with `total=true` the number of
//! rows of the whole list. And how much a page may hold.

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
    /// So many rows are passed over.
    pub offset: u32,
    /// Whether and how far the rows of the whole list are counted.
    pub total: Total,
}

/// Whether the rows of the whole list are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// They are not.
    #[default]
    Unasked,
    /// They are, up to this number.
    UpTo(u32),
}

/// Which part of a list somebody asks for, as it came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// At most so many rows.
    pub limit: Option<u32>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// So many rows are passed over.
    pub offset: Option<u32>,
    /// Whether the rows of the whole list are counted.
    pub total: Option<bool>,
}

impl PageRequest {
    /// The first page of at most `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { limit, before: None, offset: 0, total: Total::Unasked }
    }

    /// Checks what a caller asked for against the limits.
    pub fn new(asked: Asked, limits: &Limits) -> Result<Self> {
        let Asked { limit, cursor, offset, total } = asked;
        let limit = limit.unwrap_or(limits.page_default);
        if limit == 0 || limit > limits.page_max {
            return Err(Error::invalid("limit", format!("must be 1 to {}", limits.page_max)));
        }
        if cursor.as_ref().is_some_and(|c| c.len() > 64 || !c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            return Err(Error::invalid("cursor", "must be the `next` of an earlier page, unchanged"));
        }
        if cursor.is_some() && offset.is_some() {
            return Err(Error::invalid("offset", "must be left out where there is a `cursor`"));
        }
        let offset = offset.unwrap_or(0);
        if offset > limits.page_offset_max {
            let why = format!("must be at most {}; go on with `cursor` instead", limits.page_offset_max);
            return Err(Error::invalid("offset", why));
        }
        let total = if total == Some(true) { Total::UpTo(limits.page_total_max) } else { Total::Unasked };
        Ok(Self { limit, before: cursor, offset, total })
    }

    /// The number of rows of the whole list, if it is asked for; `count` counts them, up to the number it is given.
    pub(crate) fn total(&self, count: impl FnOnce(u32) -> Result<u64>) -> Result<Option<u64>> {
        match self.total {
            Total::Unasked => Ok(None),
            Total::UpTo(most) => count(most).map(Some),
        }
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
        Self { limit: self.limit.min(limit), ..self.clone() }
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
    /// The number of rows of the whole list, as far as it was counted; absent where nobody asked.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// Makes a page of rows fetched with `limit + 1`, so that a further row shows there is a next page.
    pub fn cut(mut rows: Vec<T>, request: &PageRequest, key: impl Fn(&T) -> String) -> Self {
        let limit = request.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Self { items: rows, next, total: None }
    }

    /// The same page of a list with so many rows.
    pub(crate) fn of_total(self, total: Option<u64>) -> Self {
        Self { total, ..self }
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
    fn a_list_is_paged_in_one_of_two_ways() {
        let limits = Limits { page_offset_max: 10, page_total_max: 99, ..Limits::default() };
        let ask = |asked: Asked| PageRequest::new(asked, &limits);
        let page = ask(Asked { offset: Some(10), total: Some(true), ..Asked::default() }).unwrap();
        assert_eq!((page.limit, page.offset, page.total), (limits.page_default, 10, Total::UpTo(99)));
        assert_eq!(page.total(|most| Ok(u64::from(most))).unwrap(), Some(99));
        assert!(ask(Asked { offset: Some(11), ..Asked::default() }).is_err());
        let both = Asked { offset: Some(1), cursor: Some("dev_1".to_owned()), ..Asked::default() };
        assert!(ask(both).is_err());
        assert_eq!(ask(Asked::default()).unwrap().total(|_| panic!("nobody asked")).unwrap(), None);
    }

    #[test]
    fn what_was_cut_is_on_the_next_page() {
        // Two rows were asked for and there is a third one, as a store tells it.
        let asked = PageRequest::first(2);
        let cut = asked.within(&[4, 5, 1], 8);
        assert_eq!(Page::cut(vec!["c", "b"], &cut, |row| (*row).to_owned()).next.as_deref(), Some("c"));
        let whole = asked.within(&[4, 4, 1], 8);
        assert_eq!(whole.limit, 2);
        assert_eq!(Page::cut(vec!["c", "b"], &whole, |row| (*row).to_owned()).next, None);
    }
}
