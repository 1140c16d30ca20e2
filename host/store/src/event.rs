//! Events, and the deliveries that are born with them.
//!
//! Invariant: a tenant's `seq` grows by one with every stored event and with nothing else. The tenant's row is updated
//! first and stays locked until the commit, so numbers become visible in order.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use portico_core::error::{Error, Result};
use portico_core::event::{Event, EventKind, NewEvent};
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::ports::store::EventTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, Place, clean};
use crate::statement::pieces;
use crate::webhook;

statements! {
    /// Takes the next number unless the event is known. On Postgres a rival's copy may still be invisible here; `INSERT`
    /// notices it then.
    NEXT_SEQ =
        "UPDATE tenants SET event_seq = event_seq + 1
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM events WHERE id = $2) RETURNING event_seq";
    /// Gives back the number just taken; nobody else has seen it.
    UNDO_SEQ = "UPDATE tenants SET event_seq = event_seq - 1 WHERE id = $1";
    KNOWN = "SELECT id FROM events WHERE id = $1";
    INSERT = concat!(
        "INSERT INTO events (", event_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
    );
    /// Due at once if nothing of its lane is pending, else it waits.
    DELIVER =
        "INSERT INTO deliveries
             (id, tenant_id, webhook_id, event_id, event_kind, event_seq, lane, state, attempts, due_ms, created_ms)
         SELECT v.column1, $1, v.column2, $2, $3, $4, $5, 'pending', 0,
             CASE WHEN EXISTS (
                 SELECT 1 FROM deliveries o WHERE o.webhook_id = v.column2 AND o.lane = $5 AND o.state = 'pending'
             ) THEN NULL ELSE CAST($6 AS BIGINT) END,
             CAST($6 AS BIGINT)
         FROM (VALUES {(CAST($ AS TEXT), CAST($ AS TEXT))}) AS v";
    LIST = concat!(
        "SELECT ", event_columns!(), " FROM events WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
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

impl DbTx {
    /// Stores the event under the next number; `None` when it is stored already.
    async fn event_insert(&mut self, event: &NewEvent) -> Result<Option<Event>> {
        let (id, tenant) = (event.id.as_str(), event.tenant.as_str());
        let taken = rows!(self.conn(), (i64,), NEXT_SEQ, [tenant, id], fetch_optional)?;
        let Some((seq,)) = taken else {
            return match rows!(self.conn(), (String,), KNOWN, [id], fetch_optional)? {
                Some(_) => Ok(None),
                None => Err(Error::internal("storing an event", "its tenant does not exist")),
            };
        };
        let payload = row::json(&event.payload)?;
        let device = event.device.as_ref().map(|d| d.as_str());
        let lane = clean(&event.lane);
        let inserted = run!(
            self.conn(),
            INSERT,
            [id, tenant, seq, event.kind.as_str(), device, lane.as_ref(), event.at.0, &payload]
        )?;
        if inserted == 0 {
            run!(self.conn(), UNDO_SEQ, [tenant])?;
            return Ok(None);
        }
        Ok(Some(Event {
            id: event.id.clone(),
            seq,
            kind: event.kind,
            tenant: event.tenant.clone(),
            device: event.device.clone(),
            lane: lane.into_owned(),
            timestamp: event.at,
            data: event.payload.clone(),
        }))
    }

    /// Adds a delivery of the event for each of these subscriptions.
    async fn deliver(&mut self, event: &Event, to: &[WebhookId]) -> Result<()> {
        let fresh = |webhook: &WebhookId| (DeliveryId::new(event.timestamp.0, rand::random()), webhook.clone());
        let deliveries: Vec<_> = to.iter().map(fresh).collect();
        for piece in pieces(&deliveries) {
            run_many!(
                self.conn(),
                DELIVER,
                [
                    event.tenant.as_str(),
                    event.id.as_str(),
                    event.kind.as_str(),
                    event.seq,
                    event.lane.as_str(),
                    event.timestamp.0
                ],
                piece,
                |(id, webhook)| [id.as_str(), webhook.as_str()]
            )?;
        }
        Ok(())
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
    async fn event_raise(&mut self, event: &NewEvent) -> Result<Option<Event>> {
        let Some(event) = self.event_insert(event).await? else { return Ok(None) };
        let candidates = webhook::candidates(self, &event.tenant, event.device.as_ref()).await?;
        let to: Vec<_> =
            candidates.into_iter().filter(|w| w.wants(event.kind, event.device.as_ref())).map(|w| w.id).collect();
        self.deliver(&event, &to).await?;
        Ok(Some(event))
    }

    async fn event_raise_for(&mut self, event: &NewEvent, webhook: &WebhookId) -> Result<Option<Event>> {
        let Some(event) = self.event_insert(event).await? else { return Ok(None) };
        self.deliver(&event, std::slice::from_ref(webhook)).await?;
        Ok(Some(event))
    }

    async fn event_list(&mut self, tenant: &TenantId, after: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = rows!(self.conn(), EventRow, LIST, [tenant.as_str(), after, i64::from(limit)], fetch_all)?;
        rows.into_iter().map(EventRow::noun).collect()
    }

    async fn event_last_seq(&mut self, tenant: &TenantId) -> Result<i64> {
        let row = rows!(self.conn(), (i64,), LAST_SEQ, [tenant.as_str()], fetch_optional)?;
        Ok(row.map_or(0, |(seq,)| seq))
    }

    async fn event_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }
}
