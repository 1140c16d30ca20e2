//! What of the outbox is to be tried: claiming what is due, looking behind the head of a lane, and who waits.

use std::time::Duration;

use portico_core::error::Result;
use portico_core::event::Event;
use portico_core::id::{DeliveryId, WebhookId};
use portico_core::ports::store::{AttemptResult, LaneResult, WaitingWebhook};
use portico_core::time::UtcMs;
use portico_core::webhook::{Claimed, DeliveryState};

use super::settle;
use crate::db::DbTx;
use crate::event;
use crate::row::{FromRow, Row, RowRef};
use crate::statement::pieces;

statements! {
    /// Claims what is due. `due_ms` is there for one of each lane only, so order within a lane needs no check.
    /// On Postgres the choice stands apart: inside `IN (…)` it might be made more than once.
    CLAIM =
        "UPDATE deliveries SET due_ms = $2, claimed_ms = $1
             WHERE id IN (SELECT id FROM deliveries WHERE state = 'pending' AND due_ms <= $1 ORDER BY due_ms LIMIT $3)
             RETURNING id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq, shaped_by",
        "WITH chosen AS MATERIALIZED (
                 SELECT id FROM deliveries WHERE state = 'pending' AND due_ms <= $1 ORDER BY due_ms LIMIT $3
                 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE deliveries SET due_ms = $2, claimed_ms = $1 FROM chosen WHERE deliveries.id = chosen.id
             RETURNING deliveries.id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq, shaped_by";
    /// As `CLAIM`, of one webhook.
    CLAIM_OF =
        "UPDATE deliveries SET due_ms = $2, claimed_ms = $1
             WHERE id IN (
                 SELECT id FROM deliveries WHERE webhook_id = $4 AND state = 'pending' AND due_ms <= $1
                 ORDER BY due_ms LIMIT $3)
             RETURNING id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq, shaped_by",
        "WITH chosen AS MATERIALIZED (
                 SELECT id FROM deliveries WHERE webhook_id = $4 AND state = 'pending' AND due_ms <= $1
                 ORDER BY due_ms LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE deliveries SET due_ms = $2, claimed_ms = $1 FROM chosen WHERE deliveries.id = chosen.id
             RETURNING deliveries.id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq, shaped_by";
    /// One step through the index for each webhook: from one id to the next larger one.
    WAITING =
        "WITH RECURSIVE waiting (webhook_id, place) AS (
             SELECT (SELECT MIN(d.webhook_id) FROM deliveries d
                     WHERE d.state = 'pending' AND d.due_ms IS NOT NULL AND d.webhook_id > $1), CAST(1 AS BIGINT)
             UNION ALL
             SELECT (SELECT MIN(d.webhook_id) FROM deliveries d
                     WHERE d.state = 'pending' AND d.due_ms IS NOT NULL AND d.webhook_id > waiting.webhook_id), place + 1
             FROM waiting WHERE webhook_id IS NOT NULL AND place < $2)
         SELECT webhook_id, place, (
             SELECT MIN(d.due_ms) FROM deliveries d
             WHERE d.webhook_id = waiting.webhook_id AND d.state = 'pending' AND d.due_ms IS NOT NULL)
         FROM waiting WHERE webhook_id IS NOT NULL";
    /// What waits behind heads of lanes, `$1` deliveries of each at most. SQLite can't limit a joined part by itself: there
    /// the last one wanted is looked up first.
    BEHIND =
        "SELECT d.id, d.tenant_id, d.webhook_id, d.event_id, d.attempts, d.created_ms, d.event_seq, d.shaped_by
             FROM deliveries h CROSS JOIN deliveries d
             WHERE h.id IN ({$}) AND d.webhook_id = h.webhook_id AND d.lane = h.lane AND d.state = 'pending'
                 AND d.event_seq > h.event_seq AND d.event_seq <= COALESCE((
                     SELECT n.event_seq FROM deliveries n
                     WHERE n.webhook_id = h.webhook_id AND n.lane = h.lane AND n.state = 'pending'
                         AND n.event_seq > h.event_seq
                     ORDER BY n.event_seq LIMIT 1 OFFSET $1 - 1), 9223372036854775807)",
        "SELECT d.id, d.tenant_id, d.webhook_id, d.event_id, d.attempts, d.created_ms, d.event_seq, d.shaped_by
             FROM deliveries h CROSS JOIN LATERAL (
                 SELECT n.* FROM deliveries n
                 WHERE n.webhook_id = h.webhook_id AND n.lane = h.lane AND n.state = 'pending'
                     AND n.event_seq > h.event_seq
                 ORDER BY n.event_seq LIMIT $1) AS d
             WHERE h.id IN ({$})";
}

/// A claimed delivery, without its event.
struct ClaimedRow {
    id: String,
    tenant_id: String,
    webhook_id: String,
    event_id: String,
    attempts: i64,
    created_ms: i64,
    event_seq: i64,
    shaped_by: Option<String>,
}

