//! Signal keys, app-state keys and the rest of what sessions must remember, as sealed bytes.
//!
//! Invariant: what a caller was told is done is durable and visible to every later read.

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::keys::{KeyRecord, KeyRecords, KeyWrite};
use portico_core::time::UtcMs;

use crate::db::{Db, Side};
use crate::error;
use crate::row;
use crate::statement::{Conn, pieces};

statements! {
    GET = "SELECT value FROM key_records WHERE device_id = $1 AND kind = $2 AND id = $3";
    GET_MANY = "SELECT id, value FROM key_records WHERE device_id = $1 AND kind = $2 AND id IN ({$})";
    LIST = "SELECT id, value FROM key_records WHERE device_id = $1 AND kind = $2 AND id >= $3 ORDER BY id";
    LIST_BELOW =
        "SELECT id, value FROM key_records WHERE device_id = $1 AND kind = $2 AND id >= $3 AND id < $4 ORDER BY id";
    PUT =
        "INSERT INTO key_records (device_id, kind, id, value, expires_ms) VALUES {($, $, $, $, $)}
         ON CONFLICT (device_id, kind, id) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms";
    DELETE = "DELETE FROM key_records WHERE device_id = $1 AND kind = $2 AND id IN ({$})";
    DELETE_FROM = "DELETE FROM key_records WHERE device_id = $1 AND kind = $2 AND id >= $3";
    DELETE_BETWEEN = "DELETE FROM key_records WHERE device_id = $1 AND kind = $2 AND id >= $3 AND id < $4";
    TAKE = "DELETE FROM key_records WHERE device_id = $1 AND kind = $2 AND id = $3 RETURNING value";
    PURGE = "DELETE FROM key_records WHERE device_id = $1 AND kind = $2 AND expires_ms <= $3";
    WIPE = "DELETE FROM key_records WHERE device_id = $1";
}

/// One change, done whole or not at all.
#[derive(Debug)]
pub(crate) enum Change {
    Apply(Vec<KeyWrite>),
    Take { kind: &'static str, id: String },
    Purge { kind: &'static str, now: UtcMs },
    Wipe,
}

/// What a change came to.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// The value taken.
    value: Option<Vec<u8>>,
    /// Rows removed.
    rows: u64,
}

/// A stretch of a write list that one statement (or one per piece) does.
enum Step<'a> {
    Puts(Vec<Put<'a>>),
    Deletes { kind: &'static str, ids: Vec<&'a str> },
    Prefix { kind: &'static str, prefix: &'a str },
}

struct Put<'a> {
    kind: &'static str,
    id: &'a str,
    value: &'a [u8],
    expires: Option<UtcMs>,
}

/// Turns a list into steps. Within a step every record appears once, the last write of it: Postgres refuses to touch a row
/// twice in one statement.
fn steps(writes: &[KeyWrite]) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for write in writes {
        match (write, steps.last_mut()) {
            (KeyWrite::Put { kind, id, value, expires }, last) => {
                let put = Put { kind, id, value, expires: *expires };
                match last {
                    Some(Step::Puts(puts)) => puts.push(put),
                    _ => steps.push(Step::Puts(vec![put])),
                }
            }
            (KeyWrite::Delete { kind, id }, Some(Step::Deletes { kind: same, ids })) if same == kind => ids.push(id),
            (KeyWrite::Delete { kind, id }, _) => steps.push(Step::Deletes { kind, ids: vec![id] }),
            (KeyWrite::DeletePrefix { kind, prefix }, _) => steps.push(Step::Prefix { kind, prefix }),
        }
    }
    for step in &mut steps {
        if let Step::Puts(puts) = step {
            keep_last(puts);
        }
    }
    steps
}

fn keep_last(puts: &mut Vec<Put<'_>>) {
    let mut seen = std::collections::HashSet::with_capacity(puts.len());
    puts.reverse();
    puts.retain(|p| seen.insert((p.kind, p.id)));
    puts.reverse();
}

