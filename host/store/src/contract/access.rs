//! Tenants, keys, idempotency keys.

use portico_core::access::secret::KeyHash;
use portico_core::access::{AccessKey, Scope};
use portico_core::id::{KeyId, TenantId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{IdempotencyClaim, IdempotencyEntry};
use portico_core::time::UtcMs;

use crate::testing::{Fixture, page};

async fn key(fx: &Fixture, tenant: &TenantId, secret: &str) -> AccessKey {
    let at = fx.now();
    let key = AccessKey {
        id: KeyId::new(at.0, rand::random()),
        tenant: tenant.clone(),
        name: "shop".to_owned(),
        scopes: vec![Scope::DevicesRead, Scope::KeysWrite],
        created_at: at,
        expires_at: None,
        revoked_at: None,
    };
    let mut tx = fx.write().await;
    tx.key_insert(&key, &KeyHash::of(secret)).await.unwrap();
    tx.commit().await.unwrap();
    key
}

pub(super) async fn keys_are_found_by_hash_and_listed_newest_first(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    assert!(!fx.read().await.key_any(fx.now()).await.unwrap());
    let keys = [key(&fx, &tenant, "a").await, key(&fx, &tenant, "b").await, key(&fx, &tenant, "c").await];
    let mut tx = fx.read().await;
    assert!(tx.key_any(fx.now()).await.unwrap());
    let found = tx.key_find_by_hash(&KeyHash::of("b")).await.unwrap().unwrap();
    assert_eq!((found.id, found.tenant, found.scopes), (keys[1].id.clone(), tenant.clone(), keys[1].scopes.clone()));
    assert!(tx.key_find_by_hash(&KeyHash::of("d")).await.unwrap().is_none());
    let first: Vec<_> = tx.key_list(&tenant, &page(1)).await.unwrap().into_iter().map(|k| k.id).collect();
    assert_eq!(first, [keys[2].id.clone(), keys[1].id.clone()], "one more than asked for");
    let rest = PageRequest { limit: 5, before: Some(keys[1].id.to_string()) };
    assert_eq!(tx.key_list(&tenant, &rest).await.unwrap().len(), 1);
}

pub(super) async fn a_revoked_key_stays_but_does_not_count(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let key = key(&fx, &tenant, "a").await;
    let at = fx.now();
    let mut tx = fx.write().await;
    assert_eq!(tx.key_count(&tenant).await.unwrap(), 1);
    assert!(tx.key_revoke(&tenant, &key.id, at).await.unwrap());
    assert!(!tx.key_revoke(&tenant, &key.id, fx.now()).await.unwrap());
    assert_eq!(tx.key_count(&tenant).await.unwrap(), 0);
    assert!(!tx.key_any(fx.now()).await.unwrap());
    assert_eq!(tx.key_find(&tenant, &key.id).await.unwrap().unwrap().revoked_at, Some(at));
}

pub(super) async fn a_key_changes_its_name_and_scopes_only(fx: Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let key = key(&fx, &tenant, "a").await;
    let mut tx = fx.write().await;
    assert!(!tx.key_change(&other, &key.id, "till", &[]).await.unwrap(), "of another tenant");
    assert!(tx.key_change(&tenant, &key.id, "till", &[Scope::MessagesRead]).await.unwrap());
    let found = tx.key_find_by_hash(&KeyHash::of("a")).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str(), found.scopes), (key.id, "till", vec![Scope::MessagesRead]));
    assert_eq!((found.created_at, found.revoked_at), (key.created_at, None));
}

pub(super) async fn nothing_of_another_tenant_is_found(fx: Fixture) {
    let (ours, theirs) = (fx.tenant("ours").await, fx.tenant("theirs").await);
    let key = key(&fx, &theirs, "a").await;
    let device = fx.device(&theirs).await;
    let webhook = fx.webhook(&theirs, None, &["*"]).await;
    let mut tx = fx.write().await;
    assert!(tx.key_find(&ours, &key.id).await.unwrap().is_none());
    assert!(!tx.key_revoke(&ours, &key.id, fx.now()).await.unwrap());
    assert!(tx.device_find(&ours, &device.id).await.unwrap().is_none());
    assert!(!tx.device_rename(&ours, &device.id, "mine").await.unwrap());
    assert!(!tx.device_delete(&ours, &device.id).await.unwrap());
    assert!(tx.webhook_find(&ours, &webhook.id).await.unwrap().is_none());
    assert!(!tx.webhook_delete(&ours, &webhook.id).await.unwrap());
    assert_eq!(tx.tenant_find_by_name("theirs").await.unwrap(), Some(theirs));
    assert_eq!(tx.tenant_find_by_name("nobody").await.unwrap(), None);
}

fn entry(fingerprint: &str, at: UtcMs) -> IdempotencyEntry {
    IdempotencyEntry { fingerprint: fingerprint.to_owned(), resource: "msg_1".to_owned(), created_at: at }
}

pub(super) async fn an_idempotency_key_stands_for_its_first_use(fx: Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let first = entry("f1", fx.now());
    let mut tx = fx.write().await;
    assert_eq!(tx.idempotency_claim(&tenant, "k", &first).await.unwrap(), IdempotencyClaim::Fresh);
    let second = entry("f2", fx.now());
    assert_eq!(tx.idempotency_claim(&tenant, "k", &second).await.unwrap(), IdempotencyClaim::Known(first.clone()));
    assert_eq!(tx.idempotency_find(&tenant, "k").await.unwrap(), Some(first.clone()));
    assert_eq!(tx.idempotency_find(&other, "k").await.unwrap(), None);
    assert_eq!(tx.idempotency_claim(&other, "k", &second).await.unwrap(), IdempotencyClaim::Fresh);
    assert_eq!(tx.idempotency_purge(first.created_at).await.unwrap(), 1);
    assert_eq!(tx.idempotency_claim(&tenant, "k", &second).await.unwrap(), IdempotencyClaim::Fresh);
}

pub(super) async fn rivals_with_one_idempotency_key_make_one_thing(fx: Fixture) {
    let tenant = fx.tenant("t").await;
    let rivals: Vec<_> = (0..8)
        .map(|n| {
            let (fx, tenant) = (fx.clone(), tenant.clone());
            tokio::spawn(async move {
                let mut tx = fx.write().await;
                let claim = tx.idempotency_claim(&tenant, "k", &entry(&n.to_string(), fx.now())).await.unwrap();
                tx.commit().await.unwrap();
                claim == IdempotencyClaim::Fresh
            })
        })
        .collect();
    let mut fresh = 0;
    for rival in rivals {
        fresh += u32::from(rival.await.unwrap());
    }
    assert_eq!(fresh, 1);
}
