//! Deliveries: order within lanes, leases, replays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portico_core::id::{DeliveryId, EventId, TenantId};
use portico_core::ports::store::{AttemptResult, DeliveryFilter, OutboxStats};
use portico_core::time::UtcMs;
use portico_core::webhook::{Attempt, Claimed, DeliveryState};

use crate::testing::{Fixture, page};

const LEASE: Duration = Duration::from_secs(60);

fn result(delivery: &DeliveryId, number: u32, state: DeliveryState, due: Option<UtcMs>, at: UtcMs) -> AttemptResult {
    let attempt = Attempt {
        number,
        at,
        duration_ms: 12,
        status: Some(200),
        error: Some("a\u{0}b".to_owned()),
        format: "default".to_owned(),
    };
    AttemptResult { delivery: delivery.clone(), attempt: Some(attempt), state, due, at }
}

async fn claim(fx: &Fixture, now: UtcMs, limit: u32) -> Vec<Claimed> {
    let mut tx = fx.write().await;
    let claimed = tx.delivery_claim(now, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn finish(fx: &Fixture, results: &[AttemptResult]) {
    let mut tx = fx.write().await;
    tx.delivery_finish(results).await.unwrap();
    tx.commit().await.unwrap();
}

async fn end(fx: &Fixture, claimed: &Claimed, state: DeliveryState) {
    finish(fx, &[result(&claimed.id, claimed.attempts + 1, state, None, fx.now())]).await;
}

async fn followers(fx: &Fixture, heads: &[Claimed], per_lane: u32) -> Vec<Claimed> {
    let ids: Vec<_> = heads.iter().map(|c| c.id.clone()).collect();
    fx.write().await.delivery_followers(&ids, per_lane).await.unwrap()
}

async fn next_due(fx: &Fixture) -> Option<UtcMs> {
    fx.read().await.delivery_next_due().await.unwrap()
}

/// Deliveries that break the invariant: the oldest pending one of a lane without a time, or another one with a time.
async fn disorder(fx: &Fixture) -> i64 {
    fx.number(
        "SELECT COUNT(*) FROM deliveries d WHERE (d.due_ms IS NOT NULL) <> (d.state = 'pending' AND NOT EXISTS (
             SELECT 1 FROM deliveries o WHERE o.webhook_id = d.webhook_id AND o.lane = d.lane AND o.state = 'pending'
                 AND o.event_seq < d.event_seq))",
    )
    .await
}

/// A tenant with one subscription, and events raised in these lanes.
async fn lanes(fx: &Fixture, lanes: &[&str]) -> (TenantId, Vec<EventId>) {
    let tenant = fx.tenant("t").await;
    fx.webhook(&tenant, None, &["*"]).await;
    let mut events = Vec::new();
    for lane in lanes {
        events.push(fx.raised(&fx.event(&tenant, None, lane)).await.id);
    }
    (tenant, events)
}

fn events_of(claimed: &[Claimed]) -> Vec<EventId> {
    claimed.iter().map(|c| c.event.id.clone()).collect()
}

pub(super) async fn only_the_oldest_of_a_lane_is_claimed(fx: Fixture) {
    let (_, events) = lanes(&fx, &["a", "a", "b", "a"]).await;
    let now = fx.now();
    let claimed = claim(&fx, now, 10).await;
    assert_eq!(events_of(&claimed), [events[0].clone(), events[2].clone()]);
    assert_eq!(next_due(&fx).await, Some(now + LEASE), "what waits behind another is not due");
    assert!(claim(&fx, fx.now(), 10).await.is_empty());
    end(&fx, &claimed[0], DeliveryState::Delivered).await;
    assert_eq!(events_of(&claim(&fx, fx.now(), 10).await), [events[1].clone()]);
    assert_eq!(claim(&fx, fx.now(), 10).await.len(), 0);
    assert_eq!(disorder(&fx).await, 0);
}

pub(super) async fn a_claim_falls_due_again_when_its_lease_ends(fx: Fixture) {
    let (_, events) = lanes(&fx, &["a"]).await;
    let now = fx.now();
    assert_eq!(claim(&fx, now, 1).await.len(), 1);
    assert!(claim(&fx, UtcMs((now + LEASE).0 - 1), 1).await.is_empty());
    assert_eq!(events_of(&claim(&fx, now + LEASE, 1).await), events);
}

