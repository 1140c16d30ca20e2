//! Deliveries: leases, results, replays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portico_core::id::{DeliveryId, EventId, TenantId};
use portico_core::ports::store::{
    AttemptResult, DeliveryFilter, EventTx, LaneResult, OutboxStats, OutboxTx, WaitingWebhook, WebhookTx,
};
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Claimed, DeliveryState};

use crate::testing::{Fixture, leak, page};

pub(super) const LEASE: Duration = Duration::from_secs(60);

pub(super) fn result(
    delivery: &DeliveryId,
    number: u32,
    state: DeliveryState,
    due: Option<UtcMs>,
    at: UtcMs,
) -> AttemptResult {
    let attempt = Attempt {
        number,
        at,
        duration_ms: 12,
        status: Some(200),
        error: Some("a\u{0}b".to_owned()),
        format: "default".to_owned(),
    };
    AttemptResult { delivery: delivery.clone(), attempt: Some(attempt), state, due, at, shaped_by: None }
}

pub(super) async fn claim(fx: &'static Fixture, now: UtcMs, limit: u32) -> Vec<Claimed> {
    fx.write(move |tx| tx.delivery_claim(now, LEASE, limit).unwrap()).await
}

pub(super) async fn finish(fx: &'static Fixture, results: &[AttemptResult]) {
    finish_lanes(fx, results.iter().cloned().map(LaneResult::from).collect()).await;
}

pub(super) async fn finish_lanes(fx: &'static Fixture, lanes: Vec<LaneResult>) {
    let lease_end = fx.now() + LEASE;
    fx.write(move |tx| tx.delivery_finish(&lanes, lease_end).unwrap()).await;
}

pub(super) async fn end(fx: &'static Fixture, claimed: &Claimed, state: DeliveryState) {
    finish(fx, &[result(&claimed.id, claimed.attempts + 1, state, None, fx.now())]).await;
}

pub(super) async fn followers(fx: &'static Fixture, heads: &[Claimed], per_lane: u32) -> Vec<Claimed> {
    let ids: Vec<_> = heads.iter().map(|c| c.id.clone()).collect();
    fx.undone(move |tx| tx.delivery_followers(&ids, per_lane).unwrap()).await
}

pub(super) async fn next_due(fx: &'static Fixture) -> Option<UtcMs> {
    fx.read(move |tx| tx.delivery_next_due().unwrap()).await
}

/// Deliveries that break the invariant: of a lane, the one being tried (while none is, the oldest pending one) without a
/// time, or another one with a time.
pub(super) async fn disorder(fx: &'static Fixture) -> i64 {
    fx.number(
        "SELECT COUNT(*) FROM deliveries d WHERE (d.due_ms IS NOT NULL) <> (d.state = 'pending' AND NOT EXISTS (
             SELECT 1 FROM deliveries o WHERE o.webhook_id = d.webhook_id AND o.lane = d.lane AND o.state = 'pending'
                 AND d.claimed_ms IS NULL AND (o.claimed_ms IS NOT NULL OR o.event_seq < d.event_seq)))",
    )
    .await
}

/// A tenant with one subscription, and events raised in these lanes.
pub(super) async fn lanes(fx: &'static Fixture, lanes: &[&str]) -> (&'static TenantId, &'static [EventId]) {
    lanes_of("t", fx, lanes).await
}

async fn lanes_of(
    tenant: &'static str,
    fx: &'static Fixture,
    lanes: &[&str],
) -> (&'static TenantId, &'static [EventId]) {
    let tenant = fx.tenant(tenant).await;
    fx.webhook(tenant, None, &["*"]).await;
    let mut events = Vec::new();
    for lane in lanes {
        events.push(fx.raised(fx.event(tenant, None, lane)).await.id);
    }
    (tenant, leak(events))
}

pub(super) fn events_of(claimed: &[Claimed]) -> Vec<EventId> {
    claimed.iter().map(|c| c.event.id.clone()).collect()
}

