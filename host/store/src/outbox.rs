//! Deliveries and their attempts.
//!
//! Invariant: of each lane (subscription and `lane`) exactly one pending delivery has a `due_ms`: the one being tried, and
//! while none is, the oldest. It is due then, or its lease ends then. The others wait with none. So claiming reads nothing
//! but an index of what is due, nothing overtakes within a lane, and [`OutboxTx::delivery_next_due`] never names a time at
//! which there is nothing to do. Whoever adds, ends or revives deliveries holds the tenant's row, or two of them could each
//! miss what the other did.

pub(crate) mod claim;
pub(crate) mod settle;

use std::collections::BTreeSet;
use std::time::Duration;

use portico_core::error::Result;
use portico_core::event::EventKind;
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{DeliveryFilter, LaneResult, NewDelivery, OutboxStats, OutboxTx, WaitingWebhook};
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Claimed, Delivery, DeliveryState};

use crate::db::DbTx;
use crate::row;
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
        claim::of_all(self, now, lease, limit)
    }

    fn delivery_claim_of(
        &mut self,
        webhook: &WebhookId,
        now: UtcMs,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Claimed>> {
        claim::of_webhook(self, webhook, now, lease, limit)
    }

    fn delivery_waiting(&mut self, after: Option<&WebhookId>, limit: u32) -> Result<Vec<WaitingWebhook>> {
        claim::waiting(self, after, limit)
    }

    fn delivery_followers(&mut self, heads: &[DeliveryId], per_lane: u32) -> Result<Vec<Claimed>> {
        claim::followers(self, heads, per_lane)
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
