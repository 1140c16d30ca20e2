//! Deliveries: order within lanes, whoever works on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portico_core::id::{DeliveryId, EventId};
use portico_core::ports::store::{LaneResult, OutboxTx};
use portico_core::time::UtcMs;
use portico_core::webhook::{Claimed, DeliveryState};

use super::outbox::{LEASE, claim, disorder, end, events_of, finish, finish_lanes, followers, lanes, next_due, result};
use crate::testing::{Fixture, leak};

pub(super) async fn only_the_oldest_of_a_lane_is_claimed(fx: &'static Fixture) {
    let (_, events) = lanes(fx, &["a", "a", "b", "a"]).await;
    let now = fx.now();
    let claimed = claim(fx, now, 10).await;
    assert_eq!(events_of(&claimed), [events[0].clone(), events[2].clone()]);
    assert_eq!(next_due(fx).await, Some(now + LEASE), "what waits behind another is not due");
    assert!(claim(fx, fx.now(), 10).await.is_empty());
    end(fx, &claimed[0], DeliveryState::Delivered).await;
    assert_eq!(events_of(&claim(fx, fx.now(), 10).await), [events[1].clone()]);
    assert_eq!(claim(fx, fx.now(), 10).await.len(), 0);
    assert_eq!(disorder(fx).await, 0);
}

pub(super) async fn a_retry_holds_its_lane_back(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a"]).await;
    let first = leak(claim(fx, fx.now(), 1).await.remove(0));
    let later = fx.now() + Duration::from_secs(300);
    finish(fx, &[result(&first.id, 1, DeliveryState::Pending, Some(later), fx.now())]).await;
    assert_eq!(next_due(fx).await, Some(later));
    assert!(claim(fx, fx.now(), 9).await.is_empty());
    let again = claim(fx, later, 9).await.remove(0);
    assert_eq!((again.event.id.clone(), again.attempts), (events[0].clone(), 1));
    end(fx, &again, DeliveryState::Dead).await;
    let found = fx.read(move |tx| tx.delivery_find(&tenant, &first.id).unwrap()).await.unwrap();
    assert_eq!((found.state, found.attempts, found.next_attempt_at), (DeliveryState::Dead, 2, None));
    assert!(found.finished_at.is_some());
    assert_eq!(events_of(&claim(fx, fx.now(), 9).await), [events[1].clone()]);
}

pub(super) async fn what_waits_behind_a_head_comes_along(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "b", "a", "a", "c", "b", "a"]).await;
    let heads = claim(fx, fx.now(), 2).await;
    assert_eq!(events_of(&heads), events[..2]);
    assert!(followers(fx, &heads, 0).await.is_empty());
    assert!(followers(fx, &[], 9).await.is_empty());
    let behind = followers(fx, &heads, 2).await;
    assert_eq!(events_of(&behind), [2, 3, 5].map(|n: usize| events[n].clone()), "at most two of each lane");
    assert_eq!(events_of(&followers(fx, &heads, 9).await), [2, 3, 5, 6].map(|n: usize| events[n].clone()));
    // The lane stays the claimant's: a rival gets the third lane only.
    assert_eq!(events_of(&claim(fx, fx.now(), 9).await), [events[4].clone()]);
    assert_eq!(disorder(fx).await, 0);
    // An event that is gone is left to the claim.
    fx.execute(&format!("DELETE FROM events WHERE id = '{}'", events[2])).await;
    assert_eq!(events_of(&followers(fx, &heads, 2).await), [3, 5].map(|n: usize| events[n].clone()));
    assert!(heads.iter().chain(&behind).all(|c| c.tenant == *tenant && c.attempts == 0));
}

pub(super) async fn a_run_that_fails_leaves_its_lane_in_order(fx: &'static Fixture) {
    let (_, events) = lanes(fx, &["a", "a", "a", "a", "a"]).await;
    let mut run = claim(fx, fx.now(), 9).await;
    run.extend(followers(fx, &run, 3).await);
    assert_eq!(events_of(&run), events[..4]);
    let (now, later) = (fx.now(), fx.now() + Duration::from_secs(300));
    let done = |c: &Claimed| result(&c.id, 1, DeliveryState::Delivered, None, now);
    let failed = result(&run[2].id, 1, DeliveryState::Pending, Some(later), now);
    finish(fx, &[done(&run[0]), done(&run[1]), failed]).await;
    assert_eq!((disorder(fx).await, next_due(fx).await), (0, Some(later)), "its retry time holds the lane back");
    assert!(claim(fx, now, 9).await.is_empty());
    // A run that only ran out of time: the next one is due at once.
    let head = claim(fx, later, 9).await;
    assert_eq!((events_of(&head), head[0].attempts), (vec![events[2].clone()], 1));
    end(fx, &head[0], DeliveryState::Delivered).await;
    assert_eq!(disorder(fx).await, 0);
    let head = claim(fx, fx.now(), 9).await;
    let behind = followers(fx, &head, 9).await;
    assert_eq!([events_of(&head), events_of(&behind)].concat(), events[3..]);
    finish(fx, &[done(&head[0]), done(&behind[0])]).await;
    assert_eq!((disorder(fx).await, next_due(fx).await), (0, None));
}

