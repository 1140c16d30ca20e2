//! Deliveries and their attempts.
//!
//! Invariant: of each lane (subscription and `lane`) exactly one pending delivery has a `due_ms`: the one being tried, and
//! while none is, the oldest. It is due then, or its lease ends then. The others wait with none. So claiming reads nothing
//! but an index of what is due, nothing overtakes within a lane, and [`OutboxTx::delivery_next_due`] never names a time at
//! which there is nothing to do. Whoever adds, ends or revives deliveries holds the tenant's row, or two of them could each
//! miss what the other did.

pub(crate) mod settle;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::event::{Event, EventKind};
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{AttemptResult, DeliveryFilter, LaneResult, OutboxStats, OutboxTx, WaitingWebhook};
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Claimed, Delivery, DeliveryState};

use crate::db::DbTx;
use crate::event;
use crate::flavour;
use crate::row::{self, Place};
use crate::statement::pieces;

statements! {
    NEXT_DUE =
        "SELECT due_ms FROM deliveries WHERE state = 'pending' AND due_ms IS NOT NULL ORDER BY due_ms LIMIT 1";
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
    RELEASE =
        "UPDATE deliveries SET due_ms = $1, claimed_ms = NULL
         WHERE state = 'pending' AND due_ms IS NOT NULL AND due_ms > $1 AND claimed_ms IS NOT NULL";
    FIND = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE tenant_id = $1 AND id = $2");
    LIST = concat!(
        "SELECT ", delivery_columns!(), " FROM deliveries
         WHERE tenant_id = $1 AND id < $2 AND (CAST($4 AS TEXT) IS NULL OR state = $4) ORDER BY id DESC LIMIT $3"
    );
    LIST_WEBHOOK = concat!(
        "SELECT ", delivery_columns!(), " FROM deliveries
         WHERE tenant_id = $1 AND id < $2 AND (CAST($4 AS TEXT) IS NULL OR state = $4) AND webhook_id = $5 ORDER BY id DESC LIMIT $3"
    );
    /// Dead letters are few among many; they have an index of their own.
    LIST_DEAD = concat!(
        "SELECT ", delivery_columns!(), " FROM deliveries
         WHERE tenant_id = $1 AND id < $2 AND state = 'dead' AND (CAST($4 AS TEXT) IS NULL OR webhook_id = $4) ORDER BY id DESC LIMIT $3"
    );
    ATTEMPTS =
        "SELECT delivery_id, number, at_ms, duration_ms, status, error, format FROM delivery_attempts
         WHERE delivery_id = $1 ORDER BY at_ms, number";
    PURGE =
        "DELETE FROM deliveries WHERE id IN (
             SELECT id FROM deliveries WHERE finished_ms <= $1 ORDER BY finished_ms LIMIT $2)";
    COUNT_PENDING = "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'";
    COUNT_DEAD = "SELECT COUNT(*) FROM deliveries WHERE state = 'dead'";
    OLDEST_PENDING = "SELECT created_ms FROM deliveries WHERE state = 'pending' ORDER BY created_ms LIMIT 1";
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    id: String,
    tenant_id: String,
    webhook_id: String,
    event_id: String,
    event_kind: String,
    state: String,
    attempts: i64,
    due_ms: Option<i64>,
    created_ms: i64,
    finished_ms: Option<i64>,
}

impl DeliveryRow {
    fn noun(self) -> Result<Delivery> {
        let place = Place::new("deliveries", &self.id);
        Ok(Delivery {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            webhook: place.id("webhook_id", &self.webhook_id)?,
            event: place.id("event_id", &self.event_id)?,
            event_type: place.name("event_kind", &self.event_kind, EventKind::from_name)?,
            state: place.name("state", &self.state, DeliveryState::from_name)?,
            attempts: place.number("attempts", self.attempts)?,
            next_attempt_at: self.due_ms.map(UtcMs),
            created_at: UtcMs(self.created_ms),
            finished_at: self.finished_ms.map(UtcMs),
        })
    }
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: String,
    tenant_id: String,
    webhook_id: String,
    event_id: String,
    attempts: i64,
    created_ms: i64,
    event_seq: i64,
}

