//! Signal keys, app-state keys and the rest of what sessions must remember, as sealed bytes.
//!
//! Invariant: what a caller was told is done is durable and visible to every later read.

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::keys::{KeyRecord, KeyRecords, KeyWrite};
use portico_core::time::UtcMs;

use crate::db::{Db, DbTx, Extent, Mode};
use crate::row::{self, FromRow, Row};
use crate::statement::pieces;

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

/// A run of writes that one statement (or one per piece of a list) does.
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

impl DbTx<'_> {
    fn keys_apply(&mut self, device: &DeviceId, writes: &[KeyWrite]) -> Result<()> {
        steps(writes).into_iter().try_for_each(|step| self.keys_step(device.as_str(), step))
    }

    fn keys_step(&mut self, device: &str, step: Step<'_>) -> Result<()> {
        match step {
            Step::Puts(puts) => {
                for piece in pieces(&puts) {
                    run_many!(self.conn(), PUT, [], piece, |put| [
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
                    run_many!(self.conn(), DELETE, [device, kind], piece, |id| [*id])?;
                }
            }
            Step::Prefix { kind, prefix } => {
                match after_prefix(prefix) {
                    Some(end) => run!(self.conn(), DELETE_BETWEEN, [device, kind, prefix, &end])?,
                    None => run!(self.conn(), DELETE_FROM, [device, kind, prefix])?,
                };
            }
        }
        Ok(())
    }

    fn keys_find_many(&mut self, device: &DeviceId, kind: &'static str, ids: &[String]) -> Result<Vec<KeyRecord>> {
        let mut found = Vec::with_capacity(ids.len());
        for piece in pieces(ids) {
            found.extend(rows_many!(self.conn(), KeyRecord, GET_MANY, [device.as_str(), kind], piece, |id| [id])?);
        }
        Ok(found)
    }

    fn keys_find_prefix(&mut self, device: &DeviceId, kind: &'static str, prefix: &str) -> Result<Vec<KeyRecord>> {
        let device = device.as_str();
        match after_prefix(prefix) {
            Some(end) => rows!(self.conn(), KeyRecord, LIST_BELOW, [device, kind, prefix, &end], fetch_all),
            None => rows!(self.conn(), KeyRecord, LIST, [device, kind, prefix], fetch_all),
        }
    }
}

impl FromRow for KeyRecord {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self { id: row.get(0)?, value: row.get(1)? })
    }
}

/// Each of these is one transaction on a database thread.
#[async_trait]
impl KeyRecords for Db {
    async fn get(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        let (device, id) = (device.clone(), id.to_owned());
        let get =
            move |tx: &mut DbTx<'_>| rows!(tx.conn(), (Vec<u8>,), GET, [device.as_str(), kind, &id], fetch_optional);
        let row = self.with(Mode::Read, Extent::Statement, get).await?;
        Ok(row.map(|(value,)| value))
    }

    async fn get_many(&self, device: &DeviceId, kind: &'static str, ids: &[String]) -> Result<Vec<KeyRecord>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (device, ids) = (device.clone(), ids.to_owned());
        self.with(Mode::Read, Extent::Statement, move |tx| tx.keys_find_many(&device, kind, &ids)).await
    }

    async fn list(&self, device: &DeviceId, kind: &'static str, prefix: &str) -> Result<Vec<KeyRecord>> {
        let (device, prefix) = (device.clone(), prefix.to_owned());
        self.with(Mode::Read, Extent::Statement, move |tx| tx.keys_find_prefix(&device, kind, &prefix)).await
    }

    async fn take(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        let (device, id) = (device.clone(), id.to_owned());
        let take =
            move |tx: &mut DbTx<'_>| rows!(tx.conn(), (Vec<u8>,), TAKE, [device.as_str(), kind, &id], fetch_optional);
        let row = self.with(Mode::Write, Extent::Statement, take).await?;
        Ok(row.map(|(value,)| value))
    }

    async fn apply(&self, device: &DeviceId, writes: Vec<KeyWrite>) -> Result<()> {
        let extent = match writes.len() {
            0 => return Ok(()),
            1 => Extent::Statement,
            _ => Extent::Transaction,
        };
        let device = device.clone();
        self.with(Mode::Write, extent, move |tx| tx.keys_apply(&device, &writes)).await
    }

    async fn purge(&self, device: &DeviceId, kind: &'static str, now: UtcMs) -> Result<u64> {
        let device = device.clone();
        let purge = move |tx: &mut DbTx<'_>| run!(tx.conn(), PURGE, [device.as_str(), kind, now.0]);
        self.with(Mode::Write, Extent::Statement, purge).await
    }

    async fn wipe(&self, device: &DeviceId) -> Result<()> {
        let device = device.clone();
        let wipe = move |tx: &mut DbTx<'_>| run!(tx.conn(), WIPE, [device.as_str()]).map(drop);
        self.with(Mode::Write, Extent::Statement, wipe).await
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
