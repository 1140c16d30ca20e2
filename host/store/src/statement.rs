//! Statements: how they are declared, listed, spelled for each database, and run on either.
//!
//! `statements!` declares them, `run!` and `rows!` run one, `run_many!` and `rows_many!` run one over a list. The macros only
//! turn their arguments into [`Bind`](crate::bind::Bind)s; the work is done by [`Conn`](crate::conn::Conn). Invariant: SQL
//! made at run time comes out of [`spell`] only, and [`spell`] puts nothing but placeholders into it.

use std::sync::OnceLock;

/// One statement in both spellings.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Module and name, for errors and tests.
    pub(crate) name: &'static str,
    /// For SQLite.
    pub(crate) sqlite: Text,
    /// For Postgres.
    pub(crate) postgres: Text,
}

/// The text of a statement for one database, with each width of its list spelled out once and kept.
#[derive(Debug)]
pub(crate) struct Text {
    /// As declared, with `$1` for a placeholder and braces around what a list repeats.
    pub(crate) declared: &'static str,
    /// What a numbered placeholder starts with. SQLite takes `$1` for a *name* and numbers names in the order in which they
    /// appear, so it is given `?1`.
    mark: char,
    by_width: [OnceLock<String>; WIDTHS.len()],
}

impl Statement {
    /// A statement. Name it with `statements!`, which also lists it for the tests.
    pub(crate) const fn new(name: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        Self { name, sqlite: Text::new(sqlite, '?'), postgres: Text::new(postgres, '$') }
    }
}

impl Text {
    const fn new(declared: &'static str, mark: char) -> Self {
        Self { declared, mark, by_width: [const { OnceLock::new() }; WIDTHS.len()] }
    }

    /// The text as the database is given it, for a list of `width` entries; 1 if it has none. The width is one of those that
    /// [`pieces`] makes.
    pub(crate) fn spelled(&self, width: usize) -> &str {
        let index = WIDTHS.iter().position(|w| *w == width).unwrap_or(WIDTHS.len() - 1);
        self.by_width[index].get_or_init(|| spell(self.declared, self.mark, WIDTHS[index]))
    }

    /// Whether it takes a list.
    #[cfg(test)]
    pub(crate) fn has_list(&self) -> bool {
        split_at_list(self.declared).is_some()
    }
}

/// Every statement of the crate.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Statement> {
    [
        crate::access::ALL,
        crate::analytics::ALL,
        crate::audit::ALL,
        crate::db::ALL,
        crate::device::ALL,
        crate::event::ALL,
        crate::key_record::ALL,
        crate::media::ALL,
        crate::message::ALL,
        crate::message::change::ALL,
        crate::outbox::ALL,
        crate::outbox::claim::ALL,
        crate::outbox::settle::ALL,
        crate::plugin::ALL,
        crate::plugin::enablement::ALL,
        crate::plugin::kv::ALL,
        crate::user::ALL,
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

/// Writes `mark` for the `$` of every numbered placeholder, and repeats the part in braces `width` times, separated by commas,
/// with every bare `$` in it replaced by the next placeholder: `a = $1 AND b IN ({$})` becomes `a = $1 AND b IN ($2, $3)`.
fn spell(declared: &str, mark: char, width: usize) -> String {
    let marked = |text: &str| text.replace('$', mark.encode_utf8(&mut [0; 4]));
    let Some((head, group, tail)) = split_at_list(declared) else { return marked(declared) };
    let mut spelled = marked(head);
    let mut next = highest_placeholder(declared);
    for entry in 0..width {
        if entry > 0 {
            spelled.push_str(", ");
        }
        for c in group.chars() {
            if c == '$' {
                next += 1;
                spelled.push(mark);
                spelled.push_str(&next.to_string());
            } else {
                spelled.push(c);
            }
        }
    }
    spelled.push_str(&marked(tail));
    spelled
}

/// What stands before, within and behind the braces of a list. Braces with nothing in them are text: an empty JSON object.
fn split_at_list(declared: &str) -> Option<(&str, &str, &str)> {
    let opening = declared.match_indices('{').map(|(at, _)| at).find(|at| !declared[at + 1..].starts_with('}'))?;
    let (group, tail) = declared[opening + 1..].split_once('}')?;
    Some((&declared[..opening], group, tail))
}

/// The highest `$1`-like placeholder: those of a list are numbered after it.
fn highest_placeholder(declared: &str) -> usize {
    let numbers = declared.split('$').skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().unwrap_or(0)
    });
    numbers.max().unwrap_or(0)
}