/// The smallest text that sorts, byte by byte, after every text that starts with `prefix`; `None` when there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // UTF-8 sorts as its code points do; the range skips surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

impl Change {
    /// Whether a single statement does it, so that it is whole by itself.
    fn is_single(&self) -> bool {
        match self {
            Self::Apply(writes) => writes.len() <= 1,
            Self::Take { .. } | Self::Purge { .. } | Self::Wipe => true,
        }
    }
}

/// Borrows the connection anew, for the next statement.
fn again<'a>(conn: &'a mut Conn<'_>) -> Conn<'a> {
    match conn {
        Conn::Sqlite(c) => Conn::Sqlite(c),
        Conn::Postgres(c) => Conn::Postgres(c),
    }
}

/// Does a change. Whether it is whole is for the caller's transaction to see to.
async fn perform(conn: &mut Conn<'_>, device: &DeviceId, change: &Change) -> Result<Changed> {
    let device = device.as_str();
    match change {
        Change::Apply(writes) => {
            for step in steps(writes) {
                perform_step(conn, device, step).await?;
            }
            Ok(Changed::default())
        }
        Change::Take { kind, id } => {
            let row = rows!(again(conn), (Vec<u8>,), TAKE, [device, *kind, id], fetch_optional)?;
            Ok(Changed { value: row.map(|(value,)| value), rows: 0 })
        }
        Change::Purge { kind, now } => {
            Ok(Changed { value: None, rows: run!(again(conn), PURGE, [device, *kind, now.0])? })
        }
        Change::Wipe => Ok(Changed { value: None, rows: run!(again(conn), WIPE, [device])? }),
    }
}

async fn perform_step(conn: &mut Conn<'_>, device: &str, step: Step<'_>) -> Result<()> {
    match step {
        Step::Puts(puts) => {
            for piece in pieces(&puts) {
                run_many!(again(conn), PUT, [], piece, |put| [
                    device,
                    put.kind,
                    put.id,
                    put.value,
                    row::ms(put.expires)
                ])?;
            }
        }
        Step::Deletes { kind, ids } => {
            for piece in pieces(&ids) {
                run_many!(again(conn), DELETE, [device, kind], piece, |id| [*id])?;
            }
        }
        Step::Prefix { kind, prefix } => {
            match after_prefix(prefix) {
                Some(end) => run!(again(conn), DELETE_BETWEEN, [device, kind, prefix, &end])?,
                None => run!(again(conn), DELETE_FROM, [device, kind, prefix])?,
            };
        }
    }
    Ok(())
}

impl Db {
    async fn change(&self, device: &DeviceId, change: Change) -> Result<Changed> {
        let unavailable = |e: sqlx::Error| error::of("writing keys", e.into());
        match &*self.side {
            Side::Sqlite { writer, .. } => {
                let turn = if change.is_single() { writer.turn_for_one().await } else { writer.turn().await };
                let mut turn = turn.map_err(unavailable)?;
                let changed = perform(&mut Conn::Sqlite(turn.connection()), device, &change).await?;
                turn.commit().await.map_err(|e| error::of("writing keys", e))?;
                Ok(changed)
            }
            Side::Postgres { pool, .. } => {
                if change.is_single() {
                    let mut conn = pool.acquire().await.map_err(unavailable)?;
                    return perform(&mut Conn::Postgres(&mut conn), device, &change).await;
                }
                let mut tx = pool.begin().await.map_err(unavailable)?;
                let changed = perform(&mut Conn::Postgres(&mut tx), device, &change).await?;
                tx.commit().await.map_err(unavailable)?;
                Ok(changed)
            }
        }
    }
}

/// Runs `$body` with a connection for reading, outside of a transaction.
macro_rules! reading {
    ($db:expr, |$conn:ident| $body:expr) => {{
        let unavailable = |e: sqlx::Error| error::of("reading keys", e.into());
        match &*$db.side {
            Side::Sqlite { readers, .. } => {
                let mut held = readers.acquire().await.map_err(unavailable)?;
                let mut $conn = Conn::Sqlite(&mut held);
                $body
            }
            Side::Postgres { pool, .. } => {
                let mut held = pool.acquire().await.map_err(unavailable)?;
                let mut $conn = Conn::Postgres(&mut held);
                $body
            }
        }
    }};
}

