//! What changes which delivery of a lane is the oldest pending one: finishing and replaying. Each ends by settling the lanes
//! it touched, so that the invariant of [`super`] holds again.

use std::collections::BTreeSet;

use portico_core::error::Result;
use portico_core::id::{DeliveryId, TenantId, WebhookId};
use portico_core::ports::store::{AttemptResult, LaneResult};
use portico_core::time::UtcMs;
use portico_core::webhook::DeliveryState;

use crate::db::DbTx;
use crate::row::RowRef;
use crate::statement::pieces;

statements! {
    TENANTS_OF = "SELECT DISTINCT tenant_id FROM deliveries WHERE id IN ({$})";
    /// A result that comes after the delivery was finished by somebody else changes nothing. A retry gets its time only if
    /// no replay has put an older delivery before it meanwhile.
    FINISH =
        "UPDATE deliveries SET state = v.column2, attempts = COALESCE(v.column3, deliveries.attempts), claimed_ms = NULL,
             due_ms = CASE WHEN v.column2 = 'pending' AND NOT EXISTS (
                 SELECT 1 FROM deliveries o
                 WHERE o.webhook_id = deliveries.webhook_id AND o.lane = deliveries.lane AND o.state = 'pending'
                     AND o.event_seq < deliveries.event_seq
             ) THEN v.column4 ELSE NULL END,
             finished_ms = CASE WHEN v.column2 = 'pending' THEN NULL ELSE v.column5 END,
             shaped_by = COALESCE(v.column6, deliveries.shaped_by)
         FROM (VALUES {(CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS BIGINT), CAST($ AS BIGINT), CAST($ AS BIGINT),
             CAST($ AS TEXT))}) AS v
         WHERE deliveries.id = v.column1 AND deliveries.state = 'pending'
         RETURNING deliveries.id";
    /// Claims what the worker of a lane goes on with.
    HOLD = "UPDATE deliveries SET due_ms = $1, claimed_ms = $2 WHERE state = 'pending' AND id IN ({$})";
    LOG_ATTEMPT =
        "INSERT INTO delivery_attempts (delivery_id, number, at_ms, duration_ms, status, error, format)
         VALUES {($, $, $, $, $, $, $)} ON CONFLICT DO NOTHING";
    /// Gives the oldest pending delivery of the lanes of these deliveries its turn, if it has none yet.
    PROMOTE =
        "UPDATE deliveries SET due_ms = $1 WHERE state = 'pending' AND due_ms IS NULL AND id IN (
             SELECT (SELECT n.id FROM deliveries n
                     WHERE n.webhook_id = f.webhook_id AND n.lane = f.lane AND n.state = 'pending'
                     ORDER BY n.event_seq LIMIT 1)
             FROM deliveries f WHERE f.id IN ({$}))";
    /// Only while the event is there: it may have been purged since. It is shaped anew, by what is current then.
    REPLAY =
        "UPDATE deliveries SET state = 'pending', attempts = 0, due_ms = NULL, claimed_ms = NULL, finished_ms = NULL,
             shaped_by = NULL
         WHERE tenant_id = $1 AND id = $2 AND state <> 'pending'
             AND EXISTS (SELECT 1 FROM events e WHERE e.id = deliveries.event_id)
         RETURNING webhook_id, lane";
    HURRY =
        "UPDATE deliveries SET due_ms = $3
         WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND due_ms IS NOT NULL AND claimed_ms IS NULL";
    /// Revived before, and not yet due because another one of its lane is being tried.
    WAITS_ITS_TURN =
        "SELECT id FROM deliveries
         WHERE tenant_id = $1 AND id = $2 AND state = 'pending' AND due_ms IS NULL AND NOT EXISTS (
             SELECT 1 FROM deliveries o
             WHERE o.webhook_id = deliveries.webhook_id AND o.lane = deliveries.lane AND o.state = 'pending'
                 AND o.event_seq < deliveries.event_seq)";
    /// Not what is being tried: it would come along behind the revived one, and reach its receiver twice.
    DEMOTE_LANE =
        "UPDATE deliveries SET due_ms = NULL
         WHERE webhook_id = $1 AND lane = $2 AND state = 'pending' AND due_ms IS NOT NULL AND claimed_ms IS NULL
             AND event_seq > (
             SELECT MIN(o.event_seq) FROM deliveries o WHERE o.webhook_id = $1 AND o.lane = $2 AND o.state = 'pending')";
    /// The plus keeps SQLite from the index of all that is due of the webhook: a lane is far shorter.
    LANE_HEAD =
        "SELECT id FROM deliveries
         WHERE webhook_id = $1 AND lane = $2 AND state = 'pending' AND +due_ms IS NOT NULL LIMIT 1";
    REPLAY_DEAD =
        "UPDATE deliveries SET state = 'pending', attempts = 0, due_ms = NULL, claimed_ms = NULL, finished_ms = NULL,
             shaped_by = NULL
         WHERE tenant_id = $1 AND webhook_id = $2 AND state = 'dead' AND created_ms >= $3 AND created_ms <= $4
             AND EXISTS (SELECT 1 FROM events e WHERE e.id = deliveries.event_id)";
    DEMOTE_WEBHOOK =
        "UPDATE deliveries SET due_ms = NULL
         WHERE webhook_id = $1 AND state = 'pending' AND due_ms IS NOT NULL AND claimed_ms IS NULL AND EXISTS (
             SELECT 1 FROM deliveries o
             WHERE o.webhook_id = $1 AND o.lane = deliveries.lane AND o.state = 'pending'
                 AND o.event_seq < deliveries.event_seq)";
    DEMOTE_ALL =
        "UPDATE deliveries SET due_ms = NULL
         WHERE state = 'pending' AND due_ms IS NOT NULL AND claimed_ms IS NULL AND EXISTS (
             SELECT 1 FROM deliveries o
             WHERE o.webhook_id = deliveries.webhook_id AND o.lane = deliveries.lane AND o.state = 'pending'
                 AND o.event_seq < deliveries.event_seq)
         RETURNING id";
    PROMOTE_WEBHOOK =
        "UPDATE deliveries SET due_ms = $2
         WHERE webhook_id = $1 AND state = 'pending' AND due_ms IS NULL AND NOT EXISTS (
             SELECT 1 FROM deliveries o
             WHERE o.webhook_id = $1 AND o.lane = deliveries.lane AND o.state = 'pending'
                 AND o.event_seq < deliveries.event_seq)
             AND lane NOT IN (
             SELECT h.lane FROM deliveries h WHERE h.webhook_id = $1 AND h.state = 'pending' AND h.due_ms IS NOT NULL)";
}

