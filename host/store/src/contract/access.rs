//! Tenants, keys, idempotency keys.

use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Scope};
use portico_core::id::{DeviceId, KeyId, TenantId};
use portico_core::model::number::Numbered;
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, DeviceTx, IdempotencyEntry, Store, WebhookTx};

use crate::testing::{Fixture, leak, page};

async fn key(fx: &'static Fixture, tenant: &TenantId, secret: &'static str) -> &'static AccessKey {
    key_of(fx, tenant, None, secret).await
}

async fn key_of(
    fx: &'static Fixture,
    tenant: &TenantId,
    device: Option<&DeviceId>,
    secret: &'static str,
) -> &'static AccessKey {
    let at = fx.now();
    let number = fx.number_of(tenant, Numbered::Key).await;
    let key = leak(AccessKey {
        id: KeyId::new(at.0, rand::random()),
        number,
        device: device.cloned(),
        tenant: tenant.clone(),
        name: "shop".to_owned(),
        scopes: vec![Scope::DevicesRead, Scope::KeysWrite],
        created_at: at,
        expires_at: None,
        revoked_at: None,
        sealed_secret: device.map(|_| vec![0, 255]),
    });
    fx.write(move |tx| tx.key_insert(key, &KeyHash::of(secret)).unwrap()).await;
    key
}

pub(super) async fn keys_are_found_by_hash_and_listed_newest_first(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    assert!(!fx.read(move |tx| tx.key_any(fx.now()).unwrap()).await);
    let keys = [key(fx, tenant, "a").await, key(fx, tenant, "b").await, key(fx, tenant, "c").await];
    fx.read(move |tx| {
        assert!(tx.key_any(fx.now()).unwrap());
        let found = tx.key_find_by_hash(&KeyHash::of("b")).unwrap().unwrap();
        assert_eq!(
            (found.id, found.tenant, found.scopes),
            (keys[1].id.clone(), tenant.clone(), keys[1].scopes.clone())
        );
        assert!(tx.key_find_by_hash(&KeyHash::of("d")).unwrap().is_none());
        let first: Vec<_> = tx.key_list(tenant, None, &page(1)).unwrap().into_iter().map(|k| k.id).collect();
        assert_eq!(first, [keys[2].id.clone(), keys[1].id.clone()], "one more than asked for");
        let rest = PageRequest { before: Some(keys[1].id.to_string()), ..PageRequest::first(5) };
        assert_eq!(tx.key_list(tenant, None, &rest).unwrap().len(), 1);
    })
    .await;
}

pub(super) async fn a_revoked_key_stays_but_does_not_count(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let key = key(fx, tenant, "a").await;
    let at = fx.now();
    fx.undone(move |tx| {
        assert_eq!(tx.key_count(tenant).unwrap(), 1);
        assert!(tx.key_revoke(tenant, &key.id, at).unwrap());
        assert!(!tx.key_revoke(tenant, &key.id, fx.now()).unwrap());
        assert_eq!(tx.key_count(tenant).unwrap(), 0);
        assert!(!tx.key_any(fx.now()).unwrap());
        assert_eq!(tx.key_find(tenant, &key.id).unwrap().unwrap().revoked_at, Some(at));
    })
    .await;
}

pub(super) async fn a_key_changes_its_name_and_scopes_only(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let key = key(fx, tenant, "a").await;
    fx.undone(move |tx| {
        assert!(!tx.key_change(other, &key.id, "till", &[]).unwrap(), "of another tenant");
        assert!(tx.key_change(tenant, &key.id, "till", &[Scope::MessagesRead]).unwrap());
        let found = tx.key_find_by_hash(&KeyHash::of("a")).unwrap().unwrap();
        assert_eq!((found.id, found.name.as_str(), found.scopes), (key.id.clone(), "till", vec![Scope::MessagesRead]));
        assert_eq!((found.created_at, found.revoked_at), (key.created_at, None));
    })
    .await;
}

