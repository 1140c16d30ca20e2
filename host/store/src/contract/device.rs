//! Devices.

use portico_core::device::{DeviceState, StateReason, Wanted};
use portico_core::id::DeviceId;
use portico_core::message::Direction;
use portico_core::page::PageRequest;
use portico_core::ports::keys::{KeyRecords, KeyWrite};
use portico_core::ports::whatsapp::Account;
use portico_core::ports::store::DeviceChange;
use portico_core::time::UtcMs;

use crate::testing::{Fixture, page};

pub(super) async fn a_device_survives_the_round_trip(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let mut device = fx.device(&tenant).await;
    device.id = DeviceId::new(fx.now().0, 1);
    device.state = DeviceState::PasskeyRequired;
    device.reason = Some(StateReason::new("qr_expired", "nobody scanned"));
    device.deadline = Some(fx.now());
    device.wanted = Wanted::Running;
    device.jid = Some("15550100002@s.whatsapp.net".to_owned());
    device.lid = Some("100000000000001@lid".to_owned());
    device.push_name = Some("Ada".to_owned());
    let mut tx = fx.write().await;
    tx.device_insert(&device).await.unwrap();
    let found = tx.device_find(&tenant, &device.id).await.unwrap().unwrap();
    assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value(&device).unwrap());
    assert_eq!(found.tenant, tenant);
    assert!(tx.device_rename(&tenant, &device.id, "support").await.unwrap());
    tx.device_forget_account(&device.id).await.unwrap();
    let found = tx.device_load(&device.id).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.jid, found.lid, found.push_name), ("support", None, None, None));
}

pub(super) async fn a_change_keeps_what_it_does_not_name(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(&tenant).await;
    let identity = |jid: Option<&str>, name: Option<&str>| {
        Some(Account { jid: jid.map(str::to_owned), lid: None, push_name: name.map(str::to_owned) })
    };
    let mut change = DeviceChange {
        state: DeviceState::Connected,
        reason: Some(StateReason::new("a", "b")),
        since: fx.now(),
        deadline: Some(fx.now()),
        identity: identity(Some("15550100002@s.whatsapp.net"), None),
    };
    let mut tx = fx.write().await;
    tx.device_change(&device.id, &change).await.unwrap();
    change = DeviceChange { reason: None, deadline: None, identity: identity(None, Some("Ada")), ..change };
    tx.device_change(&device.id, &change).await.unwrap();
    change.identity = None;
    tx.device_change(&device.id, &change).await.unwrap();
    let found = tx.device_load(&device.id).await.unwrap().unwrap();
    assert_eq!(found.state, DeviceState::Connected);
    assert_eq!((found.reason, found.deadline), (None, None));
    assert_eq!(found.jid.as_deref(), Some("15550100002@s.whatsapp.net"));
    assert_eq!(found.push_name.as_deref(), Some("Ada"));
    assert_eq!(tx.device_count_by_state().await.unwrap(), [(DeviceState::Connected, 1)]);
}

pub(super) async fn pages_go_back_in_time(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(fx.device(&tenant).await.id);
    }
    ids.reverse();
    let mut tx = fx.read().await;
    let first: Vec<_> = tx.device_list(&tenant, &page(2)).await.unwrap().into_iter().map(|d| d.id).collect();
    assert_eq!(first, ids[..3]);
    let next = PageRequest { limit: 2, before: Some(ids[1].to_string()) };
    let second: Vec<_> = tx.device_list(&tenant, &next).await.unwrap().into_iter().map(|d| d.id).collect();
    assert_eq!(second, ids[2..5]);
    assert_eq!(tx.device_count(&tenant).await.unwrap(), 5);
}

pub(super) async fn devices_that_should_run_and_that_are_late_are_found(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let (a, b, c) = (fx.device(&tenant).await, fx.device(&tenant).await, fx.device(&tenant).await);
    let mut tx = fx.write().await;
    for device in [&a, &c] {
        tx.device_want(&device.id, Wanted::Running).await.unwrap();
    }
    let ids = |found: Vec<portico_core::device::Device>| found.into_iter().map(|d| d.id).collect::<Vec<_>>();
    assert_eq!(ids(tx.device_wanted(None, 10).await.unwrap()), [a.id.clone(), c.id.clone()]);
    assert_eq!(ids(tx.device_wanted(Some(&a.id), 10).await.unwrap()), std::slice::from_ref(&c.id));
    let deadline = fx.now();
    let state = DeviceState::Pairing;
    let change = DeviceChange { state, reason: None, since: deadline, deadline: Some(deadline), identity: None };
    tx.device_change(&b.id, &change).await.unwrap();
    assert!(tx.device_overdue(UtcMs(deadline.0 - 1), 10).await.unwrap().is_empty());
    assert_eq!(tx.device_overdue(deadline, 10).await.unwrap(), [b.id]);
}

pub(super) async fn a_loaded_device_is_locked_until_the_end(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(&tenant).await;
    let mut tx = fx.write().await;
    tx.device_load(&device.id).await.unwrap().unwrap();
    let rival = tokio::spawn({
        let (fx, id) = (fx.clone(), device.id.clone());
        async move { fx.write().await.device_load(&id).await.unwrap().unwrap().name }
    });
    tx.device_rename(&tenant, &device.id, "renamed").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rival.await.unwrap(), "renamed");
}

pub(super) async fn deleting_takes_everything_but_events(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let (device, other) = (fx.device(&tenant).await, fx.device(&tenant).await);
    let put = || vec![KeyWrite::Put { kind: "session", id: "a".to_owned(), value: vec![1], expires: None }];
    for d in [&device, &other] {
        fx.stored(&fx.message(d, Direction::In, "15550100002@s.whatsapp.net", "A1")).await;
        fx.webhook(&tenant, Some(d), &["*"]).await;
        fx.raised(&fx.event(&tenant, Some(d), "chat")).await;
        fx.db.apply(&d.id, put()).await.unwrap();
    }
    let mut tx = fx.write().await;
    assert!(tx.device_delete(&tenant, &device.id).await.unwrap());
    assert!(!tx.device_delete(&tenant, &device.id).await.unwrap());
    tx.commit().await.unwrap();
    for (table, left) in
        [("devices", 1), ("messages", 1), ("webhooks", 1), ("deliveries", 1), ("key_records", 1), ("events", 2)]
    {
        assert_eq!(fx.number(&format!("SELECT COUNT(*) FROM {table}")).await, left, "{table}");
    }
}

pub(super) async fn an_unknown_state_is_an_error_that_names_the_row(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(&tenant).await;
    fx.execute("UPDATE devices SET state = 'hovering'").await;
    let error = fx.read().await.device_find(&tenant, &device.id).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    for part in ["`devices`", "`state`", device.id.as_str()] {
        assert!(source.contains(part), "{source}");
    }
    assert!(!source.contains("hovering"), "{source}");
}