/// Puts lanes in order whose delivery was being tried when its claim was given up: something older may wait behind it.
pub(super) fn after_release(tx: &mut DbTx<'_>, now: UtcMs) -> Result<()> {
    let demoted = rows!(tx.conn(), (String,), DEMOTE_ALL, [], fetch_all)?;
    for piece in pieces(&demoted) {
        run_many!(tx.conn(), PROMOTE, [now.0], piece, |(id,)| [id.as_str()])?;
    }
    Ok(())
}

/// See [`portico_core::ports::store::OutboxTx::delivery_finish`].
pub(super) fn finish(tx: &mut DbTx<'_>, lanes: &[LaneResult], lease_end: UtcMs) -> Result<()> {
    let results: Vec<&AttemptResult> = lanes.iter().flat_map(|lane| &lane.results).collect();
    let Some(latest) = results.iter().map(|r| r.at).max() else { return Ok(()) };
    if tx.has_rivals() {
        lock_tenants_of(tx, &results)?;
    }
    // What ended comes first, in a statement of its own: a retry keeps its time only where nothing older is pending, and a
    // statement doesn't see what it changes itself.
    let (waiting, ended): (Vec<_>, Vec<_>) = results.iter().partition(|r| r.state == DeliveryState::Pending);
    for piece in pieces(&ended).chain(pieces(&waiting)) {
        record(tx, piece)?;
    }
    // What a worker goes on with is the one being tried, also where a replay has put an older one before it meanwhile.
    let held: Vec<_> = lanes.iter().filter_map(|lane| lane.goes_on_with.as_ref()).collect();
    for piece in pieces(&held) {
        run_many!(tx.conn(), HOLD, [lease_end.0, latest.0], piece, |id| [id.as_str()])?;
    }
    let left = lanes.iter().filter(|lane| lane.goes_on_with.is_none());
    let left: Vec<_> = left.filter_map(|lane| lane.results.first()).collect();
    for piece in pieces(&left) {
        run_many!(tx.conn(), PROMOTE, [latest.0], piece, |r| [r.delivery.as_str()])?;
    }
    Ok(())
}

