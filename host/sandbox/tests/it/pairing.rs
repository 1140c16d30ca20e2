//! Linking and unlinking.

use std::time::{Duration, Instant};

use portico_sandbox::{Config, Error, Sandbox};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::Event;

use crate::Outcome;
use portico_client::TestClient;

#[tokio::test]
async fn two_clients_pair_by_qr_and_text_both_ways() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (alice, bob) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let began = Instant::now();
    let a = TestClient::linked(&sandbox, &alice).await?;
    // Well under the 10 s a client would wait for a key share that never comes.
    assert!(began.elapsed() < Duration::from_secs(8), "connected after {:?}", began.elapsed());
    let b = TestClient::linked(&sandbox, &bob).await?;
    a.send_text("15550100002", "hello Bob").await?;
    assert_eq!(b.next_text().await?.0, "hello Bob");
    assert_eq!(bob.next_text().await?, "hello Bob");
    b.send_text("15550100001", "hello Alice").await?;
    assert_eq!(a.next_text().await?.0, "hello Alice");
    assert_eq!(alice.next_text().await?, "hello Alice");
    a.stop().await;
    b.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_client_pairs_by_code() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let phone = sandbox.phone("15550100001")?;
    assert!(matches!(phone.enter_code("ABCD1234").await, Err(Error::NoPendingCode)));
    let client = TestClient::new(&sandbox).await?;
    client.qr().await?;
    let options = PairCodeOptions { phone_number: "15550100001".to_owned(), ..Default::default() };
    let code = client.client.pair_with_code(options).await?;
    let paired = phone.enter_code(&code).await?;
    assert_eq!(paired.jid, "15550100001:1@s.whatsapp.net");
    client.connected().await?;
    sandbox.phone("15550100002")?.send_text("15550100001", "by code").await?;
    assert_eq!(client.next_text().await?.0, "by code");
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_used_qr_is_stale_and_another_text_is_refused() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let phone = sandbox.phone("15550100001")?;
    let client = TestClient::new(&sandbox).await?;
    let qr = client.qr().await?;
    phone.scan_qr(&format!("https://wa.me/settings/linked_devices#{qr}")).await?;
    assert!(matches!(phone.scan_qr(&qr).await, Err(Error::StaleQr)));
    assert!(matches!(phone.scan_qr("not a QR").await, Err(Error::InvalidQr { .. })));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn the_phone_unlinks_a_client_and_a_client_logs_out() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let phone = sandbox.phone("15550100001")?;
    let first = TestClient::linked(&sandbox, &phone).await?;
    assert!(phone.unlink(1));
    first.next("logged out", |event| matches!(event, Event::LoggedOut(_)).then_some(())).await?;
    let second = TestClient::linked(&sandbox, &phone).await?;
    assert_eq!(phone.devices().len(), 2);
    second.client.logout().await;
    phone.wait_until("the unlinking", |phone| phone.devices().len() == 1).await?;
    first.stop().await;
    second.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