pub(super) async fn nothing_of_another_tenant_is_found(fx: &'static Fixture) {
    let (ours, theirs) = (fx.tenant("ours").await, fx.tenant("theirs").await);
    let key = key(fx, theirs, "a").await;
    let device = fx.device(theirs).await;
    let webhook = fx.webhook(theirs, None, &["*"]).await;
    fx.undone(move |tx| {
        assert!(tx.key_find(ours, &key.id).unwrap().is_none());
        assert!(!tx.key_revoke(ours, &key.id, fx.now()).unwrap());
        assert!(tx.device_find(ours, &device.id).unwrap().is_none());
        assert!(!tx.device_rename(ours, &device.id, "mine").unwrap());
        assert!(!tx.device_delete(ours, &device.id).unwrap());
        assert!(tx.webhook_find(ours, &webhook.id).unwrap().is_none());
        assert!(!tx.webhook_delete(ours, &webhook.id).unwrap());
        assert_eq!(tx.tenant_find_by_name("theirs").unwrap(), Some(theirs.clone()));
        assert_eq!(tx.tenant_find_by_name("nobody").unwrap(), None);
    })
    .await;
}

pub(super) async fn an_idempotency_key_stands_for_its_first_use(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    fx.undone(move |tx| {
        let (first, second) = (fx.now(), fx.now());
        assert_eq!(tx.idempotency_claim(tenant, "k", "f1", first).unwrap(), None);
        tx.idempotency_answer(tenant, "k", &[0, 255]).unwrap();
        let known = IdempotencyEntry { fingerprint: "f1".to_owned(), sealed_answer: vec![0, 255] };
        assert_eq!(tx.idempotency_claim(tenant, "k", "f2", second).unwrap(), Some(known.clone()));
        assert_eq!(tx.idempotency_find(tenant, "k").unwrap(), Some(known));
        assert_eq!(tx.idempotency_find(other, "k").unwrap(), None);
        assert_eq!(tx.idempotency_claim(other, "k", "f2", second).unwrap(), None);
        assert_eq!(tx.idempotency_purge(first).unwrap(), 1);
        assert_eq!(tx.idempotency_claim(tenant, "k", "f2", second).unwrap(), None);
    })
    .await;
}

pub(super) async fn rivals_with_one_idempotency_key_make_one_thing(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let rivals: Vec<_> = (0..8)
        .map(|n: u8| {
            let rival = move |tx: &mut crate::db::DbTx<'_>| {
                let known = tx.idempotency_claim(tenant, "k", &n.to_string(), fx.now()).unwrap();
                if known.is_none() {
                    tx.idempotency_answer(tenant, "k", &[n]).unwrap();
                }
                known.map(|known| known.sealed_answer)
            };
            tokio::spawn(fx.write(rival))
        })
        .collect();
    let mut answers = Vec::new();
    for rival in rivals {
        answers.extend(rival.await.unwrap());
    }
    assert_eq!(answers.len(), 7, "one was first");
    assert!(answers.iter().all(|answer| answer.len() == 1 && *answer == answers[0]), "{answers:?}");
}

pub(super) async fn a_revoked_key_is_not_answered_from_memory(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let key = key(fx, tenant, "a").await;
    let hash = KeyHash::of("a");
    for _ in 0..2 {
        assert_eq!(fx.db.key(&hash).await.unwrap().map(|k| k.id), Some(key.id.clone()));
    }
    fx.undone(move |tx| tx.key_revoke(tenant, &key.id, fx.now()).unwrap()).await;
    assert_eq!(fx.db.key(&hash).await.unwrap().map(|k| k.revoked_at), Some(None), "it was undone");
    // Readers look all the time; from the moment the revocation is acknowledged none may see the key unrevoked.
    let (revoked, watched) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut watched = watched.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let was_revoked = *watched.borrow_and_update();
                    let found = fx.db.key(&hash).await.unwrap().expect("the key stays");
                    assert!(found.revoked_at.is_some() || !was_revoked, "round {round}");
                    if was_revoked {
                        return;
                    }
                    // An answer from memory never waits; the others need the thread, too.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    assert!(fx.write(move |tx| tx.key_revoke(tenant, &key.id, fx.now()).unwrap()).await);
    revoked.send_replace(true);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(fx.db.key(&hash).await.unwrap().expect("the key stays").revoked_at.is_some());
    assert!(fx.db.key(&KeyHash::of("b")).await.unwrap().is_none());
}

