//! Versions, offers, enablements, and the values of plugins.

use portico_core::id::EnablementId;
use portico_core::plugin::{Audience, Enablement, Grant, OnFailure, Origin, PluginOffer, PluginVersion, Switch};
use portico_core::ports::plugins::{KvScope, KvValue};
use portico_core::ports::store::{DeviceTx, KvEntry, PluginTx};
use serde_json::json;

use crate::testing::Fixture;

fn version(fx: &Fixture, digest: &str, plugin: &str) -> PluginVersion {
    PluginVersion {
        digest: digest.to_owned(),
        plugin: plugin.to_owned(),
        version: "1.2.0".to_owned(),
        origin: Origin::Uploaded,
        manifest: "[plugin]".to_owned(),
        schema: Some(json!({ "type": "object" })),
        created_at: fx.now(),
    }
}

fn enablement(fx: &Fixture, tenant: &portico_core::id::TenantId, plugin: &str) -> Enablement {
    Enablement {
        id: EnablementId::new(fx.now().0, rand::random()),
        tenant: tenant.clone(),
        plugin: plugin.to_owned(),
        device: None,
        state: Switch::On,
        settings: json!({ "pause": 5, "night": { "from": 22 } }).as_object().cloned().expect("an object"),
        secret_names: vec!["token".to_owned()],
        sealed_secrets: Some(vec![0, 1, 255]),
        grants: Some(vec![Grant::Kv]),
        position: -3,
        on_failure: Some(OnFailure::Wait),
        revision: 1,
        changed_at: fx.now(),
    }
}

pub(super) async fn versions_and_offers_survive_the_round_trip(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let (first, second) = (version(fx, "d1", "acme.bot"), version(fx, "d2", "acme.bot"));
    let other = version(fx, "d3", "acme.other");
    let (old, new) = (first.clone(), second.clone());
    fx.write(move |tx| {
        assert!(tx.plugin_version_insert(&old).unwrap());
        assert!(!tx.plugin_version_insert(&old).unwrap(), "known already");
        assert!(tx.plugin_version_insert(&new).unwrap());
        assert!(tx.plugin_version_insert(&other).unwrap());
    })
    .await;
    let stored = fx.read(|tx| tx.plugin_version_list("acme.bot").unwrap()).await;
    assert_eq!(stored, [second, first.clone()], "newest first");
    assert_eq!(fx.read(|tx| tx.plugin_version_find("d1").unwrap()).await, Some(first.clone()));

    let mut offer = PluginOffer::of(&first);
    assert_eq!(offer.default_state, Switch::Off, "what was uploaded waits to be switched on");
    let put = offer.clone();
    fx.write(move |tx| tx.plugin_offer_put(&put).unwrap()).await;
    offer.move_to("d2", fx.now());
    offer.grants_max = Some(vec![Grant::Rest, Grant::Kv]);
    offer.audience = Audience::Tenants(vec![tenant.clone()]);
    offer.public_routes = Some(Switch::On);
    let put = offer.clone();
    fx.write(move |tx| tx.plugin_offer_put(&put).unwrap()).await;
    assert_eq!(fx.read(|tx| tx.plugin_offer_find("acme.bot").unwrap()).await, Some(offer.clone()));
    assert_eq!(fx.read(|tx| tx.plugin_offer_list().unwrap()).await, [offer]);
    fx.write(|tx| {
        assert!(tx.plugin_offer_delete("acme.bot").unwrap());
        assert!(!tx.plugin_offer_delete("acme.bot").unwrap());
        assert!(tx.plugin_version_delete("d1").unwrap());
    })
    .await;
}

pub(super) async fn a_tenant_and_each_of_its_devices_decide_once(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("other").await);
    let device = fx.device(tenant).await;
    let own = enablement(fx, tenant, "acme.bot");
    let of_device = Enablement { device: Some(device.id.clone()), ..enablement(fx, tenant, "acme.bot") };
    let elsewhere = enablement(fx, other, "acme.bot");
    let rows = [own.clone(), of_device.clone(), elsewhere.clone()];
    fx.write(move |tx| rows.iter().for_each(|row| tx.enablement_put(row).unwrap())).await;
    let mut stored = fx.read(move |tx| tx.enablement_list(tenant, "acme.bot").unwrap()).await;
    stored.sort_by_key(|row| row.device.is_some());
    assert_eq!(stored, [own.clone(), of_device.clone()]);
    assert_eq!(fx.read(move |tx| tx.enablement_of_tenant(other).unwrap()).await, [elsewhere]);

    let changed = Enablement {
        state: Switch::Off,
        settings: Default::default(),
        secret_names: Vec::new(),
        sealed_secrets: None,
        grants: None,
        revision: 2,
        ..own
    };
    let put = changed.clone();
    fx.write(move |tx| tx.enablement_put(&put).unwrap()).await;
    let first = fx.read(|tx| tx.enablement_all(None, 1).unwrap()).await;
    let after = first[0].id.clone();
    let rest = fx.read(move |tx| tx.enablement_all(Some(&after), 10).unwrap()).await;
    assert_eq!((first.len(), rest.len()), (1, 2), "by id, some at a time");
    assert!(first.iter().chain(&rest).any(|row| *row == changed));

    fx.write(move |tx| {
        assert!(tx.enablement_delete(tenant, "acme.bot", None).unwrap());
        assert!(!tx.enablement_delete(tenant, "acme.bot", None).unwrap());
        assert!(tx.device_delete(tenant, &device.id).unwrap());
        assert!(tx.enablement_of_tenant(tenant).unwrap().is_empty(), "what a device decided goes with it");
    })
    .await;
}