impl ClaimedRow {
    fn noun(&self, event: &Event) -> Result<Claimed> {
        let place = Place::new("deliveries", &self.id);
        Ok(Claimed {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            webhook: place.id("webhook_id", &self.webhook_id)?,
            event: event.clone(),
            attempts: place.number("attempts", self.attempts)?,
        })
    }

    /// What becomes of a delivery whose event is gone: it was revived in the very moment its event was purged.
    fn without_event(&self, at: UtcMs) -> Result<AttemptResult> {
        let delivery = Place::new("deliveries", &self.id).id("id", &self.id)?;
        Ok(AttemptResult { delivery, attempt: None, state: DeliveryState::Dead, due: None, at })
    }
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    delivery_id: String,
    number: i64,
    at_ms: i64,
    duration_ms: i64,
    status: Option<i64>,
    error: Option<String>,
    format: String,
}

impl AttemptRow {
    fn noun(self) -> Result<Attempt> {
        let place = Place::new("delivery_attempts", &self.delivery_id);
        Ok(Attempt {
            number: place.number("number", self.number)?,
            at: UtcMs(self.at_ms),
            duration_ms: place.number("duration_ms", self.duration_ms)?,
            status: self.status.map(|s| place.number("status", s)).transpose()?,
            error: self.error,
            format: self.format,
        })
    }
}

impl DbTx {
    /// Locks the outboxes of these tenants until the end; where nobody else can write there is nothing to do.
    pub(crate) async fn lock_outbox(&mut self, tenants: &[TenantId]) -> Result<()> {
        if !self.has_rivals() {
            return Ok(());
        }
        let ids: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        for piece in pieces(&ids) {
            rows_many!(self.conn(), (String,), flavour::TENANTS_LOCK, [], piece, |id| [*id])?;
        }
        Ok(())
    }

    /// Joins claimed rows with their events, oldest first. A delivery whose event is gone ends here.
    async fn claimed(&mut self, mut rows: Vec<ClaimedRow>, now: UtcMs) -> Result<Vec<Claimed>> {
        // `RETURNING` promises no order.
        rows.sort_by_key(|r| (r.created_ms, r.event_seq));
        let events = event::load_many(self, &rows.iter().map(|r| r.event_id.as_str()).collect()).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        let mut lost = Vec::new();
        for row in &rows {
            match events.get(&row.event_id) {
                Some(event) => claimed.push(row.noun(event)?),
                None => lost.push(LaneResult::from(row.without_event(now)?)),
            }
        }
        settle::finish(self, &lost, now).await?;
        Ok(claimed)
    }
}

#[async_trait]
impl OutboxTx for DbTx {
    async fn delivery_claim(&mut self, now: UtcMs, lease: Duration, limit: u32) -> Result<Vec<Claimed>> {
        let binds = (now.0, (now + lease).0, i64::from(limit));
        let rows = rows!(self.conn(), ClaimedRow, flavour::DELIVERIES_CLAIM, [binds.0, binds.1, binds.2], fetch_all)?;
        self.claimed(rows, now).await
    }

    async fn delivery_claim_of(
        &mut self,
        webhook: &WebhookId,
        now: UtcMs,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        let binds = (now.0, (now + lease).0, i64::from(limit), webhook.as_str());
        let claim = flavour::DELIVERIES_CLAIM_OF;
        let rows = rows!(self.conn(), ClaimedRow, claim, [binds.0, binds.1, binds.2, binds.3], fetch_all)?;
        self.claimed(rows, now).await
    }

    async fn delivery_waiting(&mut self, after: Option<&WebhookId>, limit: u32) -> Result<Vec<WaitingWebhook>> {
        let after = after.map_or("", WebhookId::as_str);
        let mut rows = rows!(self.conn(), (String, i64, i64), WAITING, [after, i64::from(limit)], fetch_all)?;
        rows.sort_by_key(|(_, place, _)| *place);
        let noun = |(id, _, due): (String, i64, i64)| {
            let id = Place::new("deliveries", "(any)").id("webhook_id", &id)?;
            Ok(WaitingWebhook { id, next_due: UtcMs(due) })
        };
        rows.into_iter().map(noun).collect()
    }