fn record(tx: &mut DbTx<'_>, piece: &[&AttemptResult]) -> Result<()> {
    let changed = rows_many!(tx.conn(), (String,), FINISH, [], piece, |r| [
        r.delivery.as_str(),
        r.state.as_str(),
        r.attempt.as_ref().map(|a| i64::from(a.number)),
        r.due.unwrap_or(r.at).0,
        r.at.0,
        r.shaped_by.as_deref(),
    ])?;
    // Only of deliveries that are there: a subscription may have been removed while its delivery was under way.
    let changed: BTreeSet<String> = changed.into_iter().map(|(id,)| id).collect();
    let tried = piece.iter().filter(|r| changed.contains(r.delivery.as_str()));
    let attempts: Vec<_> = tried.filter_map(|r| Some((&r.delivery, r.attempt.as_ref()?))).collect();
    for piece in pieces(&attempts) {
        run_many!(tx.conn(), LOG_ATTEMPT, [], piece, |(delivery, a)| [
            delivery.as_str(),
            i64::from(a.number),
            a.at.0,
            i64::from(a.duration_ms),
            a.status.map(i64::from),
            a.error.as_deref(),
            &a.format,
        ])?;
    }
    Ok(())
}

fn lock_tenants_of(tx: &mut DbTx<'_>, results: &[&AttemptResult]) -> Result<()> {
    let mut tenants = Vec::new();
    for piece in pieces(results) {
        let rows = rows_many!(tx.conn(), (String,), TENANTS_OF, [], piece, |r| [r.delivery.as_str()])?;
        for (id,) in rows {
            tenants.push(RowRef::new("deliveries", "(any)").id("tenant_id", &id)?);
        }
    }
    tx.lock_outbox(&tenants)
}

/// See [`portico_core::ports::store::OutboxTx::delivery_replay`]. The outbox is locked.
pub(super) fn replay(tx: &mut DbTx<'_>, tenant: &TenantId, id: &DeliveryId, now: UtcMs) -> Result<bool> {
    let revived = rows!(tx.conn(), (String, String), REPLAY, [tenant.as_str(), id.as_str()], fetch_optional)?;
    let Some((webhook, lane)) = revived else {
        let binds = (tenant.as_str(), id.as_str());
        return Ok(run!(tx.conn(), HURRY, [binds.0, binds.1, now.0])? > 0
            || rows!(tx.conn(), (String,), WAITS_ITS_TURN, [binds.0, binds.1], fetch_optional)?.is_some());
    };
    run!(tx.conn(), DEMOTE_LANE, [&webhook, &lane])?;
    // What is being tried keeps the lane; whoever records its end gives the oldest its turn.
    if rows!(tx.conn(), (String,), LANE_HEAD, [&webhook, &lane], fetch_optional)?.is_none() {
        let one = [id];
        run_many!(tx.conn(), PROMOTE, [now.0], &one, |id| [id.as_str()])?;
    }
    Ok(true)
}

/// Dead letters of one subscription whose events happened in a span, both ends included.
pub(super) struct Span<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) webhook: &'a WebhookId,
    pub(super) from: UtcMs,
    pub(super) to: UtcMs,
}

/// See [`portico_core::ports::store::OutboxTx::delivery_replay_dead`]. The outbox is locked.
pub(super) fn replay_dead(tx: &mut DbTx<'_>, span: Span<'_>, now: UtcMs) -> Result<u64> {
    let webhook = span.webhook.as_str();
    let revived = run!(tx.conn(), REPLAY_DEAD, [span.tenant.as_str(), webhook, span.from.0, span.to.0])?;
    if revived > 0 {
        run!(tx.conn(), DEMOTE_WEBHOOK, [webhook])?;
        run!(tx.conn(), PROMOTE_WEBHOOK, [webhook, now.0])?;
    }
    Ok(revived)
}
