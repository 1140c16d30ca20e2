//! Devices.

use portico_core::device::{DeviceState, Refs, Settings, StateReason, Wanted};
use portico_core::id::DeviceId;
use portico_core::message::Direction;
use portico_core::model::number::Numbered;
use portico_core::page::PageRequest;
use portico_core::ports::keys::{KeyRecords, KeyWrite};
use portico_core::ports::store::{DeviceChange, DeviceFilter, DeviceTx, Store};
use portico_core::ports::whatsapp::Account;
use portico_core::time::UtcMs;
use serde_json::json;

use crate::testing::{Fixture, page};

pub(super) async fn a_device_survives_the_round_trip(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let mut device = fx.device(tenant).await.clone();
    device.id = DeviceId::new(fx.now().0, 1);
    device.number = fx.number_of(tenant, Numbered::Device).await;
    device.settings = Settings::new(json!({ "tag": 1 }).as_object().cloned().unwrap()).unwrap();
    device.state = DeviceState::PasskeyRequired;
    device.reason = Some(StateReason::new("qr_expired", "nobody scanned"));
    device.deadline = Some(fx.now());
    device.wanted = Wanted::Running;
    device.jid = Some("15550100002@s.whatsapp.net".to_owned());
    device.lid = Some("100000000000001@lid".to_owned());
    device.push_name = Some("Ada".to_owned());
    fx.undone(move |tx| {
        tx.device_insert(&device).unwrap();
        let found = tx.device_find(tenant, &device.id).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value(&device).unwrap());
        assert_eq!(found.tenant, *tenant);
        assert!(tx.device_rename(tenant, &device.id, "support").unwrap());
        tx.device_forget_account(&device.id).unwrap();
        let found = tx.device_load(&device.id).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.jid, found.lid, found.push_name), ("support", None, None, None));
    })
    .await;
}

pub(super) async fn a_change_keeps_what_it_does_not_name(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let identity = |jid: Option<&str>, name: Option<&str>| {
        Some(Account { jid: jid.map(str::to_owned), lid: None, push_name: name.map(str::to_owned) })
    };
    let change = DeviceChange {
        state: DeviceState::Connected,
        reason: Some(StateReason::new("a", "b")),
        since: fx.now(),
        deadline: Some(fx.now()),
        identity: identity(Some("15550100002@s.whatsapp.net"), None),
    };
    fx.undone(move |tx| {
        let mut change = change;
        tx.device_change(&device.id, &change).unwrap();
        change = DeviceChange { reason: None, deadline: None, identity: identity(None, Some("Ada")), ..change };
        tx.device_change(&device.id, &change).unwrap();
        change.identity = None;
        tx.device_change(&device.id, &change).unwrap();
        let found = tx.device_load(&device.id).unwrap().unwrap();
        assert_eq!(found.state, DeviceState::Connected);
        assert_eq!((found.reason, found.deadline), (None, None));
        assert_eq!(found.jid.as_deref(), Some("15550100002@s.whatsapp.net"));
        assert_eq!(found.push_name.as_deref(), Some("Ada"));
        assert_eq!(tx.device_count_by_state().unwrap(), [(DeviceState::Connected, 1)]);
    })
    .await;
}

pub(super) async fn pages_go_back_in_time(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(fx.device(tenant).await.id.clone());
    }
    ids.reverse();
    fx.read(move |tx| {
        let first: Vec<_> =
            tx.device_list(tenant, &DeviceFilter::default(), &page(2)).unwrap().into_iter().map(|d| d.id).collect();
        assert_eq!(first, ids[..3]);
        let next = PageRequest { before: Some(ids[1].to_string()), ..PageRequest::first(2) };
        let second: Vec<_> =
            tx.device_list(tenant, &DeviceFilter::default(), &next).unwrap().into_iter().map(|d| d.id).collect();
        assert_eq!(second, ids[2..5]);
        assert_eq!(tx.device_count(tenant).unwrap(), 5);
    })
    .await;
}