    async fn delivery_followers(&mut self, heads: &[DeliveryId], per_lane: u32) -> Result<Vec<Claimed>> {
        let mut rows = Vec::new();
        if per_lane > 0 {
            for piece in pieces(heads) {
                let limit = i64::from(per_lane);
                let behind = flavour::DELIVERIES_BEHIND;
                rows.extend(rows_many!(self.conn(), ClaimedRow, behind, [limit], piece, |id| [id.as_str()])?);
            }
        }
        rows.sort_by_key(|r| r.event_seq);
        let events = event::load_many(self, &rows.iter().map(|r| r.event_id.as_str()).collect()).await?;
        // One whose event is gone is dealt with when its turn to be claimed comes.
        rows.iter().filter_map(|row| Some(row.noun(events.get(&row.event_id)?))).collect()
    }

    async fn delivery_release(&mut self, now: UtcMs) -> Result<u64> {
        let released = run!(self.conn(), RELEASE, [now.0])?;
        settle::after_release(self, now).await?;
        Ok(released)
    }

    async fn delivery_finish(&mut self, lanes: &[LaneResult], lease_end: UtcMs) -> Result<()> {
        settle::finish(self, lanes, lease_end).await
    }

    async fn delivery_next_due(&mut self) -> Result<Option<UtcMs>> {
        let row = rows!(self.conn(), (i64,), NEXT_DUE, [], fetch_optional)?;
        Ok(row.map(|(due,)| UtcMs(due)))
    }

    async fn delivery_find(&mut self, tenant: &TenantId, id: &DeliveryId) -> Result<Option<Delivery>> {
        let row = rows!(self.conn(), DeliveryRow, FIND, [tenant.as_str(), id.as_str()], fetch_optional)?;
        row.map(DeliveryRow::noun).transpose()
    }

    async fn delivery_list(
        &mut self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Vec<Delivery>> {
        let tenant = tenant.as_str();
        let (before, limit) = (row::cursor(page), row::page_rows(page));
        let state = filter.state.map(DeliveryState::as_str);
        let webhook = filter.webhook.as_ref().map(WebhookId::as_str);
        let rows = match (filter.state, webhook) {
            (Some(DeliveryState::Dead), _) => {
                rows!(self.conn(), DeliveryRow, LIST_DEAD, [tenant, before, limit, webhook], fetch_all)?
            }
            (_, None) => rows!(self.conn(), DeliveryRow, LIST, [tenant, before, limit, state], fetch_all)?,
            (_, Some(webhook)) => {
                rows!(self.conn(), DeliveryRow, LIST_WEBHOOK, [tenant, before, limit, state, webhook], fetch_all)?
            }
        };
        rows.into_iter().map(DeliveryRow::noun).collect()
    }

    async fn delivery_attempts(&mut self, id: &DeliveryId) -> Result<Vec<Attempt>> {
        let rows = rows!(self.conn(), AttemptRow, ATTEMPTS, [id.as_str()], fetch_all)?;
        rows.into_iter().map(AttemptRow::noun).collect()
    }

    async fn delivery_replay(&mut self, tenant: &TenantId, id: &DeliveryId, now: UtcMs) -> Result<bool> {
        self.lock_outbox(std::slice::from_ref(tenant)).await?;
        settle::replay(self, tenant, id, now).await
    }

    async fn delivery_replay_dead(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        from: UtcMs,
        to: UtcMs,
        now: UtcMs,
    ) -> Result<u64> {
        self.lock_outbox(std::slice::from_ref(tenant)).await?;
        settle::replay_dead(self, settle::Span { tenant, webhook, from, to }, now).await
    }

    async fn delivery_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }

    async fn delivery_stats(&mut self) -> Result<OutboxStats> {
        let (pending,) = rows!(self.conn(), (i64,), COUNT_PENDING, [], fetch_one)?;
        let (dead,) = rows!(self.conn(), (i64,), COUNT_DEAD, [], fetch_one)?;
        let oldest = rows!(self.conn(), (i64,), OLDEST_PENDING, [], fetch_optional)?;
        Ok(OutboxStats {
            pending: row::count(pending),
            dead: row::count(dead),
            oldest_pending_at: oldest.map(|(at,)| UtcMs(at)),
        })
    }
}
