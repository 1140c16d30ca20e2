//! Every statement is understood by both databases, and each one's plan over a million messages is pinned.

mod filled;
mod pinned;

use sqlx::Executor;

use crate::conn::Conn;
use crate::db::Side;
use crate::statement::{Statement, Text, all};
use crate::testing::{Fixture, Kind, with_db};

/// The statement as sent: alone and, if it takes a list, with two entries.
fn spellings(text: &'static Text) -> Vec<&'static str> {
    let widths = if text.declared.contains('{') { vec![1, 2] } else { vec![1] };
    widths.into_iter().map(|width| text.spelled(width)).collect()
}

fn statements() -> impl Iterator<Item = &'static Statement> {
    all()
}

#[test]
fn every_module_with_statements_is_listed() {
    let mut declared = 0;
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().lines().any(|l| l == "statements! {") {
                declared += 1;
            }
        }
    }
    let listed: std::collections::BTreeSet<_> =
        all().filter_map(|s| s.name.rsplit_once("::")).map(|(m, _)| m).collect();
    assert_eq!(listed.len(), declared, "add the module to `statement::all`: {listed:?}");
}

async fn prepare_all(fx: &'static Fixture) {
    for statement in statements() {
        let refused = |e: &dyn std::fmt::Display| panic!("{}: {e}", statement.name);
        match &*fx.db.side {
            Side::Sqlite { .. } => {
                fx.read(move |tx| {
                    let Conn::Sqlite(connection) = tx.conn() else { panic!("not SQLite") };
                    for sql in spellings(&statement.sqlite) {
                        connection.prepare(sql).map(drop).unwrap_or_else(|e| refused(&e));
                    }
                })
                .await;
            }
            Side::Postgres { pool, .. } => {
                for sql in spellings(&statement.postgres) {
                    let prepared = pool.prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await;
                    prepared.map(drop).unwrap_or_else(|e| refused(&e));
                }
            }
        }
    }
}

#[tokio::test]
async fn sqlite_understands_every_statement() {
    with_db(Kind::Sqlite, prepare_all).await;
}

#[tokio::test]
async fn postgres_understands_every_statement() {
    with_db(Kind::Postgres, prepare_all).await;
}