pub(super) async fn devices_that_should_run_and_that_are_late_are_found(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let (a, b, c) = (fx.device(tenant).await, fx.device(tenant).await, fx.device(tenant).await);
    fx.undone(move |tx| {
        for device in [&a, &c] {
            tx.device_want(&device.id, Wanted::Running).unwrap();
        }
        let ids = |found: Vec<portico_core::device::Device>| found.into_iter().map(|d| d.id).collect::<Vec<_>>();
        assert_eq!(ids(tx.device_wanted(None, 10).unwrap()), [a.id.clone(), c.id.clone()]);
        assert_eq!(ids(tx.device_wanted(Some(&a.id), 10).unwrap()), std::slice::from_ref(&c.id));
        let deadline = fx.now();
        let state = DeviceState::Pairing;
        let change = DeviceChange { state, reason: None, since: deadline, deadline: Some(deadline), identity: None };
        tx.device_change(&b.id, &change).unwrap();
        assert!(tx.device_overdue(UtcMs(deadline.0 - 1), 10).unwrap().is_empty());
        assert_eq!(tx.device_overdue(deadline, 10).unwrap(), std::slice::from_ref(&b.id));
    })
    .await;
}

pub(super) async fn a_loaded_device_is_locked_until_the_end(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let runtime = tokio::runtime::Handle::current();
    let rival = fx.write(move |tx| {
        tx.device_load(&device.id).unwrap().unwrap();
        let load = |tx: &mut crate::db::DbTx<'_>| tx.device_load(&device.id).unwrap().unwrap().name;
        let rival = runtime.spawn(fx.write(load));
        tx.device_rename(tenant, &device.id, "renamed").unwrap();
        rival
    });
    assert_eq!(rival.await.await.unwrap(), "renamed");
}

pub(super) async fn deleting_takes_everything_but_events(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let (device, other) = (fx.device(tenant).await, fx.device(tenant).await);
    let put = || vec![KeyWrite::Put { kind: "session", id: "a".to_owned(), value: vec![1], expires: None }];
    for d in [&device, &other] {
        fx.stored(fx.message(d, Direction::In, "15550100002@s.whatsapp.net", "A1")).await;
        fx.webhook(tenant, Some(d), &["*"]).await;
        fx.raised(fx.event(tenant, Some(d), "chat")).await;
        fx.db.apply(&d.id, put()).await.unwrap();
    }
    fx.write(move |tx| {
        assert!(tx.device_delete(tenant, &device.id).unwrap());
        assert!(!tx.device_delete(tenant, &device.id).unwrap());
    })
    .await;
    for (table, left) in
        [("devices", 1), ("messages", 1), ("webhooks", 1), ("deliveries", 1), ("key_records", 1), ("events", 2)]
    {
        assert_eq!(fx.number(&format!("SELECT COUNT(*) FROM {table}")).await, left, "{table}");
    }
}

pub(super) async fn an_unknown_state_is_an_error_that_names_the_row(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    fx.execute("UPDATE devices SET state = 'hovering'").await;
    let error = fx.read(move |tx| tx.device_find(tenant, &device.id).unwrap_err()).await;
    let source = std::error::Error::source(&error).unwrap().to_string();
    for part in ["`devices`", "`state`", device.id.as_str()] {
        assert!(source.contains(part), "{source}");
    }
    assert!(!source.contains("hovering"), "{source}");
}

pub(super) async fn a_device_is_answered_from_memory_as_it_is(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let device = fx.device(tenant).await;
    let name = async || fx.db.device(tenant, &device.id).await.unwrap().map(|d| d.name);
    for _ in 0..2 {
        assert_eq!(name().await.as_deref(), Some("sales"));
        assert!(fx.db.device(other, &device.id).await.unwrap().is_none(), "of another tenant");
    }
    assert!(fx.write(move |tx| tx.device_rename(tenant, &device.id, "support").unwrap()).await);
    assert_eq!(name().await.as_deref(), Some("support"));
    fx.write(move |tx| tx.device_want(&device.id, Wanted::Running).unwrap()).await;
    let found = fx.db.device(tenant, &device.id).await.unwrap().unwrap();
    assert_eq!(found.wanted, Wanted::Running);
    assert!(fx.write(move |tx| tx.device_delete(tenant, &device.id).unwrap()).await);
    assert_eq!(name().await, None);
}

