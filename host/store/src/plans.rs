//! Every statement is understood by both databases, and none reads a growing table from end to end.

use sqlx::{AssertSqlSafe, Executor, Row};

use crate::db::Side;
use crate::statement::{Statement, all, widen};
use crate::testing::{Fixture, Kind, with_db};

/// Statements that may read a table whole, each for the reason given where it is declared.
const MAY_SCAN: [&str; 3] =
    ["portico_store::access::KEY_ANY", "portico_store::db::CHECK", "portico_store::device::COUNT_BY_STATE"];

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

#[tokio::test]
async fn no_statement_scans_a_growing_table_on_sqlite() {
    with_db(Kind::Sqlite, async |fx| {
        let Side::Sqlite { writer, .. } = &*fx.db.side else { panic!("not SQLite") };
        let mut turn = writer.turn_for_one().await.unwrap();
        for statement in statements().filter(|s| !MAY_SCAN.contains(&s.name)) {
            for sql in spellings(statement.sqlite) {
                let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let plan = turn.connection().fetch_all(explained).await.unwrap();
                for line in plan {
                    let detail: String = line.get("detail");
                    // A scan of an index that holds only what is asked for is what partial indexes are for.
                    let whole = detail.starts_with("SCAN ") && !detail.contains("INDEX") && !is_list(&detail);
                    assert!(!whole, "{}: {detail}", statement.name);
                    assert!(!detail.contains("TEMP B-TREE FOR ORDER BY"), "{}: {detail}", statement.name);
                }
            }
        }
    })
    .await;
}

/// The rows of `VALUES` and of a recursive part are scanned by nature.
fn is_list(detail: &str) -> bool {
    detail == "SCAN v"
        || detail == "SCAN waiting"
        || detail.contains("CONSTANT ROW")
        || detail.contains("VALUES CLAUSE")
}

#[tokio::test]
async fn postgres_claims_and_waits_by_index() {
    with_db(Kind::Postgres, async |fx| {
        let Side::Postgres { pool, .. } = &*fx.db.side else { panic!("not Postgres") };
        let mut conn = pool.acquire().await.unwrap();
        // Tables are empty here, and an empty table is cheapest to read whole.
        conn.execute("SET enable_seqscan = off").await.unwrap();
        for (statement, index, binds) in [
            (&crate::flavour::DELIVERIES_CLAIM, "deliveries_due", vec!["1", "2", "3"]),
            (&crate::flavour::DELIVERIES_CLAIM_OF, "deliveries_webhook_due", vec!["1", "2", "3", "'w'"]),
            (&crate::outbox::WAITING, "deliveries_webhook_due", vec!["''", "5"]),
            (&crate::flavour::DELIVERIES_BEHIND, "deliveries_lane", vec!["31", "'d'"]),
            (&crate::outbox::NEXT_DUE, "deliveries_due", vec![]),
            (&crate::message::QUEUED, "messages_queued", vec!["'d'", "''", "5"]),
            (&crate::event::PURGE, "deliveries_waiting", vec!["1", "5"]),
        ] {
            let mut sql = widen(statement.postgres, binds.len().saturating_sub(1), 1).0;
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