pub(super) async fn claims_of_a_dead_process_are_released_and_retries_are_not(fx: Fixture) {
    let (_, events) = lanes(&fx, &["a", "b"]).await;
    let claimed = claim(&fx, fx.now(), 2).await;
    let later = fx.now() + Duration::from_secs(300);
    finish(&fx, &[result(&claimed[1].id, 1, DeliveryState::Pending, Some(later), fx.now())]).await;
    let mut tx = fx.write().await;
    assert_eq!(tx.delivery_release(fx.now()).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(events_of(&claim(&fx, fx.now(), 9).await), events[..1]);
    assert_eq!(disorder(&fx).await, 0);
}

pub(super) async fn a_retry_holds_its_lane_back(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "a"]).await;
    let first = claim(&fx, fx.now(), 1).await.remove(0);
    let later = fx.now() + Duration::from_secs(300);
    finish(&fx, &[result(&first.id, 1, DeliveryState::Pending, Some(later), fx.now())]).await;
    assert_eq!(next_due(&fx).await, Some(later));
    assert!(claim(&fx, fx.now(), 9).await.is_empty());
    let again = claim(&fx, later, 9).await.remove(0);
    assert_eq!((again.event.id.clone(), again.attempts), (events[0].clone(), 1));
    end(&fx, &again, DeliveryState::Dead).await;
    let found = fx.read().await.delivery_find(&tenant, &first.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.attempts, found.next_attempt_at), (DeliveryState::Dead, 2, None));
    assert!(found.finished_at.is_some());
    assert_eq!(events_of(&claim(&fx, fx.now(), 9).await), [events[1].clone()]);
}

pub(super) async fn what_waits_behind_a_head_comes_along(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "b", "a", "a", "c", "b", "a"]).await;
    let heads = claim(&fx, fx.now(), 2).await;
    assert_eq!(events_of(&heads), events[..2]);
    assert!(followers(&fx, &heads, 0).await.is_empty());
    assert!(followers(&fx, &[], 9).await.is_empty());
    let behind = followers(&fx, &heads, 2).await;
    assert_eq!(events_of(&behind), [2, 3, 5].map(|n: usize| events[n].clone()), "at most two of each lane");
    assert_eq!(events_of(&followers(&fx, &heads, 9).await), [2, 3, 5, 6].map(|n: usize| events[n].clone()));
    // The lane stays the claimant's: a rival gets the third lane only.
    assert_eq!(events_of(&claim(&fx, fx.now(), 9).await), [events[4].clone()]);
    assert_eq!(disorder(&fx).await, 0);
    // An event that is gone is left to the claim.
    fx.execute(&format!("DELETE FROM events WHERE id = '{}'", events[2])).await;
    assert_eq!(events_of(&followers(&fx, &heads, 2).await), [3, 5].map(|n: usize| events[n].clone()));
    assert!(heads.iter().chain(&behind).all(|c| c.tenant == tenant && c.attempts == 0));
}

pub(super) async fn a_run_that_fails_leaves_its_lane_in_order(fx: Fixture) {
    let (_, events) = lanes(&fx, &["a", "a", "a", "a", "a"]).await;
    let mut run = claim(&fx, fx.now(), 9).await;
    run.extend(followers(&fx, &run, 3).await);
    assert_eq!(events_of(&run), events[..4]);
    let (now, later) = (fx.now(), fx.now() + Duration::from_secs(300));
    let done = |c: &Claimed| result(&c.id, 1, DeliveryState::Delivered, None, now);
    let failed = result(&run[2].id, 1, DeliveryState::Pending, Some(later), now);
    finish(&fx, &[done(&run[0]), done(&run[1]), failed]).await;
    assert_eq!((disorder(&fx).await, next_due(&fx).await), (0, Some(later)), "its retry time holds the lane back");
    assert!(claim(&fx, now, 9).await.is_empty());
    // A run that only ran out of time: the next one is due at once.
    let head = claim(&fx, later, 9).await;
    assert_eq!((events_of(&head), head[0].attempts), (vec![events[2].clone()], 1));
    end(&fx, &head[0], DeliveryState::Delivered).await;
    assert_eq!(disorder(&fx).await, 0);
    let head = claim(&fx, fx.now(), 9).await;
    let behind = followers(&fx, &head, 9).await;
    assert_eq!([events_of(&head), events_of(&behind)].concat(), events[3..]);
    finish(&fx, &[done(&head[0]), done(&behind[0])]).await;
    assert_eq!((disorder(&fx).await, next_due(&fx).await), (0, None));
}

