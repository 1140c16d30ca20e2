//! Events.

use std::collections::BTreeSet;
use std::time::Duration;

use portico_core::event::{EventKind, NewEvent};
use portico_core::id::TenantId;
use portico_core::ports::store::{AttemptResult, DeviceTx, EventTx, OutboxTx, WebhookChange, WebhookTx};
use portico_core::webhook::{DeliveryState, WebhookState};

use crate::testing::{Fixture, leak, page, raise};

pub(super) async fn numbers_have_no_gaps_under_rivalry(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    // Half of the facts are told by every rival, the others by one.
    let shared: Vec<_> = (0..10).map(|_| fx.event(tenant, None, "lane")).collect();
    let rivals: Vec<_> = (0..4)
        .map(|_| {
            let shared = shared.clone();
            tokio::spawn(async move {
                let mut stored = Vec::new();
                for event in shared {
                    for event in [event, fx.event(tenant, None, "lane")] {
                        stored.extend(fx.raise(vec![event]).await.into_iter().map(|e| e.seq));
                    }
                }
                stored
            })
        })
        .collect();
    let mut seqs = BTreeSet::new();
    for rival in rivals {
        for seq in rival.await.unwrap() {
            assert!(seqs.insert(seq), "{seq} was given twice");
        }
    }
    assert_eq!(seqs, (1..=50).collect());
    fx.read(move |tx| {
        assert_eq!(tx.event_last_seq(tenant).unwrap(), 50);
        let listed: Vec<_> = tx.event_list(tenant, 10, 5).unwrap().into_iter().map(|e| e.seq).collect();
        assert_eq!(listed, [11, 12, 13, 14, 15]);
    })
    .await;
}

pub(super) async fn what_was_undone_burns_no_number(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let event = leak(fx.event(tenant, None, "lane"));
    fx.undone(move |tx| assert_eq!(raise(tx, std::slice::from_ref(event))[0].seq, 1)).await;
    assert_eq!(fx.read(move |tx| tx.event_last_seq(tenant).unwrap()).await, 0);
    let stored = fx.raised(event).await;
    assert_eq!(stored.seq, 1);
    assert!(fx.undone(move |tx| raise(tx, std::slice::from_ref(event))).await.is_empty());
    let found = fx.read(move |tx| tx.event_list(tenant, 0, 9).unwrap()).await;
    assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value([&stored]).unwrap());
    assert_eq!((found[0].lane.as_str(), &found[0].data), ("lane", &event.payload));
    let other = fx.tenant("u").await;
    let find = async |tenant: &'static TenantId| fx.read(move |tx| tx.event_find(tenant, &event.id).unwrap()).await;
    assert_eq!(find(tenant).await.map(|e| e.seq), Some(1));
    assert!(find(other).await.is_none());
    assert!(fx.read(move |tx| tx.event_list(other, 0, 9).unwrap()).await.is_empty());
}

pub(super) async fn events_raised_together_keep_their_order_and_their_lanes(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let device = fx.device(tenant).await;
    let webhook = fx.webhook(tenant, Some(device), &["*"]).await;
    let known = fx.raised(fx.event(tenant, Some(device), "a")).await;
    let event = |lane: &str| fx.event(tenant, Some(device), lane);
    let mut events = vec![event("a"), event("b"), event("b"), event("c")];
    // Known, told twice, of no device, and of another tenant.
    events.insert(1, NewEvent { id: known.id.clone(), ..event("a") });
    events.push(events[0].clone());
    events.push(fx.event(tenant, None, "b"));
    events.push(fx.event(other, None, "b"));
    let events: &[NewEvent] = leak(events);
    let raise_twice = move |tx: &mut crate::db::DbTx<'_>| {
        let stored = raise(tx, events);
        assert!(raise(tx, events).is_empty());
        stored
    };
    let stored = fx.write(raise_twice).await;
    let wanted =
        [(0, 2), (2, 3), (3, 4), (4, 5), (6, 6), (7, 1)].map(|(n, seq): (usize, _)| (events[n].id.clone(), seq));
    assert_eq!(stored.iter().map(|e| (e.id.clone(), e.seq)).collect::<Vec<_>>(), wanted);
    let listed = fx.read(move |tx| tx.event_list(tenant, 0, 99).unwrap()).await;
    assert_eq!(listed.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=6).collect::<Vec<_>>());
    // Of each lane only the oldest is due: `a` has the known one, `b` two new ones, `c` one.
    let mut deliveries = fx.read(move |tx| tx.delivery_list(tenant, &Default::default(), &page(99)).unwrap()).await;
    assert!(deliveries.iter().all(|d| d.webhook == webhook.id));
    deliveries.retain(|d| d.next_attempt_at.is_some());
    let due: BTreeSet<_> = deliveries.into_iter().map(|d| d.event).collect();
    assert_eq!(due, [known.id, events[2].id.clone(), events[4].id.clone()].into());
}

