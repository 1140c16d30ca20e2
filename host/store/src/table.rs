//! `table!`: a table of regular shape, declared once.
//!
//! ```text
//! table! {
//!     /// A webhook as stored.
//!     webhooks: WebhookRow<'r> => Webhook {
//!         id: &'r str,
//!         device_id: Option<&'r str>,
//!         created_ms: i64,
//!         sealed_secret: &'r [u8],
//!     }
//! }
//! ```
//!
//! makes the struct `WebhookRow` with these fields, reading it from a row of either database, binding it to placeholders, and
//! the macro `webhooks!`, whose arms are parts of SQL for `concat!`: `webhooks!(columns)`, `webhooks!(insert)`,
//! `webhooks!(find)` and `webhooks!(page)`. The noun (`Webhook`) is what rows are read as; how, says a function
//! `WebhookRow::noun(&self) -> Result<Webhook>` that is written by hand beside the table, as is the way back.
//!
//! The order of the columns is that of the declaration everywhere. The first one is the row's id.

use crate::bind::Bind;
use crate::row::Row;

/// A row of a declared table.
pub(crate) trait TableRow<'r>: Sized {
    /// Reads the columns in the order of the declaration.
    fn read(row: &Row<'r>) -> portico_core::error::Result<Self>;

    /// Binds the columns in the order of the declaration.
    fn bind(&self, binds: &mut Vec<Bind<'r>>);
}

/// The arguments of an insert that adds these rows.
pub(crate) fn binds<'r, R: TableRow<'r>>(rows: &[R]) -> Vec<Bind<'r>> {
    let mut binds = Vec::new();
    for row in rows {
        row.bind(&mut binds);
    }
    binds
}

macro_rules! table {
    (
        $(#[$doc:meta])*
        $table:ident: $row:ident<$r:lifetime> => $noun:ty {
            $first:ident: $first_type:ty, $($column:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        struct $row<$r> {
            $first: $first_type,
            $($column: $type),+
        }

        impl<$r> $crate::table::TableRow<$r> for $row<$r> {
            fn read(row: &$crate::row::Row<$r>) -> portico_core::error::Result<Self> {
                // The fields are read in the order in which they are written here.
                let mut columns = 0..;
                let mut next = || columns.next().unwrap_or(usize::MAX);
                Ok(Self { $first: row.get(next())?, $($column: row.get(next())?),+ })
            }

            fn bind(&self, binds: &mut Vec<$crate::bind::Bind<$r>>) {
                binds.push(self.$first.into());
                $(binds.push(self.$column.into());)+
            }
        }

        impl $row<'_> {
            /// This row, for errors.
            fn at(&self) -> $crate::row::RowRef<'_> {
                $crate::row::RowRef::new(stringify!($table), self.$first)
            }
        }

        impl $crate::row::FromRow for $noun {
            fn from_row(row: &$crate::row::Row<'_>) -> portico_core::error::Result<Self> {
                <$row<'_> as $crate::table::TableRow<'_>>::read(row)?.noun()
            }
        }

        table!(@sql ($) $table $first $($column)+);
    };
    (@sql ($dollar:tt) $table:ident $first:ident $($column:ident)+) => {
        macro_rules! $table {
            // The names of the columns.
            (columns) => {
                concat!(stringify!($first), $(", ", stringify!($column)),+)
            };
            // Adds a list of rows; what to do about duplicates is to be said after it.
            (insert) => {
                concat!(
                    "INSERT INTO ", stringify!($table), " (", $table!(columns), ") VALUES {($",
                    $(table!(@placeholder $column)),+, ")}"
                )
            };
            // A row of a tenant ($1) by id ($2).
            (find) => {
                concat!("SELECT ", $table!(columns), " FROM ", stringify!($table), " WHERE tenant_id = $1 AND id = $2")
            };
            // The rows of a tenant ($1) before a cursor ($2), newest first, $3 at most; maybe with a further condition.
            (page) => {
                $table!(page "")
            };
            (page $dollar condition:literal) => {
                concat!(
                    "SELECT ", $table!(columns), " FROM ", stringify!($table), " WHERE tenant_id = $1 AND id < $2 ",
                    $dollar condition, " ORDER BY id DESC LIMIT $3"
                )
            };
        }
    };
    (@placeholder $column:ident) => { ", $" };
}
