//! Every statement is understood by both databases, and none reads a growing table from end to end.

use sqlx::{AssertSqlSafe, Executor, Row};

use crate::conn::Conn;
use crate::db::{DbTx, Side};
use crate::statement::{Statement, Text, all};
use crate::testing::{Fixture, Kind, with_db};

/// Statements that may read a table whole, each for the reason given where it is declared.
const MAY_SCAN: [&str; 3] =
    ["portico_store::access::KEY_ANY", "portico_store::db::CHECK", "portico_store::device::COUNT_BY_STATE"];

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

#[tokio::test]
async fn no_statement_scans_a_growing_table_on_sqlite() {
    with_db(Kind::Sqlite, async |fx| {
        for statement in statements().filter(|s| !MAY_SCAN.contains(&s.name)) {
            let plan = move |tx: &mut DbTx<'_>| {
                let Conn::Sqlite(connection) = tx.conn() else { panic!("not SQLite") };
                let mut details = Vec::new();
                for sql in spellings(&statement.sqlite) {
                    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                    let mut lines = plan.raw_query();
                    while let Some(line) = lines.next().unwrap() {
                        details.push(line.get::<_, String>("detail").unwrap());
                    }
                }
                details
            };
            for detail in fx.read(plan).await {
                // A scan of an index that holds only what is asked for is what partial indexes are for.
                let whole = detail.starts_with("SCAN ") && !detail.contains("INDEX") && !is_list(&detail);
                assert!(!whole, "{}: {detail}", statement.name);
                assert!(!detail.contains("TEMP B-TREE FOR ORDER BY"), "{}: {detail}", statement.name);
            }
        }
    })
    .await;
}

/// The rows of `VALUES` are scanned by nature.
fn is_list(detail: &str) -> bool {
    detail == "SCAN v" || detail.contains("CONSTANT ROW") || detail.contains("VALUES CLAUSE")
}

#[tokio::test]
async fn postgres_claims_and_waits_by_index() {
    with_db(Kind::Postgres, async |fx| {
        let Side::Postgres { pool, .. } = &*fx.db.side else { panic!("not Postgres") };
        let mut conn = pool.acquire().await.unwrap();
        // Tables are empty here, and an empty table is cheapest to read whole.
        conn.execute("SET enable_seqscan = off").await.unwrap();
        for (statement, index, binds) in [
            (&crate::outbox::CLAIM, "deliveries_due", vec!["1", "2", "3"]),
            (&crate::outbox::BEHIND, "deliveries_lane", vec!["31", "'d'"]),
            (&crate::outbox::NEXT_DUE, "deliveries_due", vec![]),
            (&crate::message::QUEUED, "messages_queued", vec!["'d'", "''", "5"]),
            (&crate::event::PURGE, "deliveries_waiting", vec!["1", "5"]),
        ] {
            let mut sql = statement.postgres.spelled(1).to_owned();
            for (n, bind) in binds.iter().enumerate() {
                sql = sql.replace(&format!("${}", n + 1), bind);
            }
            let plan = conn.fetch_all(AssertSqlSafe(format!("EXPLAIN {sql}"))).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            assert!(plan.iter().any(|line| line.contains(index)), "{}: {plan:#?}", statement.name);
        }
    })
    .await;
}