impl FromRow for ClaimedRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            tenant_id: row.get(1)?,
            webhook_id: row.get(2)?,
            event_id: row.get(3)?,
            attempts: row.get(4)?,
            created_ms: row.get(5)?,
            event_seq: row.get(6)?,
            shaped_by: row.get::<Option<&str>>(7)?.map(str::to_owned),
        })
    }
}

/// A webhook with pending deliveries, and its place among those listed.
struct WaitingRow {
    webhook_id: String,
    place: i64,
    due_ms: i64,
}

impl FromRow for WaitingRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self { webhook_id: row.get(0)?, place: row.get(1)?, due_ms: row.get(2)? })
    }
}

impl ClaimedRow {
    fn noun(&self, event: &Event) -> Result<Claimed> {
        let at = RowRef::new("deliveries", &self.id);
        Ok(Claimed {
            id: at.id("id", &self.id)?,
            tenant: at.id("tenant_id", &self.tenant_id)?,
            webhook: at.id("webhook_id", &self.webhook_id)?,
            event: event.clone(),
            attempts: at.number("attempts", self.attempts)?,
            shaped_by: self.shaped_by.clone(),
        })
    }

    /// What becomes of a delivery whose event is gone: it was revived in the very moment its event was purged.
    fn without_event(&self, at: UtcMs) -> Result<AttemptResult> {
        let delivery = RowRef::new("deliveries", &self.id).id("id", &self.id)?;
        Ok(AttemptResult { delivery, attempt: None, state: DeliveryState::Dead, due: None, at, shaped_by: None })
    }
}

/// Claims what is due, of all webhooks.
pub(super) fn of_all(tx: &mut DbTx<'_>, now: UtcMs, lease: Duration, limit: u32) -> Result<Vec<Claimed>> {
    let binds = (now.0, (now + lease).0, i64::from(limit));
    let rows = rows!(tx.conn(), ClaimedRow, CLAIM, [binds.0, binds.1, binds.2], fetch_all)?;
    with_events(tx, rows, now)
}

/// Claims what is due, of one webhook.
pub(super) fn of_webhook(
    tx: &mut DbTx<'_>,
    webhook: &WebhookId,
    now: UtcMs,
    lease: Duration,
    limit: u32,
) -> Result<Vec<Claimed>> {
    let binds = (now.0, (now + lease).0, i64::from(limit), webhook.as_str());
    let rows = rows!(tx.conn(), ClaimedRow, CLAIM_OF, [binds.0, binds.1, binds.2, binds.3], fetch_all)?;
    with_events(tx, rows, now)
}

/// Webhooks that have something pending, in the order of their ids.
pub(super) fn waiting(tx: &mut DbTx<'_>, after: Option<&WebhookId>, limit: u32) -> Result<Vec<WaitingWebhook>> {
    let after = after.map_or("", WebhookId::as_str);
    let mut rows = rows!(tx.conn(), WaitingRow, WAITING, [after, i64::from(limit)], fetch_all)?;
    rows.sort_by_key(|row| row.place);
    let noun = |row: WaitingRow| {
        let id = RowRef::new("deliveries", "(any)").id("webhook_id", &row.webhook_id)?;
        Ok(WaitingWebhook { id, next_due: UtcMs(row.due_ms) })
    };
    rows.into_iter().map(noun).collect()
}

/// What waits behind the heads of lanes.
pub(super) fn followers(tx: &mut DbTx<'_>, heads: &[DeliveryId], per_lane: u32) -> Result<Vec<Claimed>> {
    let mut rows = Vec::new();
    if per_lane > 0 {
        for piece in pieces(heads) {
            let limit = i64::from(per_lane);
            rows.extend(rows_many!(tx.conn(), ClaimedRow, BEHIND, [limit], piece, |id| [id.as_str()])?);
        }
    }
    rows.sort_by_key(|r| r.event_seq);
    let events = event::load_many(tx, &rows.iter().map(|r| r.event_id.as_str()).collect())?;
    // One whose event is gone is dealt with when its turn to be claimed comes.
    rows.iter().filter_map(|row| Some(row.noun(events.get(&row.event_id)?))).collect()
}

/// Joins claimed rows with their events, oldest first. A delivery whose event is gone ends here.
fn with_events(tx: &mut DbTx<'_>, mut rows: Vec<ClaimedRow>, now: UtcMs) -> Result<Vec<Claimed>> {
    // `RETURNING` promises no order.
    rows.sort_by_key(|r| (r.created_ms, r.event_seq));
    let events = event::load_many(tx, &rows.iter().map(|r| r.event_id.as_str()).collect())?;
    let mut claimed = Vec::with_capacity(rows.len());
    let mut lost = Vec::new();
    for row in &rows {
        match events.get(&row.event_id) {
            Some(event) => claimed.push(row.noun(event)?),
            None => lost.push(LaneResult::from(row.without_event(now)?)),
        }
    }
    settle::finish(tx, &lost, now)?;
    Ok(claimed)
}