/// Declares statements and lists them in `ALL`. `NAME = "…";` for both databases, or `NAME = "SQLite's text", "Postgres's
/// text";`.
macro_rules! statements {
    (@new $name:ident $both:expr) => { statements!(@new $name $both, $both) };
    (@new $name:ident $sqlite:expr, $postgres:expr) => {
        $crate::statement::Statement::new(concat!(module_path!(), "::", stringify!($name)), $sqlite, $postgres)
    };
    ($($(#[$doc:meta])* $name:ident = $text:expr $(, $postgres:expr)?;)*) => {
        $($(#[$doc])* pub(crate) static $name: $crate::statement::Statement = statements!(@new $name $text $(, $postgres)?);)*
        #[cfg(test)]
        pub(crate) const ALL: &[&$crate::statement::Statement] = &[$(&$name),*];
    };
}

/// Runs a statement and says how many rows it changed: `run!(conn, NAME, [bind, …])`.
macro_rules! run {
    ($conn:expr, $statement:expr, [$($bind:expr),* $(,)?]) => {
        $conn.run(&$statement, 1, &[$($crate::bind::Bind::from($bind)),*])
    };
}

/// Runs a statement and reads its rows: `rows!(conn, Row, NAME, [bind, …], fetch_optional)`.
macro_rules! rows {
    ($conn:expr, $row:ty, $statement:expr, [$($bind:expr),* $(,)?], $fetch:ident) => {
        $conn.$fetch::<$row>(&$statement, 1, &[$($crate::bind::Bind::from($bind)),*])
    };
}

/// Runs a statement with a part in braces over one of the [`pieces`] of a list and says how many rows it changed:
/// `run_many!(conn, NAME, [bind, …], piece, |entry| [bind, …])`.
macro_rules! run_many {
    ($conn:expr, $statement:expr, [$($bind:expr),*], $piece:expr, |$entry:pat_param| [$($each:expr),* $(,)?]) => {{
        let mut binds = vec![$($crate::bind::Bind::from($bind)),*];
        for $entry in $piece {
            $(binds.push($crate::bind::Bind::from($each));)*
        }
        $conn.run(&$statement, $piece.len(), &binds)
    }};
}

/// As `run_many!`, and reads the rows: `rows_many!(conn, Row, NAME, [bind, …], piece, |entry| [bind, …])`.
macro_rules! rows_many {
    ($conn:expr, $row:ty, $statement:expr, [$($bind:expr),*], $piece:expr, |$entry:pat_param| [$($each:expr),* $(,)?]) => {{
        let mut binds = vec![$($crate::bind::Bind::from($bind)),*];
        for $entry in $piece {
            $(binds.push($crate::bind::Bind::from($each));)*
        }
        $conn.fetch_all::<$row>(&$statement, $piece.len(), &binds)
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
        assert_eq!(spell("a = $1 AND b IN ({$}) AND c = $2", '$', 3), "a = $1 AND b IN ($3, $4, $5) AND c = $2");
        assert_eq!(spell("VALUES {($, $)}", '?', 2), "VALUES (?1, ?2), (?3, ?4)");
        assert_eq!(spell("SELECT $2, $1", '?', 1), "SELECT ?2, ?1");
    }

    #[test]
    fn a_spelling_is_made_once() {
        let statement = Statement::new("s", "IN ({$})", "IN ({$})");
        let first = statement.sqlite.spelled(4).as_ptr();
        assert_eq!(statement.sqlite.spelled(4).as_ptr(), first);
        assert_eq!(statement.postgres.spelled(2), "IN ($1, $2)");
    }

    #[test]
    fn an_empty_json_object_is_no_list() {
        assert_eq!(spell("SET a = '{}' WHERE b = $1", '?', 1), "SET a = '{}' WHERE b = ?1");
        assert_eq!(spell("SET a = '{}' WHERE b IN ({$})", '$', 2), "SET a = '{}' WHERE b IN ($1, $2)");
    }
}