pub(super) async fn a_lane_whose_worker_goes_on_is_given_to_nobody_else(fx: &'static Fixture) {
    let (tenant, events) = lanes(fx, &["a", "a", "a", "a"]).await;
    let dead = leak(claim(fx, fx.now(), 9).await.remove(0));
    end(fx, dead, DeliveryState::Dead).await;
    let mut run = claim(fx, fx.now(), 9).await;
    run.extend(followers(fx, &run, 9).await);
    assert_eq!(events_of(&run), events[1..]);
    // While the lane is being worked on, its dead letter is revived; it waits.
    let at = fx.now();
    assert!(fx.write(move |tx| tx.delivery_replay(tenant, &dead.id, at).unwrap()).await);
    let done = |c: &Claimed| result(&c.id, 1, DeliveryState::Delivered, None, fx.now());
    let first = LaneResult { results: vec![done(&run[0])], goes_on_with: Some(run[1].id.clone()) };
    finish_lanes(fx, vec![first]).await;
    assert!(claim(fx, fx.now(), 9).await.is_empty(), "the lane is still being worked on");
    assert_eq!((disorder(fx).await, next_due(fx).await.is_some_and(|due| due > fx.now())), (0, true));
    finish(fx, &[done(&run[1])]).await;
    assert_eq!(disorder(fx).await, 0);
    assert_eq!(events_of(&claim(fx, fx.now(), 9).await), events[..1], "the revived one goes before what is left");
}

pub(super) async fn a_run_that_dies_is_made_again(fx: &'static Fixture) {
    let (_, events) = lanes(fx, &["a", "a", "a"]).await;
    let now = fx.now();
    let head = claim(fx, now, 9).await;
    let behind = followers(fx, &head, 9).await;
    // Its process dies; before the lease ends nobody gets any of it, then somebody gets all of it.
    assert!(claim(fx, UtcMs((now + LEASE).0 - 1), 9).await.is_empty());
    let again = claim(fx, now + LEASE, 9).await;
    let behind_again = followers(fx, &again, 9).await;
    assert_eq!([events_of(&again), events_of(&behind_again)].concat(), events);
    let done = |c: &Claimed| result(&c.id, 1, DeliveryState::Delivered, None, fx.now());
    let all: Vec<_> = again.iter().chain(&behind_again).map(done).collect();
    finish(fx, &all[..2]).await;
    assert_eq!(disorder(fx).await, 0);
    // It was slow, not dead: what it says about deliveries that ended since changes nothing.
    let late: Vec<_> = head.iter().chain(&behind).map(done).collect();
    finish(fx, &late).await;
    assert_eq!((disorder(fx).await, next_due(fx).await), (0, None));
    assert_eq!(fx.number("SELECT COUNT(*) FROM delivery_attempts").await, 3);
}

pub(super) async fn rival_workers_neither_share_nor_overtake(fx: &'static Fixture) {
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
            let (done, lane_of, count) = (Arc::clone(&done), Arc::clone(&lane_of), Arc::clone(&count));
            tokio::spawn(async move {
                while count.load(Ordering::SeqCst) < lane_of.len() {
                    let mut claimed = claim(fx, fx.now() + LEASE / 2, 3).await;
                    claimed.extend(followers(fx, &claimed, 2).await);
                    let mut results = Vec::new();
                    for claimed in claimed {
                        let lane = lane_of[&claimed.event.id].clone();
                        done.lock().unwrap().entry(lane).or_default().push(claimed.event.id.clone());
                        results.push(result(&claimed.id, 1, DeliveryState::Delivered, None, fx.now()));
                    }
                    finish(fx, &results).await;
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
    assert_eq!((next_due(fx).await, disorder(fx).await), (None, 0));
}

pub(super) async fn random_work_keeps_every_lane_in_order(fx: &'static Fixture) {
    let (tenant, _) = lanes(fx, &["a"]).await;
    let second = fx.webhook(&tenant, None, &["*"]).await;
    let mut known: Vec<DeliveryId> = Vec::new();
    for round in 0..60 {
        let now = fx.now();
        match rand::random_range(0..5) {
            0 | 1 => drop(fx.raised(fx.event(&tenant, None, &format!("lane {}", rand::random_range(0..3)))).await),
            2 | 3 => {
                let mut claimed = claim(fx, now + LEASE * 3, rand::random_range(1..4)).await;
                claimed.extend(followers(fx, &claimed, rand::random_range(0..4)).await);
                let results: Vec<_> = claimed
                    .iter()
                    .map(|c| {
                        let state = DeliveryState::ALL[rand::random_range(0..4)];
                        result(&c.id, c.attempts + 1, state, Some(now), now)
                    })
                    .collect();
                known.extend(claimed.into_iter().map(|c| c.id));
                finish(fx, &results).await;
            }
            _ if known.is_empty() => {}
            _ => {
                let id = known[rand::random_range(0..known.len())].clone();
                fx.write(move |tx| {
                    tx.delivery_replay(tenant, &id, now).unwrap();
                    if rand::random() {
                        tx.delivery_replay_dead(&tenant, &second.id, UtcMs(0), now, now).unwrap();
                    }
                })
                .await;
            }
        }
        assert_eq!(disorder(fx).await, 0, "round {round}");
    }
}