pub(super) async fn only_subscriptions_that_want_it_get_a_delivery(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (device, another) = (fx.device(tenant).await, fx.device(tenant).await);
    let wanting = [
        fx.webhook(tenant, None, &["*"]).await.id.clone(),
        fx.webhook(tenant, Some(device), &["message.received"]).await.id.clone(),
    ];
    fx.webhook(tenant, None, &["device.state"]).await;
    fx.webhook(tenant, Some(another), &["*"]).await;
    fx.webhook(other, None, &["*"]).await;
    let disabled = fx.webhook(tenant, None, &["*"]).await;
    let state = Some((WebhookState::Disabled, None));
    let off = WebhookChange { state, ..WebhookChange::default() };
    assert!(fx.write(move |tx| tx.webhook_change(tenant, &disabled.id, &off).unwrap()).await);
    let event = fx.raised(fx.event(tenant, Some(device), "chat")).await;
    let deliveries = fx.read(move |tx| tx.delivery_list(tenant, &Default::default(), &page(10)).unwrap()).await;
    let got: BTreeSet<_> = deliveries.iter().map(|d| d.webhook.clone()).collect();
    assert_eq!(got, wanting.into_iter().collect());
    for delivery in deliveries {
        assert_eq!((delivery.event, delivery.event_type), (event.id.clone(), EventKind::MessageReceived));
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 0));
        assert_eq!((delivery.created_at, delivery.next_attempt_at), (event.timestamp, Some(event.timestamp)));
    }
}

pub(super) async fn a_subscription_changes_what_is_delivered_from_then_on(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    let counted = async |subscriptions: usize| {
        fx.write(move |tx| assert_eq!(tx.webhook_candidates(tenant, None).unwrap().len(), subscriptions)).await;
    };
    counted(1).await;
    // What a transaction did that is undone counts in it alone.
    fx.undone(move |tx| {
        assert!(tx.webhook_delete(tenant, &webhook.id).unwrap());
        assert!(tx.webhook_candidates(tenant, None).unwrap().is_empty());
    })
    .await;
    counted(1).await;
    let another = fx.webhook(tenant, None, &["*"]).await;
    counted(2).await;
    let state = Some((WebhookState::Disabled, None));
    let off = WebhookChange { state, ..WebhookChange::default() };
    assert!(fx.write(move |tx| tx.webhook_change(tenant, &another.id, &off).unwrap()).await);
    counted(1).await;
    assert!(fx.write(move |tx| tx.webhook_delete(tenant, &webhook.id).unwrap()).await);
    counted(0).await;
    let device = fx.device(tenant).await;
    fx.webhook(tenant, Some(device), &["*"]).await;
    fx.write(move |tx| assert_eq!(tx.webhook_candidates(tenant, Some(&device.id)).unwrap().len(), 1)).await;
    counted(0).await;
    assert!(fx.write(move |tx| tx.device_delete(tenant, &device.id).unwrap()).await);
    fx.write(move |tx| assert!(tx.webhook_candidates(tenant, Some(&device.id)).unwrap().is_empty())).await;
}

pub(super) async fn a_list_tells_the_bytes_of_its_payloads(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    // Longer than fits a page of either database, in two bytes a character.
    let texts = ["a".to_owned(), "é".repeat(40_000), "b".to_owned()];
    for text in &texts {
        let payload = serde_json::json!({ "text": text });
        fx.raised(NewEvent { payload, ..fx.event(tenant, None, "lane") }).await;
    }
    fx.raised(fx.event(other, None, "lane")).await;
    let wanted: Vec<_> = texts.iter().map(|text| text.len() as u64 + r#"{"text":""}"#.len() as u64).collect();
    fx.read(move |tx| {
        assert_eq!(tx.event_list_bytes(tenant, 0, 9).unwrap(), wanted);
        assert_eq!(tx.event_list_bytes(tenant, 1, 1).unwrap(), wanted[1..2]);
        assert!(tx.event_list_bytes(tenant, 3, 9).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn old_events_go_unless_a_delivery_needs_them(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let unneeded = fx.raised(fx.event(tenant, None, "a")).await;
    fx.webhook(tenant, None, &["*"]).await;
    let needed = fx.raised(fx.event(tenant, None, "a")).await;
    let young = fx.raised(fx.event(tenant, None, "a")).await;
    fx.undone(move |tx| {
        assert_eq!(tx.event_purge(needed.timestamp, 10).unwrap(), 1);
        let left = tx.event_list(tenant, 0, 10).unwrap();
        assert!(left.iter().all(|e| e.id != unneeded.id));
        let claimed = tx.delivery_claim(fx.now(), Duration::from_secs(60), 10).unwrap();
        let at = fx.now();
        let done = AttemptResult {
            delivery: claimed[0].id.clone(),
            attempt: None,
            state: DeliveryState::Skipped,
            due: None,
            at,
            shaped_by: None,
        };
        tx.delivery_finish(&[done.into()], fx.now()).unwrap();
        assert_eq!(tx.event_purge(needed.timestamp, 10).unwrap(), 1);
        let left = tx.event_list(tenant, 0, 10).unwrap();
        assert_eq!(left.into_iter().map(|e| e.id).collect::<Vec<_>>(), [young.id]);
        assert_eq!(tx.event_last_seq(tenant).unwrap(), 3);
    })
    .await;
}