pub(super) async fn a_run_that_dies_is_made_again(fx: Fixture) {
    let (_, events) = lanes(&fx, &["a", "a", "a"]).await;
    let now = fx.now();
    let head = claim(&fx, now, 9).await;
    let behind = followers(&fx, &head, 9).await;
    // Its process dies; before the lease ends nobody gets any of it, then somebody gets all of it.
    assert!(claim(&fx, UtcMs((now + LEASE).0 - 1), 9).await.is_empty());
    let again = claim(&fx, now + LEASE, 9).await;
    let behind_again = followers(&fx, &again, 9).await;
    assert_eq!([events_of(&again), events_of(&behind_again)].concat(), events);
    let done = |c: &Claimed| result(&c.id, 1, DeliveryState::Delivered, None, fx.now());
    let all: Vec<_> = again.iter().chain(&behind_again).map(done).collect();
    finish(&fx, &all[..2]).await;
    assert_eq!(disorder(&fx).await, 0);
    // It was slow, not dead: what it says about deliveries that ended since changes nothing.
    let late: Vec<_> = head.iter().chain(&behind).map(done).collect();
    finish(&fx, &late).await;
    assert_eq!((disorder(&fx).await, next_due(&fx).await), (0, None));
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 3);
}

pub(super) async fn rival_workers_neither_share_nor_overtake(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    fx.webhook(&tenant, None, &["*"]).await;
    let events: Vec<_> = (0..100).map(|n| fx.event(&tenant, None, &format!("lane {}", n % 7))).collect();
    let lane_of: Arc<BTreeMap<_, _>> = Arc::new(events.iter().map(|e| (e.id.clone(), e.lane.clone())).collect());
    let mut wanted: BTreeMap<String, Vec<EventId>> = BTreeMap::new();
    for event in &events {
        wanted.entry(event.lane.clone()).or_default().push(event.id.clone());
    }
    let done = Arc::new(Mutex::new(BTreeMap::<String, Vec<EventId>>::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (fx, done, lane_of, count) = (fx.clone(), Arc::clone(&done), Arc::clone(&lane_of), Arc::clone(&count));
            tokio::spawn(async move {
                while count.load(Ordering::SeqCst) < lane_of.len() {
                    let mut claimed = claim(&fx, fx.now() + LEASE / 2, 3).await;
                    claimed.extend(followers(&fx, &claimed, 2).await);
                    let mut results = Vec::new();
                    for claimed in claimed {
                        let lane = lane_of[&claimed.event.id].clone();
                        done.lock().unwrap().entry(lane).or_default().push(claimed.event.id.clone());
                        results.push(result(&claimed.id, 1, DeliveryState::Delivered, None, fx.now()));
                    }
                    finish(&fx, &results).await;
                    count.fetch_add(results.len(), Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // They come in while the workers work, so that "is the lane empty" and "who is next" are asked at the same time.
    for event in &events {
        fx.raised(event).await;
    }
    for worker in workers {
        tokio::time::timeout(Duration::from_secs(60), worker).await.expect("no delivery is forgotten").unwrap();
    }
    assert_eq!(*done.lock().unwrap(), wanted);
    assert_eq!((next_due(&fx).await, disorder(&fx).await), (None, 0));
}

pub(super) async fn finishing_records_attempts(fx: Fixture) {
    let (tenant, _) = lanes(&fx, &["a", "b", "c"]).await;
    let claimed = claim(&fx, fx.now(), 9).await;
    let skipped = AttemptResult {
        delivery: claimed[1].id.clone(),
        attempt: None,
        state: DeliveryState::Skipped,
        due: None,
        at: fx.now(),
    };
    let retry_at = fx.now();
    let retried = result(&claimed[2].id, 1, DeliveryState::Pending, Some(retry_at), fx.now());
    let delivered = result(&claimed[0].id, 1, DeliveryState::Delivered, None, fx.now());
    finish(&fx, &[delivered.clone(), skipped, retried]).await;
    // Told twice, as after a lease that ran out: the second time changes nothing.
    finish(&fx, &[AttemptResult { state: DeliveryState::Dead, ..delivered }]).await;
    let mut tx = fx.read().await;
    let mut states = Vec::new();
    for c in &claimed {
        let found = tx.delivery_find(&tenant, &c.id).await.unwrap().unwrap();
        states.push((found.state, found.attempts, found.finished_at.is_some()));
    }
    assert_eq!(
        states,
        [(DeliveryState::Delivered, 1, true), (DeliveryState::Skipped, 0, true), (DeliveryState::Pending, 1, false)]
    );
    let attempts = tx.delivery_attempts(&claimed[0].id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].status, attempts[0].error.as_deref()), (1, Some(200), Some("ab")));
    assert!(tx.delivery_attempts(&claimed[1].id).await.unwrap().is_empty());
}

pub(super) async fn a_result_for_a_removed_subscription_is_dropped(fx: Fixture) {
    let (tenant, _) = lanes(&fx, &["a"]).await;
    let kept = fx.webhook(&tenant, None, &["*"]).await;
    fx.raised(&fx.event(&tenant, None, "b")).await;
    let claimed = claim(&fx, fx.now(), 9).await;
    assert_eq!(claimed.len(), 3);
    let gone = claimed.iter().find(|c| c.webhook != kept.id).unwrap();
    let mut tx = fx.write().await;
    assert!(tx.webhook_delete(&tenant, &gone.webhook).await.unwrap());
    tx.commit().await.unwrap();
    let results: Vec<_> = claimed.iter().map(|c| result(&c.id, 1, DeliveryState::Delivered, None, fx.now())).collect();
    finish(&fx, &results).await;
    assert_eq!(fx.number("SELECT COUNT(*) FROM deliveries WHERE state = 'delivered'").await, 1);
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 1);
}

pub(super) async fn a_replay_goes_before_what_came_later(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "a", "a"]).await;
    let first = claim(&fx, fx.now(), 1).await.remove(0);
    end(&fx, &first, DeliveryState::Dead).await;
    let second = claim(&fx, fx.now(), 1).await.remove(0);
    let at = fx.now();
    let mut tx = fx.write().await;
    assert!(tx.delivery_replay(&tenant, &first.id, at).await.unwrap());
    assert!(!tx.delivery_replay(&tenant, &first.id, at).await.unwrap(), "it is pending already");
    assert!(!tx.delivery_replay(&fx.tenant_unstored(), &first.id, at).await.unwrap(), "of another tenant");
    tx.commit().await.unwrap();
    assert_eq!(disorder(&fx).await, 0);
    let found = fx.read().await.delivery_find(&tenant, &first.id).await.unwrap().unwrap();
    assert_eq!((found.attempts, found.next_attempt_at, found.finished_at), (0, Some(at), None));
    // The second one was under way; its retry waits behind the replayed one.
    let later = fx.now() + Duration::from_secs(5);
    finish(&fx, &[result(&second.id, 1, DeliveryState::Pending, Some(later), fx.now())]).await;
    assert_eq!(disorder(&fx).await, 0);
    let mut order = Vec::new();
    while let Some(claimed) = claim(&fx, later, 9).await.pop() {
        order.push(claimed.event.id.clone());
        finish(&fx, &[result(&claimed.id, 1, DeliveryState::Delivered, None, later)]).await;
    }
    assert_eq!(order, events);
    assert_eq!(fx.read().await.delivery_attempts(&first.id).await.unwrap().len(), 2, "the log keeps both rounds");
}

pub(super) async fn dead_letters_are_replayed_by_span(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "b", "a", "b", "a"]).await;
    let mut of_event = BTreeMap::new();
    for _ in 0..5 {
        let claimed = claim(&fx, fx.now(), 1).await.remove(0);
        end(&fx, &claimed, DeliveryState::Dead).await;
        of_event.insert(claimed.event.id.clone(), claimed);
    }
    let webhook = of_event[&events[0]].webhook.clone();
    let mut tx = fx.write().await;
    let (from, to) = (of_event[&events[1]].event.timestamp, of_event[&events[3]].event.timestamp);
    assert_eq!(tx.delivery_replay_dead(&tenant, &webhook, from, to, fx.now()).await.unwrap(), 3);
    assert_eq!(tx.delivery_replay_dead(&tenant, &webhook, from, to, fx.now()).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(disorder(&fx).await, 0);
    let claimed: BTreeSet<_> = events_of(&claim(&fx, fx.now(), 9).await).into_iter().collect();
    assert_eq!(claimed, [events[1].clone(), events[2].clone()].into());
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), webhook: Some(webhook) };
    let dead = fx.read().await.delivery_list(&tenant, &dead, &page(9)).await.unwrap();
    assert_eq!(dead.into_iter().map(|d| d.event).collect::<Vec<_>>(), [events[4].clone(), events[0].clone()]);
}