pub(super) async fn a_claim_falls_due_again_when_its_lease_ends(fx: &'static Fixture) {
    let (_, events) = lanes(fx, &["a"]).await;
    let now = fx.now();
    assert_eq!(claim(fx, now, 1).await.len(), 1);
    assert!(claim(fx, UtcMs((now + LEASE).0 - 1), 1).await.is_empty());
    assert_eq!(events_of(&claim(fx, now + LEASE, 1).await), events);
}

pub(super) async fn a_claim_of_one_webhook_passes_over_the_backlog_of_another(fx: &'static Fixture) {
    let names: Vec<_> = (0..20).map(|n| format!("chat {n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    lanes_of("busy", fx, &names).await;
    let (_, events) = lanes_of("quiet", fx, &["a", "a", "b"]).await;
    let waiting = leak(fx.read(|tx| tx.delivery_waiting(None, 9).unwrap()).await);
    let (busy, quiet) = (&waiting[0].id, &waiting[1].id);
    let pages = fx.read(move |tx| {
        [(None, 1), (Some(busy), 9), (Some(quiet), 9)].map(|(after, limit)| tx.delivery_waiting(after, limit).unwrap())
    });
    assert_eq!(pages.await, [waiting[..1].to_vec(), waiting[1..].to_vec(), Vec::new()]);
    let now = fx.now();
    let claim_of = move |webhook, limit| fx.write(move |tx| tx.delivery_claim_of(webhook, now, LEASE, limit).unwrap());
    let claimed = claim_of(quiet, 9).await;
    assert_eq!(events_of(&claimed), [events[0].clone(), events[2].clone()], "the heads of its lanes");
    assert!(claim_of(quiet, 9).await.is_empty());
    assert_eq!(claim_of(busy, 3).await.len(), 3);
    let claimed_until = WaitingWebhook { id: quiet.clone(), next_due: now + LEASE };
    let left = fx.read(move |tx| tx.delivery_waiting(Some(busy), 9).unwrap()).await;
    assert_eq!(left, [claimed_until], "a claim ends with its lease");
    assert_eq!(disorder(fx).await, 0);
}

pub(super) async fn claims_of_a_dead_process_are_released_and_retries_are_not(fx: &'static Fixture) {
    let (_, events) = lanes(fx, &["first try", "retry that waits", "second try"]).await;
    let claimed = claim(fx, fx.now(), 9).await;
    let (now, later) = (fx.now(), fx.now() + Duration::from_secs(300));
    let retry = |c: &Claimed, due| result(&c.id, 1, DeliveryState::Pending, Some(due), now);
    finish(fx, &[retry(&claimed[1], later), retry(&claimed[2], now)]).await;
    assert_eq!(events_of(&claim(fx, fx.now(), 9).await), events[2..]);
    fx.write(move |tx| {
        assert_eq!(tx.delivery_release(fx.now()).unwrap(), 2);
    })
    .await;
    let released: BTreeSet<_> = events_of(&claim(fx, fx.now(), 9).await).into_iter().collect();
    assert_eq!(released, [events[0].clone(), events[2].clone()].into());
    assert_eq!(next_due(fx).await.map(|due| due < later), Some(true), "the leases of the new claims end first");
    assert_eq!(disorder(fx).await, 0);
}

pub(super) async fn finishing_records_attempts(fx: &'static Fixture) {
    let (tenant, _) = lanes(fx, &["a", "b", "c"]).await;
    let claimed = claim(fx, fx.now(), 9).await;
    let skipped = AttemptResult {
        delivery: claimed[1].id.clone(),
        attempt: None,
        state: DeliveryState::Skipped,
        due: None,
        at: fx.now(),
        shaped_by: None,
    };
    let retry_at = fx.now();
    let retried = result(&claimed[2].id, 1, DeliveryState::Pending, Some(retry_at), fx.now());
    let delivered = result(&claimed[0].id, 1, DeliveryState::Delivered, None, fx.now());
    finish(fx, &[delivered.clone(), skipped, retried]).await;
    // Told twice, as after a lease that ran out: the second time changes nothing.
    finish(fx, &[AttemptResult { state: DeliveryState::Dead, ..delivered }]).await;
    fx.read(move |tx| {
        let mut states = Vec::new();
        for c in &claimed {
            let found = tx.delivery_find(tenant, &c.id).unwrap().unwrap();
            states.push((found.state, found.attempts, found.finished_at.is_some()));
        }
        assert_eq!(
            states,
            [
                (DeliveryState::Delivered, 1, true),
                (DeliveryState::Skipped, 0, true),
                (DeliveryState::Pending, 1, false)
            ]
        );
        let attempts = tx.delivery_attempts(&claimed[0].id).unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!((attempts[0].number, attempts[0].status, attempts[0].error.as_deref()), (1, Some(200), Some("ab")));
        assert!(tx.delivery_attempts(&claimed[1].id).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn a_result_for_a_removed_subscription_is_dropped(fx: &'static Fixture) {
    let (tenant, _) = lanes(fx, &["a"]).await;
    let kept = fx.webhook(tenant, None, &["*"]).await;
    fx.raised(fx.event(tenant, None, "b")).await;
    let claimed = claim(fx, fx.now(), 9).await;
    assert_eq!(claimed.len(), 3);
    let gone = claimed.iter().find(|c| c.webhook != kept.id).unwrap().webhook.clone();
    fx.write(move |tx| assert!(tx.webhook_delete(tenant, &gone).unwrap())).await;
    let results: Vec<_> = claimed.iter().map(|c| result(&c.id, 1, DeliveryState::Delivered, None, fx.now())).collect();
    finish(fx, &results).await;
    assert_eq!(fx.number("SELECT COUNT(*) FROM deliveries WHERE state = 'delivered'").await, 1);
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 1);
}

pub(super) async fn a_replay_goes_before_what_came_later(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a", "a"]).await;
    let first = leak(claim(fx, fx.now(), 1).await.remove(0));
    end(fx, first, DeliveryState::Dead).await;
    let at = fx.now();
    fx.write(move |tx| {
        assert!(tx.delivery_replay(tenant, &first.id, at).unwrap());
        assert!(tx.delivery_replay(tenant, &first.id, at).unwrap(), "it waits for nothing else");
        assert!(!tx.delivery_replay(&fx.tenant_unstored(), &first.id, at).unwrap(), "of another tenant");
    })
    .await;
    assert_eq!(disorder(fx).await, 0);
    let found = fx.read(move |tx| tx.delivery_find(tenant, &first.id).unwrap()).await.unwrap();
    assert_eq!((found.attempts, found.next_attempt_at, found.finished_at), (0, Some(at), None));
    assert_eq!(order_to_the_end(fx, at).await, events);
    assert_eq!(fx.read(move |tx| tx.delivery_attempts(&first.id).unwrap()).await.len(), 2, "the log keeps both rounds");
}

pub(super) async fn a_replay_waits_for_what_is_being_tried(fx: &'static Fixture) {
    for end_of_second in [DeliveryState::Delivered, DeliveryState::Pending] {
        for all_dead in [false, true] {
            let name = leak(format!("{all_dead} {end_of_second:?}"));
            let (tenant, events) = lanes_of(name, fx, &["a", "a", "a", "a"]).await;
            let first = leak(claim(fx, fx.now(), 1).await.remove(0));
            end(fx, first, DeliveryState::Dead).await;
            let mut run = claim(fx, fx.now(), 1).await;
            run.extend(followers(fx, &run, 1).await);
            let (at, tried) = (fx.now(), run[0].id.clone());
            fx.write(move |tx| {
                if all_dead {
                    assert_eq!(tx.delivery_replay_dead(tenant, &first.webhook, UtcMs(0), at, at).unwrap(), 1);
                } else {
                    assert!(tx.delivery_replay(tenant, &first.id, at).unwrap());
                }
                assert!(tx.delivery_replay(tenant, &first.id, at).unwrap(), "nothing older is in its way");
                assert!(!tx.delivery_replay(tenant, &tried, at).unwrap(), "it is being tried");
            })
            .await;
            assert!(claim(fx, fx.now(), 9).await.is_empty(), "what is being tried would come along");
            assert_eq!(disorder(fx).await, 0);
            // The run ends; what it leaves waits behind the replayed one.
            let later = fx.now() + Duration::from_secs(5);
            finish(fx, &[result(&run[0].id, 1, end_of_second, Some(later), fx.now())]).await;
            assert_eq!(disorder(fx).await, 0);
            let left = if end_of_second == DeliveryState::Pending { 1..4 } else { 2..4 };
            assert_eq!(order_to_the_end(fx, fx.now()).await, [&events[..1], &events[left]].concat());
        }
    }
}

pub(super) async fn a_replay_that_waited_goes_first_after_a_crash(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a", "b"]).await;
    let first = leak(claim(fx, fx.now(), 1).await.remove(0));
    end(fx, first, DeliveryState::Dead).await;
    assert_eq!(claim(fx, fx.now(), 9).await.len(), 2);
    fx.write(move |tx| {
        assert!(tx.delivery_replay(tenant, &first.id, fx.now()).unwrap());
    })
    .await;
    fx.write(move |tx| {
        assert_eq!(tx.delivery_release(fx.now()).unwrap(), 2);
    })
    .await;
    assert_eq!(disorder(fx).await, 0);
    let first_heads: BTreeSet<_> = events_of(&claim(fx, fx.now(), 9).await).into_iter().collect();
    assert_eq!(first_heads, [events[0].clone(), events[2].clone()].into());
}

/// Delivers all, one by one, and says in what order.
async fn order_to_the_end(fx: &'static Fixture, now: UtcMs) -> Vec<EventId> {
    let mut order = Vec::new();
    while let Some(claimed) = claim(fx, now, 1).await.pop() {
        order.push(claimed.event.id.clone());
        finish(fx, &[result(&claimed.id, 1, DeliveryState::Delivered, None, now)]).await;
    }
    order
}

pub(super) async fn a_retry_that_waits_can_be_hurried(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a"]).await;
    let head = claim(fx, fx.now(), 9).await.remove(0);
    let hurry = async |id: &DeliveryId, at| {
        let id = id.clone();
        fx.write(move |tx| tx.delivery_replay(tenant, &id, at).unwrap()).await
    };
    assert!(!hurry(&head.id, fx.now()).await, "it is being tried");
    let later = fx.now() + Duration::from_secs(3600);
    finish(fx, &[result(&head.id, 1, DeliveryState::Pending, Some(later), fx.now())]).await;
    let now = fx.now();
    assert!(hurry(&head.id, now).await);
    let again = claim(fx, now, 9).await;
    assert_eq!((events_of(&again), again[0].attempts), (events[..1].to_vec(), 1), "the schedule goes on where it was");
    assert_eq!(disorder(fx).await, 0);
}

pub(super) async fn dead_letters_are_replayed_by_span(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "b", "a", "b", "a"]).await;
    let mut of_event = BTreeMap::new();
    for _ in 0..5 {
        let claimed = claim(fx, fx.now(), 1).await.remove(0);
        end(fx, &claimed, DeliveryState::Dead).await;
        of_event.insert(claimed.event.id.clone(), claimed);
    }
    let webhook = leak(of_event[&events[0]].webhook.clone());
    fx.write(move |tx| {
        let (from, to) = (of_event[&events[1]].event.timestamp, of_event[&events[3]].event.timestamp);
        assert_eq!(tx.delivery_replay_dead(tenant, webhook, from, to, fx.now()).unwrap(), 3);
        assert_eq!(tx.delivery_replay_dead(tenant, webhook, from, to, fx.now()).unwrap(), 0);
    })
    .await;
    assert_eq!(disorder(fx).await, 0);
    let claimed: BTreeSet<_> = events_of(&claim(fx, fx.now(), 9).await).into_iter().collect();
    assert_eq!(claimed, [events[1].clone(), events[2].clone()].into());
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), webhook: Some(webhook.clone()) };
    let dead = fx.read(move |tx| tx.delivery_list(tenant, &dead, &page(9)).unwrap()).await;
    assert_eq!(dead.into_iter().map(|d| d.event).collect::<Vec<_>>(), [events[4].clone(), events[0].clone()]);
}

pub(super) async fn a_purged_event_ends_its_delivery(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a"]).await;
    let first = leak(claim(fx, fx.now(), 1).await.remove(0));
    end(fx, first, DeliveryState::Dead).await;
    fx.execute(&format!("DELETE FROM events WHERE id = '{}'", events[0])).await;
    fx.undone(move |tx| {
        assert!(!tx.delivery_replay(tenant, &first.id, fx.now()).unwrap(), "there is nothing to deliver");
    })
    .await;
    // Revived in the moment the event went: the claim puts it away again and goes on with the next.
    fx.execute(&format!(
        "UPDATE deliveries SET state = 'pending', due_ms = 1, finished_ms = NULL WHERE id = '{}'",
        first.id
    ))
    .await;
    fx.execute(&format!("UPDATE deliveries SET due_ms = NULL WHERE id <> '{}'", first.id)).await;
    assert!(claim(fx, fx.now(), 9).await.is_empty());
    assert_eq!(disorder(fx).await, 0);
    assert_eq!(events_of(&claim(fx, fx.now(), 9).await), [events[1].clone()]);
}

pub(super) async fn lists_stats_and_purge(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "b", "c"]).await;
    let claimed = claim(fx, fx.now(), 2).await;
    end(fx, &claimed[0], DeliveryState::Delivered).await;
    end(fx, &claimed[1], DeliveryState::Dead).await;
    fx.write(move |tx| {
        let oldest = tx.event_list(tenant, 2, 1).unwrap()[0].timestamp;
        let stats = tx.delivery_stats().unwrap();
        assert_eq!(stats, OutboxStats { pending: 1, dead: 1, oldest_pending_at: Some(oldest) });
        for (state, event) in [(DeliveryState::Delivered, 0), (DeliveryState::Dead, 1), (DeliveryState::Pending, 2)] {
            for webhook in [None, Some(claimed[0].webhook.clone())] {
                let filter = DeliveryFilter { state: Some(state), webhook };
                let found = tx.delivery_list(tenant, &filter, &page(9)).unwrap();
                assert_eq!(found.into_iter().map(|d| d.event).collect::<Vec<_>>(), [events[event].clone()]);
            }
        }
        assert_eq!(tx.delivery_list(tenant, &DeliveryFilter::default(), &page(1)).unwrap().len(), 2);
        let all = tx.delivery_list(tenant, &DeliveryFilter::default(), &page(99)).unwrap();
        let second = portico_core::page::PageRequest { offset: 1, ..page(99) };
        assert_eq!(tx.delivery_list(tenant, &DeliveryFilter::default(), &second).unwrap()[0].id, all[1].id);
        assert_eq!(tx.delivery_total(tenant, &DeliveryFilter::default(), 99).unwrap(), all.len() as u64);
        assert_eq!(tx.delivery_total(tenant, &DeliveryFilter::default(), 1).unwrap(), 1);
        let end = tx.delivery_find(tenant, &claimed[1].id).unwrap().unwrap().finished_at.unwrap();
        assert_eq!(tx.delivery_purge(end, 1).unwrap(), 1);
        assert_eq!(tx.delivery_purge(end, 9).unwrap(), 1);
        assert_eq!(tx.delivery_purge(end, 9).unwrap(), 0);
    })
    .await;
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 0);
}