fn refs(pairs: &[(&str, &str)]) -> Refs {
    Refs::new(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()).unwrap()
}

pub(super) async fn refs_are_unique_and_find_their_device(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (a, b, theirs) = (fx.device(tenant).await, fx.device(tenant).await, fx.device(other).await);
    let both = refs(&[("shop", "7"), ("crm", "x y")]);
    let settings = Settings::new(json!({ "ai": { "on": true } }).as_object().cloned().unwrap()).unwrap();
    let (set, kept) = (both.clone(), settings.clone());
    fx.write(move |tx| {
        assert!(tx.device_refs_set(tenant, &a.id, &set).unwrap());
        assert!(tx.device_refs_set(other, &theirs.id, &set).unwrap(), "another tenant's");
        tx.device_settings_set(tenant, &a.id, &kept).unwrap();
    })
    .await;
    fx.undone(move |tx| assert!(!tx.device_refs_set(tenant, &b.id, &refs(&[("shop", "7")])).unwrap())).await;
    let found = fx.db.device(tenant, &a.id).await.unwrap().unwrap();
    assert_eq!((found.refs, found.settings), (both, settings));
    fx.read(move |tx| {
        let mut by = |tenant, namespace, value| tx.device_id_by_ref(tenant, namespace, value).unwrap();
        assert_eq!(by(tenant, "shop", "7").as_deref(), Some(a.id.as_str()));
        assert_eq!(by(other, "crm", "x y").as_deref(), Some(theirs.id.as_str()));
        assert_eq!((by(tenant, "shop", "8"), by(tenant, "crm", "7")), (None, None));
    })
    .await;
    fx.write(move |tx| {
        assert!(tx.device_refs_set(tenant, &a.id, &refs(&[("shop", "8")])).unwrap());
        assert!(tx.device_refs_set(tenant, &b.id, &refs(&[("shop", "7")])).unwrap(), "it is free now");
        assert!(tx.device_delete(tenant, &a.id).unwrap());
        assert_eq!(tx.device_id_by_ref(tenant, "shop", "8").unwrap(), None);
    })
    .await;
}

pub(super) async fn lists_pass_over_rows_and_count_them(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let mut devices = Vec::new();
    for n in 0..4 {
        let device = fx.device(tenant).await;
        let named = refs(&[(if n < 3 { "shop" } else { "crm" }, &n.to_string())]);
        fx.write(move |tx| tx.device_refs_set(tenant, &device.id, &named).unwrap()).await;
        devices.push(device);
    }
    fx.read(move |tx| {
        let named = |namespace: &str, value: Option<&str>| DeviceFilter {
            only: None,
            named: Some((namespace.to_owned(), value.map(str::to_owned))),
        };
        let only = DeviceFilter { only: Some(devices[1].id.clone()), named: None };
        for (filter, offset, wanted) in [
            (DeviceFilter::default(), 1, vec![2, 1, 0]),
            (DeviceFilter::default(), 9, vec![]),
            (named("shop", None), 0, vec![2, 1, 0]),
            (named("shop", None), 2, vec![0]),
            (named("shop", Some("1")), 0, vec![1]),
            (named("crm", Some("1")), 0, vec![]),
            (only.clone(), 0, vec![1]),
            (DeviceFilter { only: Some(devices[3].id.clone()), ..named("shop", None) }, 0, vec![]),
        ] {
            let page = PageRequest { offset, ..page(9) };
            let found = tx.device_list(tenant, &filter, &page).unwrap();
            let wanted: Vec<_> = wanted.into_iter().map(|n: usize| devices[n].id.clone()).collect();
            assert_eq!(found.into_iter().map(|d| d.id).collect::<Vec<_>>(), wanted, "{filter:?} {offset}");
            if offset == 0 {
                assert_eq!(tx.device_total(tenant, &filter, 99).unwrap(), wanted.len() as u64, "{filter:?}");
            }
        }
        assert_eq!(tx.device_total(tenant, &DeviceFilter::default(), 99).unwrap(), 4);
        assert_eq!(tx.device_total(tenant, &DeviceFilter::default(), 3).unwrap(), 3);
    })
    .await;
}
