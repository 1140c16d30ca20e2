//! Statements: how they are declared, listed, widened for lists, and run on either database.
//!
//! `statements!` declares them, `run!` and `rows!` run one, `run_many!` and `rows_many!` run one over a list. The macros
//! expand to the same binds on either connection, so rustc checks argument and row types. Invariant: SQL made at run time
//! comes out of [`widen`] only, and [`widen`] puts nothing but placeholders into it.

use sqlx::{PgConnection, SqliteConnection};

/// One statement in both spellings.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Module and name, for errors and tests.
    pub(crate) name: &'static str,
    /// As SQLite wants it.
    pub(crate) sqlite: &'static str,
    /// As Postgres wants it.
    pub(crate) postgres: &'static str,
}

/// A connection within a transaction, or outside of one, of either kind.
pub(crate) enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// Postgres.
    Postgres(&'c mut PgConnection),
}

/// Every statement of the crate.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Statement> {
    [
        crate::access::ALL,
        crate::db::ALL,
        crate::device::ALL,
        crate::event::ALL,
        crate::flavour::ALL,
        crate::key_record::ALL,
        crate::message::ALL,
        crate::outbox::ALL,
        crate::outbox::settle::ALL,
        crate::webhook::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// How many list entries one statement takes, largest first. Few widths mean few prepared statements; powers of two mean
/// that any list is cut into few pieces. The largest keeps the widest statement far below SQLite's 32,766 placeholders.
const WIDTHS: [usize; 8] = [128, 64, 32, 16, 8, 4, 2, 1];

/// Cuts a list into pieces whose lengths are all in [`WIDTHS`].
pub(crate) fn pieces<T>(mut list: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let width = WIDTHS.into_iter().find(|w| *w <= list.len())?;
        let (piece, rest) = list.split_at(width);
        list = rest;
        Some(piece)
    })
}

/// Repeats the part of `sql` in braces `width` times, separated by commas, with every bare `$` in it replaced by the next
/// placeholder after `fixed`: `IN ({$})` becomes `IN ($2, $3)` for `fixed` 1 and `width` 2.
pub(crate) fn widen(sql: &str, fixed: usize, width: usize) -> sqlx::AssertSqlSafe<String> {
    let (head, rest) = sql.split_once('{').unwrap_or((sql, "}"));
    let (group, tail) = rest.split_once('}').unwrap_or((rest, ""));
    let mut out = String::with_capacity(sql.len() + width * (group.len() + 8));
    out.push_str(head);
    let mut next = fixed;
    for entry in 0..width {
        if entry > 0 {
            out.push_str(", ");
        }
        for c in group.chars() {
            out.push(c);
            if c == '$' {
                next += 1;
                out.push_str(&next.to_string());
            }
        }
    }
    out.push_str(tail);
    // Only constants of this crate and numbers of placeholders went in.
    sqlx::AssertSqlSafe(out)
}