pub(super) async fn random_work_keeps_every_lane_in_order(fx: Fixture) {
    let (tenant, _) = lanes(&fx, &["a"]).await;
    let second = fx.webhook(&tenant, None, &["*"]).await;
    let mut known: Vec<DeliveryId> = Vec::new();
    for round in 0..60 {
        let now = fx.now();
        match rand::random_range(0..5) {
            0 | 1 => drop(fx.raised(&fx.event(&tenant, None, &format!("lane {}", rand::random_range(0..3)))).await),
            2 | 3 => {
                let mut claimed = claim(&fx, now + LEASE * 3, rand::random_range(1..4)).await;
                claimed.extend(followers(&fx, &claimed, rand::random_range(0..4)).await);
                let results: Vec<_> = claimed
                    .iter()
                    .map(|c| {
                        let state = DeliveryState::ALL[rand::random_range(0..4)];
                        result(&c.id, c.attempts + 1, state, Some(now), now)
                    })
                    .collect();
                known.extend(claimed.into_iter().map(|c| c.id));
                finish(&fx, &results).await;
            }
            _ if known.is_empty() => {}
            _ => {
                let mut tx = fx.write().await;
                let id = &known[rand::random_range(0..known.len())];
                tx.delivery_replay(&tenant, id, now).await.unwrap();
                if rand::random() {
                    tx.delivery_replay_dead(&tenant, &second.id, UtcMs(0), now, now).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        }
        assert_eq!(disorder(&fx).await, 0, "round {round}");
    }
}

pub(super) async fn a_purged_event_ends_its_delivery(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "a"]).await;
    let first = claim(&fx, fx.now(), 1).await.remove(0);
    end(&fx, &first, DeliveryState::Dead).await;
    fx.execute(&format!("DELETE FROM events WHERE id = '{}'", events[0])).await;
    let mut tx = fx.write().await;
    assert!(!tx.delivery_replay(&tenant, &first.id, fx.now()).await.unwrap(), "there is nothing to deliver");
    drop(tx);
    // Revived in the moment the event went: the claim puts it away again and goes on with the next.
    fx.execute(&format!(
        "UPDATE deliveries SET state = 'pending', due_ms = 1, finished_ms = NULL WHERE id = '{}'",
        first.id
    ))
    .await;
    fx.execute(&format!("UPDATE deliveries SET due_ms = NULL WHERE id <> '{}'", first.id)).await;
    assert!(claim(&fx, fx.now(), 9).await.is_empty());
    assert_eq!(disorder(&fx).await, 0);
    assert_eq!(events_of(&claim(&fx, fx.now(), 9).await), [events[1].clone()]);
}

