//! Every statement is understood by both databases, and each one's plan over a million messages is pinned.

mod filled;
mod pinned;

use sqlx::{AssertSqlSafe, Executor};

use crate::db::Side;
use crate::statement::{Statement, all, widen};
use crate::testing::{Fixture, Kind, with_db};

/// The highest `$N` outside of the braces: what stands before the list.
fn fixed(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    numbers.filter_map(|n| n.parse().ok()).max().unwrap_or(0)
}

/// The statement as sent: alone and, if it takes a list, with two entries.
fn spellings(sql: &'static str) -> Vec<String> {
    let widths = if sql.contains('{') { vec![1, 2] } else { vec![1] };
    widths.into_iter().map(|w| widen(sql, fixed(sql), w).0).collect()
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

async fn prepare_all(fx: Fixture) {
    for statement in statements() {
        match &*fx.db.side {
            Side::Sqlite { writer, .. } => {
                let mut turn = writer.turn_for_one().await.unwrap();
                for sql in spellings(statement.sqlite) {
                    let prepared = turn.connection().prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql))).await;
                    prepared.unwrap_or_else(|e| panic!("{}: {e}", statement.name));
                }
            }
            Side::Postgres { pool, .. } => {
                for sql in spellings(statement.postgres) {
                    let prepared = pool.prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql))).await;
                    prepared.unwrap_or_else(|e| panic!("{}: {e}", statement.name));
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
