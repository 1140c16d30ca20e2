//! Both migration folders hold the same steps and lead to the same tables, columns and indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::AssertSqlSafe;

use crate::conn::Conn;
use crate::db::Side;
use crate::migrate;
use crate::testing::{Fixture, Kind, with_db};

fn files(folder: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(folder);
    std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn both_folders_hold_the_same_files_and_all_are_compiled_in() {
    let names = files("sqlite");
    assert_eq!(names, files("postgres"));
    for steps in [&migrate::SQLITE, &migrate::POSTGRES] {
        let compiled: BTreeSet<_> =
            steps.iter().map(|m| format!("{:04}_{}.sql", m.version, m.description.replace(' ', "_"))).collect();
        assert_eq!(compiled, names);
    }
}

/// What a database looks like: `table.column` → its type and whether it may be absent, and the names of indexes.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    columns: BTreeMap<String, (String, bool)>,
    indexes: BTreeSet<String>,
}

async fn of_sqlite(fx: &'static Fixture) -> Shape {
    fx.read(|tx| {
        let Conn::Sqlite(connection) = tx.conn() else { panic!("not SQLite") };
        let mut columns = connection
            .prepare(
                "SELECT m.name, c.name, c.type, c.\"notnull\" = 0 FROM sqlite_schema m, pragma_table_info(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_%' ESCAPE '\\'",
            )
            .unwrap();
        let columns = columns.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).unwrap();
        let mut indexes = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite%'")
            .unwrap();
        let indexes = indexes.query_map([], |r| Ok((r.get(0)?,))).unwrap();
        shape(columns.map(Result::unwrap).collect(), indexes.map(Result::unwrap).collect())
    })
    .await
}

async fn of_postgres(fx: &'static Fixture) -> Shape {
    let Side::Postgres { pool, .. } = &*fx.db.side else { panic!("not Postgres") };
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT, UPPER(data_type), is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    // Those that belong to a constraint have names of Postgres's own making.
    let indexes: Vec<(String,)> = sqlx::query_as(
        "SELECT c.relname::TEXT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname NOT LIKE '\\_%'
             AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let by_locale: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%' AND data_type = 'text'
             AND collation_name IS DISTINCT FROM 'C'",
    ))
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(by_locale.is_empty(), "these columns sort by the server's locale, add COLLATE \"C\": {by_locale:?}");
    shape(columns, indexes)
}

fn shape(columns: Vec<(String, String, String, bool)>, indexes: Vec<(String,)>) -> Shape {
    let column = |(table, name, kind, nullable): (String, String, String, bool)| {
        let kind = if kind == "BYTEA" { "BLOB".to_owned() } else { kind };
        (format!("{table}.{name}"), (kind, nullable))
    };
    Shape {
        columns: columns.into_iter().map(column).collect(),
        indexes: indexes.into_iter().map(|(name,)| name).collect(),
    }
}

#[tokio::test]
async fn both_databases_have_the_same_shape() {
    let (send, receive) = tokio::sync::oneshot::channel();
    with_db(Kind::Sqlite, async |fx| drop(send.send(of_sqlite(fx).await))).await;
    let sqlite = receive.await.unwrap();
    assert!(sqlite.columns.contains_key("key_records.value"));
    with_db(Kind::Postgres, async move |fx| assert_eq!(of_postgres(fx).await, sqlite)).await;
}
