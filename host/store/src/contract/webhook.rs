//! Webhook subscriptions.

use portico_core::page::PageRequest;
use portico_core::ports::store::{OutboxTx, WebhookChange, WebhookTx};
use portico_core::webhook::{EventFilter, SealedFormatData, SealedHeaders, SecretForm, WebhookState};

use crate::testing::{Fixture, page};

pub(super) async fn a_webhook_survives_the_round_trip(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let webhook = fx.webhook(tenant, Some(device), &["message.*", "device.state"]).await;
    let found = fx.read(move |tx| tx.webhook_find(tenant, &webhook.id).unwrap()).await.unwrap();
    assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value(webhook).unwrap());
    assert_eq!((found.tenant, found.sealed_secret), (tenant.clone(), webhook.sealed_secret.clone()));
    assert_eq!((found.number, found.secret_form), (webhook.number, SecretForm::Text));
    assert_eq!(found.format_data, webhook.format_data);
}

pub(super) async fn a_change_changes_what_it_names(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    fx.undone(move |tx| {
        let since = fx.now();
        tx.webhook_failing(&webhook.id, Some(since)).unwrap();
        tx.webhook_failing(&webhook.id, Some(fx.now())).unwrap();
        let off = WebhookChange {
            state: Some((WebhookState::Disabled, Some("gone".to_owned()))),
            ..WebhookChange::default()
        };
        assert!(tx.webhook_change(tenant, &webhook.id, &off).unwrap());
        let found = tx.webhook_find(tenant, &webhook.id).unwrap().unwrap();
        assert_eq!((found.state, found.reason.as_deref()), (WebhookState::Disabled, Some("gone")));
        assert_eq!((found.failing_since, &found.url), (Some(since), &webhook.url));
        let change = WebhookChange {
            url: Some("https://hooks.example.org/".to_owned()),
            events: Some(vec![EventFilter::parse("device.state").unwrap()]),
            headers: Some(SealedHeaders::default()),
            format: Some("own".to_owned()),
            format_data: Some(SealedFormatData(vec![5, 0, 255])),
            state: Some((WebhookState::Enabled, None)),
            secret: Some((vec![9], SecretForm::Whsec)),
        };
        assert!(tx.webhook_change(tenant, &webhook.id, &change).unwrap());
        let found = tx.webhook_find(tenant, &webhook.id).unwrap().unwrap();
        assert_eq!((found.state, found.reason, found.failing_since), (WebhookState::Enabled, None, None));
        assert_eq!((Some(found.url), Some(found.events)), (change.url, change.events));
        assert_eq!((found.headers.names.len(), found.format.as_str(), &found.sealed_secret[..]), (0, "own", &[9][..]));
        assert_eq!((Some(found.format_data), found.secret_form), (change.format_data, SecretForm::Whsec));
        tx.webhook_failing(&webhook.id, Some(since)).unwrap();
        tx.webhook_failing(&webhook.id, None).unwrap();
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().failing_since, None);
        assert!(tx.webhook_delete(tenant, &webhook.id).unwrap());
        assert!(!tx.webhook_change(tenant, &webhook.id, &off).unwrap());
    })
    .await;
}

pub(super) async fn lists_are_of_a_tenant_or_a_device(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let all = fx.webhook(tenant, None, &["*"]).await.id.clone();
    let bound = fx.webhook(tenant, Some(device), &["*"]).await.id.clone();
    fx.read(move |tx| {
        let ids = |list: Vec<portico_core::webhook::Webhook>| list.into_iter().map(|w| w.id).collect::<Vec<_>>();
        assert_eq!(ids(tx.webhook_list(tenant, None, &page(9)).unwrap()), [bound.clone(), all.clone()]);
        assert_eq!(ids(tx.webhook_list(tenant, Some(&device.id), &page(9)).unwrap()), std::slice::from_ref(&bound));
        let next = PageRequest { before: Some(bound.to_string()), ..PageRequest::first(9) };
        assert_eq!(ids(tx.webhook_list(tenant, None, &next).unwrap()), std::slice::from_ref(&all));
        assert_eq!(tx.webhook_load_many(&[bound.clone(), all.clone()]).unwrap().len(), 2);
        assert_eq!(tx.webhook_count(tenant).unwrap(), 2);
        let second = PageRequest { offset: 1, ..page(9) };
        assert_eq!(ids(tx.webhook_list(tenant, None, &second).unwrap()), std::slice::from_ref(&all));
        assert!(tx.webhook_list(tenant, Some(&device.id), &second).unwrap().is_empty());
        let total = |tx: &mut crate::db::DbTx<'_>, most| tx.webhook_total(tenant, None, most).unwrap();
        assert_eq!((total(tx, 9), total(tx, 1)), (2, 1), "counted up to a limit");
        assert_eq!(tx.webhook_total(tenant, Some(&device.id), 9).unwrap(), 1);
    })
    .await;
}

pub(super) async fn deleting_takes_deliveries_along(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    fx.raised(fx.event(tenant, None, "lane")).await;
    fx.undone(move |tx| {
        assert!(tx.webhook_delete(tenant, &webhook.id).unwrap());
        assert!(!tx.webhook_delete(tenant, &webhook.id).unwrap());
        assert!(tx.delivery_list(tenant, &Default::default(), &page(9)).unwrap().is_empty());
        assert_eq!(tx.delivery_next_due().unwrap(), None);
    })
    .await;
}
