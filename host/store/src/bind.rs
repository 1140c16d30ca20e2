//! Values as bound to the placeholders of a statement.
//!
//! One type for both databases, so that a statement is called in one way and compiled once. Invariant: no bound text holds
//! U+0000. Postgres refuses it, and a message whose sender put one into an id must not come back forever; so it is left out
//! on both databases, in what is stored and in what is looked for.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

/// A value for a placeholder. A missing one keeps its type, because Postgres decides by it.
#[derive(Clone, Copy)]
pub(crate) enum Bind<'a> {
    /// `TEXT`.
    Text(Option<&'a str>),
    /// `BIGINT`.
    Int(Option<i64>),
    /// `BLOB` or `BYTEA`.
    Bytes(Option<&'a [u8]>),
}

macro_rules! binds {
    ($($type:ty => $variant:ident($value:ident) $some:expr;)*) => {$(
        impl<'a> From<$type> for Bind<'a> {
            fn from($value: $type) -> Self {
                Self::$variant($some)
            }
        }
    )*};
}

binds! {
    &'a str => Text(value) Some(value);
    Option<&'a str> => Text(value) value;
    &'a String => Text(value) Some(value);
    i64 => Int(value) Some(value);
    Option<i64> => Int(value) value;
    &'a [u8] => Bytes(value) Some(value);
    Option<&'a [u8]> => Bytes(value) value;
}

/// Text without U+0000.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// How SQLite is given it.
impl ToSql for Bind<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(Some(text)) => match clean(text) {
                Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
                Cow::Owned(text) => ToSqlOutput::Owned(Value::Text(text)),
            },
            Self::Int(Some(number)) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Bytes(Some(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Text(None) | Self::Int(None) | Self::Bytes(None) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

impl<'a> Bind<'a> {
    /// How Postgres is given it: as the next argument of `query`.
    pub(crate) fn add_to(self, query: Query<'a, Postgres, PgArguments>) -> Query<'a, Postgres, PgArguments> {
        match self {
            Self::Text(text) => query.bind(text.map(clean)),
            Self::Int(number) => query.bind(number),
            Self::Bytes(bytes) => query.bind(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bound_without_what_postgres_refuses() {
        for (given, bound) in [("a\0b\0", "ab"), ("plain", "plain"), ("", "")] {
            let bind = Bind::from(given);
            let ToSqlOutput::Borrowed(ValueRef::Text(text)) = bind.to_sql().unwrap() else {
                let ToSqlOutput::Owned(Value::Text(text)) = bind.to_sql().unwrap() else {
                    panic!("text is bound as text")
                };
                assert_eq!(text, bound);
                continue;
            };
            assert_eq!(text, bound.as_bytes());
        }
    }
}
