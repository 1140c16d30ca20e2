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

use portico_core::error::Result;
use portico_core::event::{Event, EventKind};
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{
    AttemptResult, DeliveryFilter, LaneResult, NewDelivery, OutboxStats, OutboxTx, WaitingWebhook,
};
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Claimed, Delivery, DeliveryState};

use crate::db::DbTx;
use crate::event;
use crate::row::{self, FromRow, Row, RowRef};
use crate::statement::pieces;

table! {
    /// A delivery as shown to clients. The table has further columns, which are for claiming.
    deliveries: DeliveryRow<'r> => Delivery {
        id: &'r str,
        tenant_id: &'r str,
        webhook_id: &'r str,
        event_id: &'r str,
        event_kind: &'r str,
        state: &'r str,
        attempts: i64,
        due_ms: Option<i64>,
        created_ms: i64,
        finished_ms: Option<i64>,
    }
}

table! {
    /// An attempt as stored.
    delivery_attempts: AttemptRow<'r> => Attempt {
        delivery_id: &'r str,
        number: i64,
        at_ms: i64,
        duration_ms: i64,
        status: Option<i64>,
        error: Option<&'r str>,
        format: &'r str,
    }
}

statements! {
    /// Due at once if nothing of its lane is pending, neither before nor in the list itself; else it waits.
    INSERT =
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
    /// The lock of a tenant's outbox.
    TENANTS_LOCK =
        "SELECT id FROM tenants WHERE id IN ({$}) ORDER BY id",
        "SELECT id FROM tenants WHERE id IN ({$}) ORDER BY id FOR NO KEY UPDATE";
    NEXT_DUE =
        "SELECT due_ms FROM deliveries WHERE state = 'pending' AND due_ms IS NOT NULL ORDER BY due_ms LIMIT 1";
    RELEASE =
        "UPDATE deliveries SET due_ms = $1, claimed_ms = NULL
         WHERE state = 'pending' AND due_ms IS NOT NULL AND due_ms > $1 AND claimed_ms IS NOT NULL";
    FIND = deliveries!(find);
    /// The comparison of pairs says nothing new. Without it Postgres may go through the deliveries of all tenants, newest first.
    LIST = concat!(
        deliveries!(page "AND (tenant_id, id) < ($1, $2) AND (CAST($5 AS TEXT) IS NULL OR state = $5)"),
        " OFFSET $4"
    );
    /// As `LIST`, within one subscription.
    LIST_WEBHOOK = concat!(
        deliveries!(
            page "AND webhook_id = $6 AND (webhook_id, id) < ($6, $2) AND (CAST($5 AS TEXT) IS NULL OR state = $5)"
        ),
        " OFFSET $4"
    );
    /// Dead letters are few among many; they have an index of their own.
    LIST_DEAD = concat!(
        deliveries!(page "AND state = 'dead' AND (CAST($5 AS TEXT) IS NULL OR webhook_id = $5)"),
        " OFFSET $4"
    );
    TOTAL =
        "SELECT COUNT(*) FROM (
             SELECT id FROM deliveries
             WHERE tenant_id = $1 AND (tenant_id, id) < ($1, '~') AND (CAST($3 AS TEXT) IS NULL OR state = $3)
             ORDER BY id DESC LIMIT $2) AS counted";
    TOTAL_WEBHOOK =
        "SELECT COUNT(*) FROM (
             SELECT id FROM deliveries
             WHERE tenant_id = $1 AND webhook_id = $4 AND (webhook_id, id) < ($4, '~')
                 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
             ORDER BY id DESC LIMIT $2) AS counted";
    TOTAL_DEAD =
        "SELECT COUNT(*) FROM (
             SELECT id FROM deliveries
             WHERE tenant_id = $1 AND id < '~' AND state = 'dead' AND (CAST($3 AS TEXT) IS NULL OR webhook_id = $3)
             ORDER BY id DESC LIMIT $2) AS counted";
    ATTEMPTS = concat!(
        "SELECT ", delivery_attempts!(columns), " FROM delivery_attempts WHERE delivery_id = $1 ORDER BY at_ms, number"
    );
    PURGE =
        "DELETE FROM deliveries WHERE id IN (
             SELECT id FROM deliveries WHERE finished_ms <= $1 ORDER BY finished_ms LIMIT $2)";
    COUNT_PENDING = "SELECT COUNT(*) FROM deliveries WHERE state = 'pending'";
    COUNT_DEAD = "SELECT COUNT(*) FROM deliveries WHERE state = 'dead'";
    OLDEST_PENDING = "SELECT created_ms FROM deliveries WHERE state = 'pending' ORDER BY created_ms LIMIT 1";
}

