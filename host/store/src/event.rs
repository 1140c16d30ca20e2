//! Events, and the deliveries that are born with them.
//!
//! Invariant: a tenant's `seq` grows by one with every stored event and with nothing else. The tenant's row is updated
//! first and stays locked until the commit, so numbers become visible in order.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use portico_core::error::{Error, Result};
use portico_core::event::{Event, EventKind, NewEvent};
use portico_core::id::{DeliveryId, EventId, TenantId, WebhookId};
use portico_core::ports::store::EventTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, Place, clean};
use crate::statement::pieces;
use crate::webhook;

statements! {
    /// Takes the next numbers and keeps the tenant's row locked; gives the last of them.
    TAKE_SEQS = "UPDATE tenants SET event_seq = event_seq + $2 WHERE id = $1 RETURNING event_seq";
    INSERT = concat!(
        "INSERT INTO events (", event_columns!(), ") VALUES {($, $, $, $, $, $, $, $)}
         ON CONFLICT (id) DO NOTHING RETURNING id"
    );
    REMOVE = "DELETE FROM events WHERE id IN ({$})";
    /// Due at once if nothing of its lane is pending, neither before nor in the list itself; else it waits.
    DELIVER =
        "INSERT INTO deliveries
             (id, tenant_id, webhook_id, event_id, event_kind, event_seq, lane, state, attempts, due_ms, created_ms)
         SELECT v.column1, $1, v.column2, v.column3, v.column4, v.column5, v.column6, 'pending', 0,
             CASE WHEN v.column8 = 0 OR EXISTS (
                 SELECT 1 FROM deliveries o
                 WHERE o.webhook_id = v.column2 AND o.lane = v.column6 AND o.state = 'pending'
             ) THEN NULL ELSE v.column7 END,
             v.column7
         FROM (VALUES {(CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS BIGINT),
             CAST($ AS TEXT), CAST($ AS BIGINT), CAST($ AS BIGINT))}) AS v";
    LIST = concat!(
        "SELECT ", event_columns!(), " FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
    /// Neither database reads a text to tell its length.
    LIST_BYTES =
        "SELECT CAST(OCTET_LENGTH(payload) AS BIGINT) FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    FIND = concat!("SELECT ", event_columns!(), " FROM events WHERE tenant_id = $1 AND id = $2");
    LAST_SEQ = "SELECT event_seq FROM tenants WHERE id = $1";
    /// By ids that came out of a delivery.
    LOAD_MANY = concat!("SELECT ", event_columns!(), " FROM events WHERE id IN ({$})");
    PURGE =
        "DELETE FROM events WHERE id IN (
             SELECT e.id FROM events e
             WHERE e.at_ms <= $1 AND NOT EXISTS (
                 SELECT 1 FROM deliveries d
                 WHERE d.state = 'pending' AND d.created_ms = e.at_ms AND d.event_id = e.id)
             ORDER BY e.at_ms LIMIT $2)";
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: String,
    tenant_id: String,
    seq: i64,
    kind: String,
    device_id: Option<String>,
    lane: String,
    at_ms: i64,
    payload: String,
}

impl EventRow {
    fn noun(self) -> Result<Event> {
        let place = Place::new("events", &self.id);
        Ok(Event {
            id: place.id("id", &self.id)?,
            seq: self.seq,
            kind: place.name("kind", &self.kind, EventKind::from_name)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            device: place.id_option("device_id", self.device_id.as_deref())?,
            timestamp: UtcMs(self.at_ms),
            data: place.json("payload", &self.payload)?,
            lane: self.lane,
        })
    }
}

/// A delivery to be.
struct NewDelivery<'a> {
    id: DeliveryId,
    webhook: WebhookId,
    event: &'a Event,
    /// The first of its lane among those it is stored with.
    is_head: bool,
}

impl DbTx {
    /// Stores events of one tenant under the next numbers, passing over those that are stored already.
    async fn events_insert(&mut self, tenant: &TenantId, events: &[NewEvent]) -> Result<Vec<Event>> {
        let mut seen = BTreeSet::new();
        let mut fresh: Vec<&NewEvent> = events.iter().filter(|e| seen.insert(&e.id)).collect();
        let mut inserted = self.events_number(tenant, &fresh).await?;
        if inserted.len() < fresh.len() {
            // Some are known, so there are gaps. The tenant's row is locked by now: without those it comes out even.
            let ids: BTreeSet<&str> = inserted.iter().map(|e| e.id.as_str()).collect();
            self.seqs_take(tenant, -row::length(fresh.len())).await?;
            fresh.retain(|e| ids.contains(e.id.as_str()));
            for piece in pieces(&fresh) {
                run_many!(self.conn(), REMOVE, [], piece, |event| [event.id.as_str()])?;
            }
            inserted = self.events_number(tenant, &fresh).await?;
        }
        Ok(inserted)
    }