pub(super) async fn values_are_kept_by_scope_and_listed_by_prefix(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("other").await);
    let device = fx.device(tenant).await;
    let scope = |tenant: &portico_core::id::TenantId, device| KvScope {
        tenant: tenant.clone(),
        plugin: "acme.bot".to_owned(),
        device,
    };
    let (own, of_device) = (scope(tenant, None), scope(tenant, Some(device.id.clone())));
    let elsewhere = scope(other, None);
    let now = fx.now();
    let entry = |value: &[u8], version, expires_at| KvEntry { value: value.to_vec(), version, expires_at };
    fx.write(move |tx| {
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            tx.kv_put(&own, key, &entry(b"\0x", 1, None)).unwrap();
        }
        tx.kv_put(&own, "a/2", &entry(b"two", 2, None)).unwrap();
        tx.kv_put(&own, "a/9", &entry(b"gone", 1, Some(now))).unwrap();
        tx.kv_put(&of_device, "a/1", &entry(b"device", 1, None)).unwrap();
        let get = |tx: &mut crate::db::DbTx<'_>, scope: &KvScope, key: &str| tx.kv_get(scope, key, now).unwrap();
        assert_eq!(get(tx, &own, "a/2"), Some(KvValue { value: b"two".to_vec(), version: 2 }));
        assert_eq!(get(tx, &of_device, "a/1").map(|kept| kept.value), Some(b"device".to_vec()));
        assert_eq!(get(tx, &elsewhere, "a/1"), None);
        assert_eq!(get(tx, &own, "a/9"), None, "expired");
        let list = |tx: &mut crate::db::DbTx<'_>, prefix: &str, after: &str, limit| {
            tx.kv_list(&own, prefix, after, now, limit).unwrap()
        };
        assert_eq!(list(tx, "a/", "", 10), ["a/1", "a/2", "a/3"]);
        assert_eq!(list(tx, "a/", "a/1", 1), ["a/2"]);
        assert_eq!(list(tx, "", "", 10).len(), 4);
        assert_eq!(tx.kv_size(&own).unwrap(), (5, 5 * 3 + 3 * 2 + 3 + 4));
        assert_eq!(tx.kv_purge(&own, now).unwrap(), 1);
        assert!(tx.kv_delete(&own, "a/1").unwrap());
        assert!(!tx.kv_delete(&own, "a/1").unwrap());
        assert_eq!(tx.kv_size(&own).unwrap().0, 3);
        assert_eq!(tx.kv_size(&of_device).unwrap().0, 1);
        assert!(tx.device_delete(tenant, &device.id).unwrap());
        assert_eq!(tx.kv_size(&of_device).unwrap().0, 0, "a device's values go with it");
    })
    .await;
}

pub(super) async fn a_delivery_remembers_what_shaped_it(fx: &'static Fixture) {
    use super::outbox::{claim, finish, result};
    use portico_core::ports::store::AttemptResult;
    use portico_core::webhook::DeliveryState;

    let tenant = fx.tenant("t").await;
    fx.webhook(tenant, None, &["*"]).await;
    fx.raised(fx.event(tenant, None, "chat")).await;
    let claimed = claim(fx, fx.now(), 10).await;
    assert_eq!(claimed[0].shaped_by, None);
    let now = fx.now();
    let retry = result(&claimed[0].id, 1, DeliveryState::Pending, Some(now), now);
    finish(fx, &[AttemptResult { shaped_by: Some("d1".to_owned()), ..retry.clone() }]).await;
    let claimed = claim(fx, fx.now(), 10).await;
    assert_eq!(claimed[0].shaped_by.as_deref(), Some("d1"));
    finish(fx, &[AttemptResult { at: fx.now(), ..retry }]).await;
    let claimed = claim(fx, fx.now(), 10).await;
    assert_eq!(claimed[0].shaped_by.as_deref(), Some("d1"), "a result that says nothing changes nothing");
}