impl DeliveryRow<'_> {
    fn noun(&self) -> Result<Delivery> {
        let at = self.at();
        Ok(Delivery {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            webhook: at.id("webhook_id", self.webhook_id)?,
            event: at.id("event_id", self.event_id)?,
            event_type: at.name("event_kind", self.event_kind, EventKind::from_name)?,
            state: at.name("state", self.state, DeliveryState::from_name)?,
            attempts: at.number("attempts", self.attempts)?,
            next_attempt_at: self.due_ms.map(UtcMs),
            created_at: UtcMs(self.created_ms),
            finished_at: self.finished_ms.map(UtcMs),
        })
    }
}

impl AttemptRow<'_> {
    fn noun(&self) -> Result<Attempt> {
        let at = self.at();
        Ok(Attempt {
            number: at.number("number", self.number)?,
            at: UtcMs(self.at_ms),
            duration_ms: at.number("duration_ms", self.duration_ms)?,
            status: self.status.map(|s| at.number("status", s)).transpose()?,
            error: self.error.map(str::to_owned),
            format: self.format.to_owned(),
        })
    }
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

impl DbTx<'_> {
    /// Locks the outboxes of these tenants until the end; where nobody else can write there is nothing to do.
    pub(crate) fn lock_outbox(&mut self, tenants: &[TenantId]) -> Result<()> {
        if !self.has_rivals() {
            return Ok(());
        }
        let ids: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        for piece in pieces(&ids) {
            rows_many!(self.conn(), (String,), TENANTS_LOCK, [], piece, |id| [*id])?;
        }
        Ok(())
    }

    /// Joins claimed rows with their events, oldest first. A delivery whose event is gone ends here.
    fn claimed(&mut self, mut rows: Vec<ClaimedRow>, now: UtcMs) -> Result<Vec<Claimed>> {
        // `RETURNING` promises no order.
        rows.sort_by_key(|r| (r.created_ms, r.event_seq));
        let events = event::load_many(self, &rows.iter().map(|r| r.event_id.as_str()).collect())?;
        let mut claimed = Vec::with_capacity(rows.len());
        let mut lost = Vec::new();
        for row in &rows {
            match events.get(&row.event_id) {
                Some(event) => claimed.push(row.noun(event)?),
                None => lost.push(LaneResult::from(row.without_event(now)?)),
            }
        }
        settle::finish(self, &lost, now)?;
        Ok(claimed)
    }
}