    /// Stores events under the next numbers, one for each; gives those that were not stored already.
    async fn events_number(&mut self, tenant: &TenantId, events: &[&NewEvent]) -> Result<Vec<Event>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.seqs_take(tenant, row::length(events.len())).await? - row::length(events.len()) + 1;
        let numbered: Vec<_> = (first..).zip(events).map(|(seq, new)| numbered(new, seq)).collect();
        let rows: Vec<_> = numbered.iter().map(|e| Ok((e, row::json(&e.data)?))).collect::<Result<_>>()?;
        let mut inserted = BTreeSet::new();
        for piece in pieces(&rows) {
            let ids = rows_many!(self.conn(), (String,), INSERT, [], piece, |(event, payload)| [
                event.id.as_str(),
                tenant.as_str(),
                event.seq,
                event.kind.as_str(),
                event.device.as_ref().map(|d| d.as_str()),
                event.lane.as_str(),
                event.timestamp.0,
                payload.as_str(),
            ])?;
            inserted.extend(ids.into_iter().map(|(id,)| id));
        }
        Ok(numbered.into_iter().filter(|e| inserted.contains(e.id.as_str())).collect())
    }

    async fn seqs_take(&mut self, tenant: &TenantId, count: i64) -> Result<i64> {
        let row = rows!(self.conn(), (i64,), TAKE_SEQS, [tenant.as_str(), count], fetch_optional)?;
        row.map(|(last,)| last).ok_or_else(|| Error::internal("storing an event", "its tenant does not exist"))
    }

    /// Adds deliveries of a tenant's events, each with the subscriptions it is for.
    async fn deliver(&mut self, tenant: &TenantId, events: &[(&Event, Vec<WebhookId>)]) -> Result<()> {
        let mut lanes = BTreeSet::new();
        let mut deliveries = Vec::new();
        for (event, to) in events {
            for webhook in to {
                let is_head = lanes.insert((webhook, event.lane.as_str()));
                let id = DeliveryId::new(event.timestamp.0, rand::random());
                deliveries.push(NewDelivery { id, webhook: webhook.clone(), event, is_head });
            }
        }
        for piece in pieces(&deliveries) {
            run_many!(self.conn(), DELIVER, [tenant.as_str()], piece, |delivery| [
                delivery.id.as_str(),
                delivery.webhook.as_str(),
                delivery.event.id.as_str(),
                delivery.event.kind.as_str(),
                delivery.event.seq,
                delivery.event.lane.as_str(),
                delivery.event.timestamp.0,
                i64::from(delivery.is_head),
            ])?;
        }
        Ok(())
    }
}

fn numbered(new: &NewEvent, seq: i64) -> Event {
    Event {
        id: new.id.clone(),
        seq,
        kind: new.kind,
        tenant: new.tenant.clone(),
        device: new.device.clone(),
        lane: clean(&new.lane).into_owned(),
        timestamp: new.at,
        data: new.payload.clone(),
    }
}

/// Those of the events that are still stored, by id.
pub(crate) async fn load_many(tx: &mut DbTx, ids: &BTreeSet<&str>) -> Result<BTreeMap<String, Event>> {
    let ids: Vec<&str> = ids.iter().copied().collect();
    let mut found = BTreeMap::new();
    for piece in pieces(&ids) {
        for row in rows_many!(tx.conn(), EventRow, LOAD_MANY, [], piece, |id| [*id])? {
            found.insert(row.id.clone(), row.noun()?);
        }
    }
    Ok(found)
}

#[async_trait]
impl EventTx for DbTx {
    async fn event_raise(&mut self, events: &[NewEvent]) -> Result<Vec<Event>> {
        let mut raised = Vec::with_capacity(events.len());
        for alike in events.chunk_by(|a, b| a.tenant == b.tenant && a.device == b.device) {
            let Some(NewEvent { tenant, device, .. }) = alike.first() else { continue };
            let stored = self.events_insert(tenant, alike).await?;
            if stored.is_empty() {
                continue;
            }
            let candidates = webhook::candidates(self, tenant, device.as_ref()).await?;
            let wanting = |event: &Event| {
                let wants = candidates.iter().filter(|w| w.wants(event.kind, event.device.as_ref()));
                wants.map(|w| w.id.clone()).collect()
            };
            let aimed: Vec<_> = stored.iter().map(|event| (event, wanting(event))).collect();
            self.deliver(tenant, &aimed).await?;
            raised.extend(stored);
        }
        Ok(raised)
    }

    async fn event_raise_for(&mut self, event: &NewEvent, webhook: &WebhookId) -> Result<Option<Event>> {
        let stored = self.events_insert(&event.tenant, std::slice::from_ref(event)).await?;
        if let Some(stored) = stored.first() {
            self.deliver(&event.tenant, &[(stored, vec![webhook.clone()])]).await?;
        }
        Ok(stored.into_iter().next())
    }

    async fn event_find(&mut self, tenant: &TenantId, id: &EventId) -> Result<Option<Event>> {
        let row = rows!(self.conn(), EventRow, FIND, [tenant.as_str(), id.as_str()], fetch_optional)?;
        row.map(EventRow::noun).transpose()
    }

    async fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = rows!(self.conn(), EventRow, LIST, [tenant.as_str(), after, i64::from(limit)], fetch_all)?;
        rows.into_iter().map(EventRow::noun).collect()
    }

    async fn event_list_bytes(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<u64>> {
        let rows = rows!(self.conn(), (i64,), LIST_BYTES, [tenant.as_str(), after, i64::from(limit)], fetch_all)?;
        Ok(rows.into_iter().map(|(bytes,)| row::count(bytes)).collect())
    }

    async fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64> {
        let row = rows!(self.conn(), (i64,), LAST_SEQ, [tenant.as_str()], fetch_optional)?;
        Ok(row.map_or(0, |(seq,)| seq))
    }

    async fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }
}
