//! Pages as this API counts them: from 1, with totals.

use portico_sdk::dialect::{Call, Fault};
use serde_json::{Value, json};

use crate::Classic;

/// The largest number of a page.
const PAGE_MAX: usize = 100_000;

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    page: usize,
    limit: usize,
}

impl Paging {
    /// As the query says. A longer page than there may be is shortened; the answer says how long it is.
    pub(crate) fn of(call: &Call<Classic>, default: usize, limit_max: usize) -> Result<Self, Fault> {
        let page = number(call, "page")?.unwrap_or(1);
        let limit = number(call, "limit")?.unwrap_or(default).min(limit_max);
        if page > PAGE_MAX {
            return Err(Fault::invalid("page", "there are no such pages"));
        }
        Ok(Self { page, limit })
    }

    /// Rows of one page.
    pub(crate) fn limit(self) -> usize {
        self.limit
    }

    /// Rows before the page.
    pub(crate) fn offset(self) -> usize {
        (self.page - 1) * self.limit
    }

    /// The rows of the page.
    pub(crate) fn cut<T>(self, rows: &[T]) -> &[T] {
        let from = self.offset().min(rows.len());
        let to = (from + self.limit).min(rows.len());
        &rows[from..to]
    }

    /// What the answer tells of the pages.
    pub(crate) fn shown(self, total: usize) -> Value {
        json!({ "page": self.page, "limit": self.limit, "total": total, "totalPages": total.div_ceil(self.limit) })
    }
}

fn number(call: &Call<Classic>, name: &str) -> Result<Option<usize>, Fault> {
    let Some(text) = call.query(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| Fault::invalid(name, "must be a number from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_may_be_short_and_what_lies_behind_is_empty() {
        let rows: Vec<_> = (0..5).collect();
        assert_eq!(Paging { page: 1, limit: 2 }.cut(&rows), [0, 1]);
        assert_eq!(Paging { page: 3, limit: 2 }.cut(&rows), [4]);
        assert!(Paging { page: 4, limit: 2 }.cut(&rows).is_empty());
        let shown = json!({ "page": 3, "limit": 2, "total": 5, "totalPages": 3 });
        assert_eq!(Paging { page: 3, limit: 2 }.shown(5), shown);
    }
}
