//! Users.

use portico_core::access::{Role, User};
use portico_core::id::{TenantId, UserId};
use portico_core::model::number::Numbered;
use portico_core::page::PageRequest;
use portico_core::ports::store::{AccessTx, DeviceTx, UserTx};

use crate::testing::{Fixture, leak, page};

/// A user who is not stored yet.
async fn user(fx: &Fixture, tenant: &TenantId, mobile: Option<&str>, email: Option<&str>) -> &'static User {
    let at = fx.now();
    leak(User {
        id: UserId::new(at.0, rand::random()),
        number: fx.number_of(tenant, Numbered::User).await,
        tenant: tenant.clone(),
        name: "Ada".to_owned(),
        mobile: mobile.map(str::to_owned),
        email: email.map(str::to_owned),
        password_hash: "$argon2id$".to_owned(),
        role: Role::Owner,
        login_version: 1,
        created_at: at,
        made_by: None,
        last_login: None,
    })
}

/// Everything of a user, as text.
fn shown(user: &User) -> String {
    let User { id, number, tenant, name, mobile, email, password_hash, role, .. } = user;
    let User { login_version, created_at, made_by, last_login, .. } = user;
    format!(
        "{id} {number} {tenant} {name} {mobile:?} {email:?} {password_hash} {role:?} {login_version} {created_at:?} \
         {made_by:?} {last_login:?}"
    )
}

pub(super) async fn users_are_found_by_what_they_log_in_with(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let ada = user(fx, tenant, Some("15550100002"), Some("ada@example.com")).await;
    let bob = user(fx, tenant, None, Some("bob@example.com")).await;
    fx.undone(move |tx| {
        assert!(tx.user_insert(ada).unwrap() && tx.user_insert(bob).unwrap());
        let found = tx.user_find_by_mobile("15550100002").unwrap().unwrap();
        assert_eq!(shown(&found), shown(ada));
        assert_eq!(tx.user_find_by_email("bob@example.com").unwrap().unwrap().id, bob.id);
        assert!(tx.user_find_by_mobile("15550100003").unwrap().is_none());
        assert!(tx.user_find(other, &ada.id).unwrap().is_none());
        assert_eq!(tx.id_numbered(tenant, Numbered::User, 2).unwrap().as_deref(), Some(bob.id.as_str()));
        let second = PageRequest { offset: 1, ..page(9) };
        assert_eq!(tx.user_list(tenant, &page(9)).unwrap().len(), 2);
        assert_eq!(tx.user_list(tenant, &second).unwrap()[0].id, ada.id);
        assert_eq!((tx.user_count(tenant).unwrap(), tx.user_count(other).unwrap()), (2, 0));
    })
    .await;
}

pub(super) async fn an_account_is_one_users_only(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let ada = user(fx, tenant, Some("15550100002"), None).await;
    let rival = user(fx, other, Some("15550100002"), None).await;
    let without = user(fx, other, None, Some("eve@example.com")).await;
    fx.undone(move |tx| {
        assert!(tx.user_insert(ada).unwrap());
        assert!(!tx.user_insert(rival).unwrap(), "on the whole server");
        assert!(tx.user_insert(without).unwrap(), "who has no mobile number shares none");
    })
    .await;
}

pub(super) async fn a_change_sets_what_may_change(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let ada = user(fx, tenant, Some("15550100002"), None).await;
    fx.undone(move |tx| {
        assert!(tx.user_insert(ada).unwrap());
        let changed = User {
            name: "Ada L.".to_owned(),
            email: Some("ada@example.com".to_owned()),
            password_hash: "$other$".to_owned(),
            login_version: 2,
            ..ada.clone()
        };
        assert!(tx.user_change(&changed).unwrap());
        assert_eq!(shown(&tx.user_find(tenant, &ada.id).unwrap().unwrap()), shown(&changed));
        assert!(!tx.user_change(&User { tenant: other.clone(), ..changed }).unwrap());
        let at = fx.now();
        tx.user_logged_in(tenant, &ada.id, at).unwrap();
        assert_eq!(tx.user_find(tenant, &ada.id).unwrap().unwrap().last_login, Some(at));
    })
    .await;
}

pub(super) async fn members_have_devices_until_either_is_gone(fx: &'static Fixture) {
    let (tenant, other) = (fx.tenant("t").await, fx.tenant("u").await);
    let (one, two) = (fx.device(tenant).await, fx.device(tenant).await);
    let ada = user(fx, tenant, None, Some("ada@example.com")).await;
    let bob = user(fx, tenant, None, Some("bob@example.com")).await;
    let bob = leak(User { role: Role::Agent, made_by: Some(ada.id.clone()), ..bob.clone() });
    fx.undone(move |tx| {
        assert!(tx.user_insert(ada).unwrap() && tx.user_insert(bob).unwrap());
        assert_eq!(shown(&tx.user_find(tenant, &bob.id).unwrap().unwrap()), shown(bob));
        assert_eq!(tx.user_count_of(tenant, &[Role::Owner, Role::Admin]).unwrap(), 1);
        assert_eq!(tx.user_count_of(tenant, &[Role::Agent]).unwrap(), 1);
        let mut both = vec![one.id.clone(), two.id.clone()];
        both.sort();
        tx.user_devices_set(tenant, &bob.id, &both).unwrap();
        assert_eq!(tx.user_devices(tenant, &bob.id).unwrap(), both);
        assert!(tx.user_devices(other, &bob.id).unwrap().is_empty());
        tx.user_devices_set(tenant, &bob.id, &both[..1]).unwrap();
        assert_eq!(tx.user_devices(tenant, &bob.id).unwrap(), both[..1]);
        tx.device_delete(tenant, &both[0]).unwrap();
        assert!(tx.user_devices(tenant, &bob.id).unwrap().is_empty());
        assert!(!tx.user_remove(other, &bob.id).unwrap());
        assert!(tx.user_remove(tenant, &bob.id).unwrap() && !tx.user_remove(tenant, &bob.id).unwrap());
        assert_eq!(tx.user_count(tenant).unwrap(), 1);
    })
    .await;
}
