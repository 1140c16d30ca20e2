//! Fills a stopped gateway's SQLite database with old messages, by copying those it has.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Copies messages until there are about `count`, evenly over all devices and directions. Ids of the copies sort before those
/// of real messages. Gives how many messages there are then.
///
/// # Errors
/// When the database holds no message to copy, or can't be written.
pub fn messages(database: &Path, count: usize) -> Result<usize> {
    let mut db = SqliteConnection::establish(&database.display().to_string()).context("the gateway's database")?;
    let columns: Vec<Name> = diesel::sql_query("SELECT name FROM pragma_table_info('messages')").load(&mut db)?;
    let models: Vec<Name> =
        diesel::sql_query("SELECT MAX(id) AS name FROM messages GROUP BY device_id, direction").load(&mut db)?;
    ensure!(!models.is_empty(), "there is no message to copy");
    let each = count / models.len();
    db.batch_execute("BEGIN")?;
    for (m, model) in models.iter().enumerate() {
        let first = m * each;
        // Ids are a prefix and 26 digits of base 32, of which the first tell the time; WhatsApp's are any text.
        let value = |column: &Name| match column.name.as_str() {
            "id" => format!("'msg_01' || printf('%024d', n.k + {first})"),
            "whatsapp_id" => format!("'OLD' || printf('%012d', n.k + {first})"),
            other => format!("m.{other}"),
        };
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<_> = columns.iter().map(value).collect();
        let insert = format!(
            "WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {each}) \
             INSERT INTO messages ({}) SELECT {} FROM n, messages m WHERE m.id = ?",
            names.join(", "),
            values.join(", ")
        );
        diesel::sql_query(insert).bind::<Text, _>(&model.name).execute(&mut db).context("copying messages")?;
    }
    db.batch_execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    let total: Count = diesel::sql_query("SELECT COUNT(*) AS count FROM messages").get_result(&mut db)?;
    Ok(usize::try_from(total.count)?)
}