/// Declares statements as constants and lists them in `ALL`. `NAME = "…";` for both databases, or
/// `NAME = "SQLite's text", "Postgres's text";`.
macro_rules! statements {
    (@texts $both:expr) => { ($both, $both) };
    (@texts $sqlite:expr, $postgres:expr) => { ($sqlite, $postgres) };
    ($($(#[$doc:meta])* $name:ident = $text:expr $(, $postgres:expr)?;)*) => {
        $($(#[$doc])* pub(crate) const $name: $crate::statement::Statement = {
            let (sqlite, postgres) = statements!(@texts $text $(, $postgres)?);
            $crate::statement::Statement {
                name: concat!(module_path!(), "::", stringify!($name)),
                sqlite,
                postgres,
            }
        };)*
        #[cfg(test)]
        pub(crate) const ALL: &[&$crate::statement::Statement] = &[$(&$name),*];
    };
}

/// Runs a statement and says how many rows it changed: `run!(conn, NAME, [bind, …])`.
macro_rules! run {
    ($conn:expr, $statement:expr, [$($bind:expr),* $(,)?]) => {{
        match $conn {
            $crate::statement::Conn::Sqlite(c) => {
                sqlx::query($statement.sqlite)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected())
            }
            $crate::statement::Conn::Postgres(c) => {
                sqlx::query($statement.postgres)$(.bind($bind))*.execute(c).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|error| $crate::error::failed(&$statement, error))
    }};
}

/// Runs a statement and reads its rows: `rows!(conn, Row, NAME, [bind, …], fetch_optional)`.
macro_rules! rows {
    ($conn:expr, $row:ty, $statement:expr, [$($bind:expr),* $(,)?], $fetch:ident) => {{
        match $conn {
            $crate::statement::Conn::Sqlite(c) => {
                sqlx::query_as::<_, $row>($statement.sqlite)$(.bind($bind))*.$fetch(c).await
            }
            $crate::statement::Conn::Postgres(c) => {
                sqlx::query_as::<_, $row>($statement.postgres)$(.bind($bind))*.$fetch(c).await
            }
        }
        .map_err(|error| $crate::error::failed(&$statement, error))
    }};
}

/// Runs a statement with a part in braces over one of the [`pieces`] of a list and says how many rows it changed:
/// `run_many!(conn, NAME, [bind, …], piece, |entry| [bind, …])`.
macro_rules! run_many {
    ($conn:expr, $statement:expr, [$($bind:expr),*], $piece:expr, |$entry:pat_param| [$($each:expr),* $(,)?]) => {{
        let fixed: &[&str] = &[$(stringify!($bind)),*];
        match $conn {
            $crate::statement::Conn::Sqlite(c) => {
                let sql = $crate::statement::widen($statement.sqlite, fixed.len(), $piece.len());
                let mut query = sqlx::query(sql)$(.bind($bind))*;
                for $entry in $piece {
                    query = query$(.bind($each))*;
                }
                query.execute(c).await.map(|done| done.rows_affected())
            }
            $crate::statement::Conn::Postgres(c) => {
                let sql = $crate::statement::widen($statement.postgres, fixed.len(), $piece.len());
                let mut query = sqlx::query(sql)$(.bind($bind))*;
                for $entry in $piece {
                    query = query$(.bind($each))*;
                }
                query.execute(c).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|error| $crate::error::failed(&$statement, error))
    }};
}

/// As `run_many!`, and reads the rows: `rows_many!(conn, Row, NAME, [bind, …], piece, |entry| [bind, …])`.
macro_rules! rows_many {
    ($conn:expr, $row:ty, $statement:expr, [$($bind:expr),*], $piece:expr, |$entry:pat_param| [$($each:expr),* $(,)?]) => {{
        let fixed: &[&str] = &[$(stringify!($bind)),*];
        match $conn {
            $crate::statement::Conn::Sqlite(c) => {
                let sql = $crate::statement::widen($statement.sqlite, fixed.len(), $piece.len());
                let mut query = sqlx::query_as::<_, $row>(sql)$(.bind($bind))*;
                for $entry in $piece {
                    query = query$(.bind($each))*;
                }
                query.fetch_all(c).await
            }
            $crate::statement::Conn::Postgres(c) => {
                let sql = $crate::statement::widen($statement.postgres, fixed.len(), $piece.len());
                let mut query = sqlx::query_as::<_, $row>(sql)$(.bind($bind))*;
                for $entry in $piece {
                    query = query$(.bind($each))*;
                }
                query.fetch_all(c).await
            }
        }
        .map_err(|error| $crate::error::failed(&$statement, error))
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_into_pieces_of_the_agreed_widths() {
        let list: Vec<u32> = (0..812).collect();
        let cut: Vec<_> = pieces(&list).collect();
        assert!(cut.iter().all(|p| WIDTHS.contains(&p.len())));
        assert_eq!(cut.concat(), list);
        assert_eq!(pieces::<u32>(&[]).count(), 0);
    }

    #[test]
    fn the_part_in_braces_is_repeated_with_fresh_placeholders() {
        assert_eq!(widen("a = $1 AND b IN ({$}) AND c", 1, 3).0, "a = $1 AND b IN ($2, $3, $4) AND c");
        assert_eq!(widen("VALUES {($, $)}", 0, 2).0, "VALUES ($1, $2), ($3, $4)");
        assert_eq!(widen("SELECT 1", 0, 1).0, "SELECT 1");
    }
}
