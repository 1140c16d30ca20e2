//! Events.
//!
//! Invariant: a tenant's `seq` grows by one with every stored event and with nothing else. The tenant's row is updated
//! first and stays locked until the commit, so numbers become visible in order.

use std::collections::{BTreeMap, BTreeSet};

use portico_core::error::{Error, Result};
use portico_core::event::{Event, EventKind, NewEvent};
use portico_core::id::{EventId, TenantId};
use portico_core::ports::store::EventTx;
use portico_core::time::UtcMs;

use crate::bind::clean;
use crate::db::DbTx;
use crate::row;
use crate::statement::pieces;
use crate::table;

table! {
    /// An event as stored.
    events: EventRow<'r> => Event {
        id: &'r str,
        tenant_id: &'r str,
        seq: i64,
        kind: &'r str,
        device_id: Option<&'r str>,
        lane: &'r str,
        at_ms: i64,
        payload: &'r str,
    }
}

statements! {
    /// Takes the next numbers and keeps the tenant's row locked; gives the last of them.
    TAKE_SEQS = "UPDATE tenants SET event_seq = event_seq + $2 WHERE id = $1 RETURNING event_seq";
    INSERT = concat!(events!(insert), " ON CONFLICT (id) DO NOTHING RETURNING id");
    REMOVE = "DELETE FROM events WHERE id IN ({$})";
    LIST = concat!(
        "SELECT ", events!(columns), " FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
    /// Neither database reads a text to tell its length.
    LIST_BYTES =
        "SELECT CAST(OCTET_LENGTH(payload) AS BIGINT) FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    FIND = events!(find);
    LAST_SEQ = "SELECT event_seq FROM tenants WHERE id = $1";
    /// By ids that came out of a delivery.
    LOAD_MANY = concat!("SELECT ", events!(columns), " FROM events WHERE id IN ({$})");
    PURGE =
        "DELETE FROM events WHERE id IN (
             SELECT e.id FROM events e
             WHERE e.at_ms <= $1 AND NOT EXISTS (
                 SELECT 1 FROM deliveries d
                 WHERE d.state = 'pending' AND d.created_ms = e.at_ms AND d.event_id = e.id)
             ORDER BY e.at_ms LIMIT $2)";
}

impl<'r> EventRow<'r> {
    /// `payload` is the event's data, as JSON.
    fn of(event: &'r Event, payload: &'r str) -> Self {
        Self {
            id: event.id.as_str(),
            tenant_id: event.tenant.as_str(),
            seq: event.seq,
            kind: event.kind.as_str(),
            device_id: event.device.as_ref().map(|d| d.as_str()),
            lane: &event.lane,
            at_ms: event.timestamp.0,
            payload,
        }
    }

    fn noun(&self) -> Result<Event> {
        let at = self.at();
        Ok(Event {
            id: at.id("id", self.id)?,
            seq: self.seq,
            kind: at.name("kind", self.kind, EventKind::from_name)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            device: at.id_option("device_id", self.device_id)?,
            timestamp: UtcMs(self.at_ms),
            data: at.json("payload", self.payload)?,
            lane: self.lane.to_owned(),
        })
    }
}

impl DbTx<'_> {
    /// Stores events under the next numbers, one for each; gives those that were not stored already.
    fn events_number(&mut self, tenant: &TenantId, events: &[&NewEvent]) -> Result<Vec<Event>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.seqs_take(tenant, row::length(events.len()))? - row::length(events.len()) + 1;
        let numbered: Vec<_> = (first..).zip(events).map(|(seq, new)| numbered(new, seq)).collect();
        let payloads: Vec<String> = numbered.iter().map(|e| row::json(&e.data)).collect::<Result<_>>()?;
        let rows: Vec<_> =
            numbered.iter().zip(&payloads).map(|(event, payload)| EventRow::of(event, payload)).collect();
        let mut inserted = BTreeSet::new();
        for piece in pieces(&rows) {
            let ids = self.conn().fetch_all::<(String,)>(&INSERT, piece.len(), &table::binds(piece))?;
            inserted.extend(ids.into_iter().map(|(id,)| id));
        }
        Ok(numbered.into_iter().filter(|e| inserted.contains(e.id.as_str())).collect())
    }

    fn seqs_take(&mut self, tenant: &TenantId, count: i64) -> Result<i64> {
        let row = rows!(self.conn(), (i64,), TAKE_SEQS, [tenant.as_str(), count], fetch_optional)?;
        row.map(|(last,)| last).ok_or_else(|| Error::internal("storing an event", "its tenant does not exist"))
    }
}

fn numbered(new: &NewEvent, seq: i64) -> Event {
    Event {
        id: new.id.clone(),
        seq,
        kind: new.kind,
        tenant: new.tenant.clone(),
        device: new.device.clone(),
        // As it is stored.
        lane: clean(&new.lane).into_owned(),
        timestamp: new.at,
        data: new.payload.clone(),
    }
}

/// Those of the events that are still stored, by id.
pub(crate) fn load_many(tx: &mut DbTx<'_>, ids: &BTreeSet<&str>) -> Result<BTreeMap<String, Event>> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    let mut found = BTreeMap::new();
    for piece in pieces(&ids) {
        for event in rows_many!(tx.conn(), Event, LOAD_MANY, [], piece, |id| [*id])? {
            found.insert(event.id.as_str().to_owned(), event);
        }
    }
    Ok(found)
}

impl EventTx for DbTx<'_> {
    fn event_insert(&mut self, tenant: &TenantId, events: &[NewEvent]) -> Result<Vec<Event>> {
        let mut seen = BTreeSet::new();
        let mut fresh: Vec<&NewEvent> = events.iter().filter(|e| seen.insert(&e.id)).collect();
        let mut inserted = self.events_number(tenant, &fresh)?;
        if inserted.len() < fresh.len() {
            // Some are stored already, so there are gaps. The tenant's row is locked by now, so the numbers are taken back and
            // given again to those that are new.
            let ids: BTreeSet<&str> = inserted.iter().map(|e| e.id.as_str()).collect();
            self.seqs_take(tenant, -row::length(fresh.len()))?;
            fresh.retain(|e| ids.contains(e.id.as_str()));
            for piece in pieces(&fresh) {
                run_many!(self.conn(), REMOVE, [], piece, |event| [event.id.as_str()])?;
            }
            inserted = self.events_number(tenant, &fresh)?;
        }
        Ok(inserted)
    }

    fn event_find(&mut self, tenant: &TenantId, id: &EventId) -> Result<Option<Event>> {
        rows!(self.conn(), Event, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>> {
        rows!(self.conn(), Event, LIST, [tenant.as_str(), after, i64::from(limit)], fetch_all)
    }

    fn event_list_bytes(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<u64>> {
        let rows = rows!(self.conn(), (i64,), LIST_BYTES, [tenant.as_str(), after, i64::from(limit)], fetch_all)?;
        Ok(rows.into_iter().map(|(bytes,)| row::count(bytes)).collect())
    }

    fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64> {
        let row = rows!(self.conn(), (i64,), LAST_SEQ, [tenant.as_str()], fetch_optional)?;
        Ok(row.map_or(0, |(seq,)| seq))
    }

    fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }
}