pub(super) async fn a_key_of_a_device_goes_with_it(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let (device, other) = (fx.device(tenant).await, fx.device(tenant).await);
    let bound = key_of(fx, tenant, Some(&device.id), "bound").await;
    let free = key(fx, tenant, "free").await;
    let hash = KeyHash::of("bound");
    let found = fx.db.key(&hash).await.unwrap().expect("the key");
    assert_eq!((found.device.as_ref(), found.sealed_secret.as_deref()), (Some(&device.id), Some(&[0, 255][..])));
    fx.read(move |tx| {
        let ids = |list: Vec<AccessKey>| list.into_iter().map(|key| key.id).collect::<Vec<_>>();
        assert_eq!(ids(tx.key_list(tenant, Some(&device.id), &page(9)).unwrap()), std::slice::from_ref(&bound.id));
        assert!(tx.key_list(tenant, Some(&other.id), &page(9)).unwrap().is_empty());
        let second = PageRequest { offset: 1, ..page(9) };
        assert_eq!(ids(tx.key_list(tenant, None, &second).unwrap()), std::slice::from_ref(&bound.id));
        assert_eq!(tx.key_total(tenant, None, 9).unwrap(), 2);
        assert_eq!(tx.key_total(tenant, Some(&device.id), 9).unwrap(), 1);
    })
    .await;
    assert!(fx.write(move |tx| tx.device_delete(tenant, &device.id).unwrap()).await);
    assert!(fx.db.key(&hash).await.unwrap().is_none(), "not from memory either");
    assert!(fx.db.key(&KeyHash::of("free")).await.unwrap().is_some_and(|key| key.id == free.id));
}

pub(super) async fn numbers_count_up_for_each_kind_and_tenant(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (first, second) = (fx.device(tenant).await, fx.device(tenant).await);
    let theirs = fx.device(other).await;
    let key = key(fx, tenant, "a").await;
    assert_eq!([first.number, second.number, theirs.number, key.number], [1, 2, 1, 1]);
    fx.read(move |tx| {
        let mut id = |tenant, kind, number| tx.id_numbered(tenant, kind, number).unwrap();
        assert_eq!(id(tenant, Numbered::Device, 2).as_deref(), Some(second.id.as_str()));
        assert_eq!(id(other, Numbered::Device, 1).as_deref(), Some(theirs.id.as_str()));
        assert_eq!(id(tenant, Numbered::Key, 1).as_deref(), Some(key.id.as_str()));
        assert_eq!(id(other, Numbered::Device, 2), None);
        assert_eq!((id(tenant, Numbered::User, 1), id(tenant, Numbered::Webhook, 1)), (None, None));
    })
    .await;
    // What is gone leaves a gap, and what was undone does not.
    assert!(fx.write(move |tx| tx.device_delete(tenant, &second.id).unwrap()).await);
    fx.undone(move |tx| assert_eq!(tx.number_next(tenant, Numbered::Device).unwrap(), 3)).await;
    let rivals: Vec<_> = (0..8).map(|_| tokio::spawn(fx.number_of(tenant, Numbered::Device))).collect();
    let mut numbers = Vec::new();
    for rival in rivals {
        numbers.push(rival.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (3..11).collect::<Vec<_>>());
}

pub(super) async fn preset_keys_are_told_apart_until_they_are_revoked(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (a, b) = (key(fx, tenant, "a").await, key(fx, other, "b").await);
    key(fx, tenant, "c").await;
    fx.undone(move |tx| {
        assert!(tx.key_list_preset().unwrap().is_empty());
        tx.key_preset(tenant, &a.id, fx.now()).unwrap();
        tx.key_preset(other, &b.id, fx.now()).unwrap();
        let both = [(tenant.clone(), a.id.clone()), (other.clone(), b.id.clone())];
        assert_eq!(tx.key_list_preset().unwrap(), both);
        assert!(tx.key_revoke(tenant, &a.id, fx.now()).unwrap());
        assert_eq!(tx.key_list_preset().unwrap(), both[1..]);
    })
    .await;
}

pub(super) async fn tenants_are_listed(fx: &'static Fixture) {
    let (first, second) = (fx.tenant("t").await, fx.tenant("u").await);
    fx.read(move |tx| {
        let mut ids = |page: PageRequest| tx.tenant_list(&page).unwrap().into_iter().map(|t| t.id).collect::<Vec<_>>();
        assert_eq!(ids(page(9)), [second.clone(), first.clone()]);
        assert_eq!(ids(PageRequest { offset: 1, ..page(9) }), std::slice::from_ref(first));
        assert_eq!(ids(PageRequest { before: Some(second.to_string()), ..page(9) }), std::slice::from_ref(first));
        assert_eq!(tx.tenant_find(first).unwrap().map(|tenant| tenant.name).as_deref(), Some("t"));
        assert_eq!((tx.tenant_total(9).unwrap(), tx.tenant_total(1).unwrap()), (2, 1));
    })
    .await;
}
