//! Headers and format data of subscriptions: sealed, and those that an earlier version stored in the clear.

use portico_core::ports::store::{WebhookChange, WebhookTx};
use portico_core::webhook::{Headers, SealedFormatData, SealedHeaders};

use crate::testing::Fixture;

fn sealed() -> SealedHeaders {
    SealedHeaders { names: vec!["x-a".to_owned()], sealed: vec![1, 0, 255] }
}

pub(super) async fn they_are_stored_sealed(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    fx.write(move |tx| {
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().headers, webhook.headers);
        let change = WebhookChange { headers: Some(sealed()), ..WebhookChange::default() };
        assert!(tx.webhook_change(tenant, &webhook.id, &change).unwrap());
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().headers, sealed());
        assert!(tx.webhook_change(tenant, &webhook.id, &WebhookChange::default()).unwrap());
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().headers, sealed(), "a change keeps them");
        assert!(tx.webhook_unsealed(9).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn those_in_the_clear_are_found_until_they_are_sealed(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    // As the version before stored them.
    fx.execute(r#"UPDATE webhooks SET headers = '{"x-a":"1"}', header_names = NULL, sealed_headers = NULL"#).await;
    fx.write(move |tx| {
        let plain = Headers::from([("x-a".to_owned(), "1".to_owned())]);
        assert_eq!(tx.webhook_unsealed(9).unwrap(), [(tenant.clone(), webhook.id.clone(), plain)]);
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().headers, SealedHeaders::default());
        let change = WebhookChange { headers: Some(sealed()), ..WebhookChange::default() };
        assert!(tx.webhook_change(tenant, &webhook.id, &change).unwrap());
        assert!(tx.webhook_unsealed(9).unwrap().is_empty());
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().headers, sealed());
    })
    .await;
    assert_eq!(fx.number("SELECT COUNT(*) FROM webhooks WHERE headers <> '{}'").await, 0);
}

pub(super) async fn format_data_in_the_clear_is_found_until_it_is_sealed(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let webhook = fx.webhook(tenant, None, &["*"]).await;
    // As the version before stored it.
    fx.execute(r#"UPDATE webhooks SET format_data = '{"a":1}', sealed_format_data = NULL"#).await;
    fx.write(move |tx| {
        let [(of, id, data)] = &tx.webhook_unsealed_data(9).unwrap()[..] else { panic!("one is unsealed") };
        assert_eq!((of, id, data["a"].as_i64()), (tenant, &webhook.id, Some(1)));
        let sealed = SealedFormatData(vec![1, 0, 255]);
        let change = WebhookChange { format_data: Some(sealed.clone()), ..WebhookChange::default() };
        assert!(tx.webhook_change(tenant, &webhook.id, &change).unwrap());
        assert!(tx.webhook_change(tenant, &webhook.id, &WebhookChange::default()).unwrap());
        assert_eq!(tx.webhook_find(tenant, &webhook.id).unwrap().unwrap().format_data, sealed, "a change keeps it");
        assert!(tx.webhook_unsealed_data(9).unwrap().is_empty());
    })
    .await;
    assert_eq!(fx.number("SELECT COUNT(*) FROM webhooks WHERE format_data IS NOT NULL").await, 0);
}
