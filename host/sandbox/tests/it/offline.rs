//! What waits for those who are away.

use std::sync::Arc;

use portico_sandbox::{Config, Phone, Sandbox};
use whatsapp_rust::prelude::{Event, MessageExt};
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;

use crate::Outcome;
use portico_client::{TestClient, wait_until};

#[tokio::test]
async fn an_offline_phone_gets_its_messages_on_return_and_confirms_only_then() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, other) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let client = TestClient::linked(&sandbox, &own).await?;
    other.offline();
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(client.send_text("15550100002", &format!("text {n}")).await?);
    }
    own.wait_until("the copies", |phone| phone.inbox(0, 10).len() == 3).await?;
    let queued = |phone: &Phone| phone.devices().first().map_or(0, |device| device.queued);
    assert_eq!(queued(&other), 3);
    assert!(other.inbox(0, 10).is_empty());
    other.online();
    for n in 1..=3 {
        let entry = other.next_message().await?;
        assert_eq!((entry.text, entry.offline), (Some(format!("text {n}")), true));
    }
    wait_until(|| queued(&other) == 0).await?;
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn an_offline_client_gets_its_messages_on_reconnect() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, other) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let store = Arc::new(InMemoryBackend::new());
    let client = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&client.qr().await?).await?;
    client.connected().await?;
    client.stop().await;
    let mut expected = Vec::new();
    for n in 1..=200 {
        expected.push(format!("text {n}"));
        other.send_text("15550100001", &format!("text {n}")).await?;
    }
    let client = TestClient::with_store(&sandbox, store).await?;
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let texts = |event: &Event| match event {
            Event::Messages(batch) => {
                Some(batch.iter().filter_map(|one| one.message.text_content().map(str::to_owned)).collect::<Vec<_>>())
            }
            _ => None,
        };
        seen.extend(client.next("texts", texts).await?);
    }
    assert_eq!(seen, expected);
    let device = |phone: &Phone| phone.devices().into_iter().find(|one| one.device == 1);
    wait_until(|| device(&own).is_some_and(|one| one.queued == 0)).await?;
    assert!(other.sent().iter().all(|sent| sent.delivered_ms.is_some()));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_second_login_replaces_the_first() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let own = sandbox.phone("15550100001")?;
    let store = Arc::new(InMemoryBackend::new());
    let first = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&first.qr().await?).await?;
    first.connected().await?;
    let second = TestClient::with_store(&sandbox, store).await?;
    first.next("replaced", |event| matches!(event, Event::StreamReplaced(_)).then_some(())).await?;
    second.connected().await?;
    first.stop().await;
    second.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