pub(super) async fn lists_stats_and_purge(fx: Fixture) {
    let (tenant, events) = lanes(&fx, &["a", "b", "c"]).await;
    let claimed = claim(&fx, fx.now(), 2).await;
    end(&fx, &claimed[0], DeliveryState::Delivered).await;
    end(&fx, &claimed[1], DeliveryState::Dead).await;
    let mut tx = fx.write().await;
    let oldest = tx.event_list(&tenant, 2, 1).await.unwrap()[0].timestamp;
    let stats = tx.delivery_stats().await.unwrap();
    assert_eq!(stats, OutboxStats { pending: 1, dead: 1, oldest_pending_at: Some(oldest) });
    for (state, event) in [(DeliveryState::Delivered, 0), (DeliveryState::Dead, 1), (DeliveryState::Pending, 2)] {
        for webhook in [None, Some(claimed[0].webhook.clone())] {
            let filter = DeliveryFilter { state: Some(state), webhook };
            let found = tx.delivery_list(&tenant, &filter, &page(9)).await.unwrap();
            assert_eq!(found.into_iter().map(|d| d.event).collect::<Vec<_>>(), [events[event].clone()]);
        }
    }
    assert_eq!(tx.delivery_list(&tenant, &DeliveryFilter::default(), &page(1)).await.unwrap().len(), 2);
    let end = tx.delivery_find(&tenant, &claimed[1].id).await.unwrap().unwrap().finished_at.unwrap();
    assert_eq!(tx.delivery_purge(end, 1).await.unwrap(), 1);
    assert_eq!(tx.delivery_purge(end, 9).await.unwrap(), 1);
    assert_eq!(tx.delivery_purge(end, 9).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 0);
}