async fn find_many(
    conn: &mut Conn<'_>,
    device: &DeviceId,
    kind: &'static str,
    ids: &[String],
) -> Result<Vec<KeyRecord>> {
    let mut found = Vec::with_capacity(ids.len());
    for piece in pieces(ids) {
        let rows =
            rows_many!(again(conn), (String, Vec<u8>), GET_MANY, [device.as_str(), kind], piece, |id| [id.as_str()])?;
        found.extend(rows.into_iter().map(record));
    }
    Ok(found)
}

async fn find_prefix(
    conn: &mut Conn<'_>,
    device: &DeviceId,
    kind: &'static str,
    prefix: &str,
) -> Result<Vec<KeyRecord>> {
    let device = device.as_str();
    let rows = match after_prefix(prefix) {
        Some(end) => rows!(again(conn), (String, Vec<u8>), LIST_BELOW, [device, kind, prefix, &end], fetch_all)?,
        None => rows!(again(conn), (String, Vec<u8>), LIST, [device, kind, prefix], fetch_all)?,
    };
    Ok(rows.into_iter().map(record).collect())
}

fn record((id, value): (String, Vec<u8>)) -> KeyRecord {
    KeyRecord { id, value }
}

#[async_trait]
impl KeyRecords for Db {
    async fn get(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        let row = reading!(self, |conn| {
            rows!(again(&mut conn), (Vec<u8>,), GET, [device.as_str(), kind, id], fetch_optional)?
        });
        Ok(row.map(|(value,)| value))
    }

    async fn get_many(&self, device: &DeviceId, kind: &'static str, ids: &[String]) -> Result<Vec<KeyRecord>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        reading!(self, |conn| find_many(&mut conn, device, kind, ids).await)
    }

    async fn list(&self, device: &DeviceId, kind: &'static str, prefix: &str) -> Result<Vec<KeyRecord>> {
        reading!(self, |conn| find_prefix(&mut conn, device, kind, prefix).await)
    }

    async fn take(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.change(device, Change::Take { kind, id: id.to_owned() }).await?.value)
    }

    async fn apply(&self, device: &DeviceId, writes: Vec<KeyWrite>) -> Result<()> {
        if !writes.is_empty() {
            self.change(device, Change::Apply(writes)).await?;
        }
        Ok(())
    }

    async fn purge(&self, device: &DeviceId, kind: &'static str, now: UtcMs) -> Result<u64> {
        Ok(self.change(device, Change::Purge { kind, now }).await?.rows)
    }

    async fn wipe(&self, device: &DeviceId) -> Result<()> {
        self.change(device, Change::Wipe).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_its_successor() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix(""), None);
        assert_eq!(after_prefix("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10FFFF}"), None);
        // The next character skips the surrogates.
        assert_eq!(after_prefix("\u{D7FF}").as_deref(), Some("\u{E000}"));
    }

    #[test]
    fn runs_of_puts_become_one_step_and_the_last_write_of_a_record_wins() {
        let put =
            |id: &str, value: u8| KeyWrite::Put { kind: "k", id: id.to_owned(), value: vec![value], expires: None };
        let delete = |id: &str| KeyWrite::Delete { kind: "k", id: id.to_owned() };
        let writes = [put("a", 1), put("b", 2), put("a", 3), delete("a"), delete("b"), put("b", 4)];
        let steps = steps(&writes);
        assert_eq!(steps.len(), 3);
        let Step::Puts(puts) = &steps[0] else { panic!("puts come first") };
        let kept: Vec<_> = puts.iter().map(|p| (p.id, p.value)).collect();
        assert_eq!(kept, [("b", &[2][..]), ("a", &[3][..])]);
    }
}