impl OutboxTx for DbTx<'_> {
    fn delivery_insert(&mut self, tenant: &TenantId, deliveries: &[NewDelivery<'_>]) -> Result<()> {
        for piece in pieces(deliveries) {
            run_many!(self.conn(), INSERT, [tenant.as_str()], piece, |delivery| [
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

    fn delivery_claim(&mut self, now: UtcMs, lease: Duration, limit: u32) -> Result<Vec<Claimed>> {
        let binds = (now.0, (now + lease).0, i64::from(limit));
        let rows = rows!(self.conn(), ClaimedRow, CLAIM, [binds.0, binds.1, binds.2], fetch_all)?;
        self.claimed(rows, now)
    }

    fn delivery_claim_of(
        &mut self,
        webhook: &WebhookId,
        now: UtcMs,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        let binds = (now.0, (now + lease).0, i64::from(limit), webhook.as_str());
        let rows = rows!(self.conn(), ClaimedRow, CLAIM_OF, [binds.0, binds.1, binds.2, binds.3], fetch_all)?;
        self.claimed(rows, now)
    }

    fn delivery_waiting(&mut self, after: Option<&WebhookId>, limit: u32) -> Result<Vec<WaitingWebhook>> {
        let after = after.map_or("", WebhookId::as_str);
        let mut rows = rows!(self.conn(), WaitingRow, WAITING, [after, i64::from(limit)], fetch_all)?;
        rows.sort_by_key(|row| row.place);
        let noun = |row: WaitingRow| {
            let id = RowRef::new("deliveries", "(any)").id("webhook_id", &row.webhook_id)?;
            Ok(WaitingWebhook { id, next_due: UtcMs(row.due_ms) })
        };
        rows.into_iter().map(noun).collect()
    }

    fn delivery_followers(&mut self, heads: &[DeliveryId], per_lane: u32) -> Result<Vec<Claimed>> {
        let mut rows = Vec::new();
        if per_lane > 0 {
            for piece in pieces(heads) {
                let limit = i64::from(per_lane);
                rows.extend(rows_many!(self.conn(), ClaimedRow, BEHIND, [limit], piece, |id| [id.as_str()])?);
            }
        }
        rows.sort_by_key(|r| r.event_seq);
        let events = event::load_many(self, &rows.iter().map(|r| r.event_id.as_str()).collect())?;
        // One whose event is gone is dealt with when its turn to be claimed comes.
        rows.iter().filter_map(|row| Some(row.noun(events.get(&row.event_id)?))).collect()
    }

    fn delivery_release(&mut self, now: UtcMs) -> Result<u64> {
        let released = run!(self.conn(), RELEASE, [now.0])?;
        settle::after_release(self, now)?;
        Ok(released)
    }

    fn delivery_finish(&mut self, lanes: &[LaneResult], lease_end: UtcMs) -> Result<()> {
        settle::finish(self, lanes, lease_end)
    }

    fn delivery_next_due(&mut self) -> Result<Option<UtcMs>> {
        let row = rows!(self.conn(), (i64,), NEXT_DUE, [], fetch_optional)?;
        Ok(row.map(|(due,)| UtcMs(due)))
    }

    fn delivery_find(&mut self, tenant: &TenantId, id: &DeliveryId) -> Result<Option<Delivery>> {
        rows!(self.conn(), Delivery, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn delivery_list(
        &mut self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Vec<Delivery>> {
        let tenant = tenant.as_str();
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        let state = filter.state.map(DeliveryState::as_str);
        let webhook = filter.webhook.as_ref().map(WebhookId::as_str);
        match (filter.state, webhook) {
            (Some(DeliveryState::Dead), webhook) => {
                rows!(self.conn(), Delivery, LIST_DEAD, [tenant, before, limit, offset, webhook], fetch_all)
            }
            (_, None) => rows!(self.conn(), Delivery, LIST, [tenant, before, limit, offset, state], fetch_all),
            (_, Some(webhook)) => {
                rows!(self.conn(), Delivery, LIST_WEBHOOK, [tenant, before, limit, offset, state, webhook], fetch_all)
            }
        }
    }

    fn delivery_total(&mut self, tenant: &TenantId, filter: &DeliveryFilter, most: u32) -> Result<u64> {
        let (tenant, most) = (tenant.as_str(), i64::from(most));
        let state = filter.state.map(DeliveryState::as_str);
        let webhook = filter.webhook.as_ref().map(WebhookId::as_str);
        let (number,) = match (filter.state, webhook) {
            (Some(DeliveryState::Dead), webhook) => {
                rows!(self.conn(), (i64,), TOTAL_DEAD, [tenant, most, webhook], fetch_one)?
            }
            (_, None) => rows!(self.conn(), (i64,), TOTAL, [tenant, most, state], fetch_one)?,
            (_, Some(webhook)) => rows!(self.conn(), (i64,), TOTAL_WEBHOOK, [tenant, most, state, webhook], fetch_one)?,
        };
        Ok(row::count(number))
    }

    fn delivery_attempts(&mut self, id: &DeliveryId) -> Result<Vec<Attempt>> {
        rows!(self.conn(), Attempt, ATTEMPTS, [id.as_str()], fetch_all)
    }

    fn delivery_replay(&mut self, tenant: &TenantId, id: &DeliveryId, now: UtcMs) -> Result<bool> {
        self.lock_outbox(std::slice::from_ref(tenant))?;
        settle::replay(self, tenant, id, now)
    }

    fn delivery_replay_dead(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        from: UtcMs,
        to: UtcMs,
        now: UtcMs,
    ) -> Result<u64> {
        self.lock_outbox(std::slice::from_ref(tenant))?;
        settle::replay_dead(self, settle::Span { tenant, webhook, from, to }, now)
    }

    fn delivery_purge(&mut self, before: UtcMs, limit: u32) -> Result<u64> {
        run!(self.conn(), PURGE, [before.0, i64::from(limit)])
    }

    fn delivery_stats(&mut self) -> Result<OutboxStats> {
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
