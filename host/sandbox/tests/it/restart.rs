//! The world survives a restart, and clients resume against the kept server key.

use std::net::SocketAddr;
use std::sync::Arc;

use portico_sandbox::{Config, Sandbox};
use serde_json::{Value, json};
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;

use crate::Outcome;
use crate::admin::call;
use portico_client::TestClient;

/// How clients have connected to this sandbox.
async fn handshakes(sandbox: &Sandbox) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let (_, network) = call(sandbox, "GET", "/network", "").await?;
    Ok(network["handshakes"].clone())
}

#[tokio::test]
async fn a_restarted_world_goes_on_where_it_was() -> Outcome {
    let folder = tempfile::tempdir()?;
    let config = || Config { data_dir: Some(folder.path().to_owned()), ..Config::default() };
    let store = Arc::new(InMemoryBackend::new());
    let sandbox = Sandbox::start(config()).await?;
    let root = sandbox.root_key();
    let (own, other) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let client = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&client.qr().await?).await?;
    client.connected().await?;
    other.send_text("15550100001", "before").await?;
    assert_eq!(client.next_text().await?.0, "before");
    client.send_text("15550100002", "answer").await?;
    assert_eq!(other.next_text().await?, "answer");
    client.stop().await;
    other.send_text("15550100001", "while away").await?;
    sandbox.shutdown().await;

    let sandbox = Sandbox::start(config()).await?;
    assert_eq!(sandbox.root_key(), root);
    let other = sandbox.phone("15550100002")?;
    assert_eq!(other.inbox(0, 10).len(), 1);
    // What waited may come before the client calls itself connected.
    let client = TestClient::with_store(&sandbox, store).await?;
    assert_eq!(client.next_text().await?.0, "while away");
    assert_eq!(handshakes(&sandbox).await?, json!({"full": 0, "resumed": 1, "fallback": 0}));
    other.send_text("15550100001", "after").await?;
    assert_eq!(client.next_text().await?.0, "after");
    client.send_text("15550100002", "still here").await?;
    assert_eq!(other.next_text().await?, "still here");
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn the_snapshot_is_private() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let config = Config { data_dir: Some(folder.path().to_owned()), ..Config::default() };
    let sandbox = Sandbox::start(config).await?;
    let mode = std::fs::metadata(folder.path().join("world.json"))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_client_that_remembers_another_server_key_falls_back() -> Outcome {
    let store = Arc::new(InMemoryBackend::new());
    let folder = tempfile::tempdir()?;
    let config = || Config { data_dir: Some(folder.path().to_owned()), ..Config::default() };
    let sandbox = Sandbox::start(config()).await?;
    let own = sandbox.phone("15550100001")?;
    let client = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&client.qr().await?).await?;
    client.connected().await?;
    client.stop().await;
    sandbox.shutdown().await;

    // Another world's server keys, this world's accounts.
    let file = folder.path().join("world.json");
    let fresh_folder = tempfile::tempdir()?;
    let fresh = Config { data_dir: Some(fresh_folder.path().to_owned()), ..Config::default() };
    Sandbox::start(fresh).await?.shutdown().await;
    let fresh_world: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fresh_folder.path().join("world.json"))?)?;
    let mut world: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    *world.get_mut("trust").ok_or("no trust")? = fresh_world.get("trust").cloned().ok_or("no trust")?;
    std::fs::write(&file, serde_json::to_vec(&world)?)?;

    let sandbox = Sandbox::start(config()).await?;
    let client = TestClient::with_store(&sandbox, store).await?;
    client.connected().await?;
    assert_eq!(handshakes(&sandbox).await?["fallback"], 1);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn an_address_outside_loopback_is_refused() {
    let config = Config { network: SocketAddr::from(([0, 0, 0, 0], 0)), ..Config::default() };
    assert!(matches!(Sandbox::start(config).await, Err(portico_sandbox::Error::NotLoopback { .. })));
}

#[tokio::test]
async fn after_a_crash_nothing_written_later_is_lost() -> Outcome {
    let folder = tempfile::tempdir()?;
    let config = || Config { data_dir: Some(folder.path().to_owned()), ..Config::default() };
    let store = Arc::new(InMemoryBackend::new());
    let sandbox = Sandbox::start(config()).await?;
    let (own, other) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let client = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&client.qr().await?).await?;
    client.connected().await?;
    other.send_text("15550100001", "one").await?;
    assert_eq!(client.next_text().await?.0, "one");
    client.send_text("15550100002", "two").await?;
    assert_eq!(other.next_text().await?, "two");
    // What the disk holds when the power goes is older than what the client has seen.
    let file = folder.path().join("world.json");
    let linked = |text: &str| text.contains("\"text\":\"two\"");
    portico_client::wait_until(|| std::fs::read_to_string(&file).is_ok_and(|text| linked(&text))).await?;
    let old = std::fs::read(&file)?;
    for n in 0..5 {
        other.send_text("15550100001", &format!("later {n}")).await?;
        assert_eq!(client.next_text().await?.0, format!("later {n}"));
    }
    client.stop().await;
    sandbox.shutdown().await;
    std::fs::write(&file, old)?;

    let sandbox = Sandbox::start(config()).await?;
    let other = sandbox.phone("15550100002")?;
    let client = TestClient::with_store(&sandbox, store).await?;
    client.connected().await?;
    other.send_text("15550100001", "after the crash").await?;
    assert_eq!(client.next_text().await?.0, "after the crash");
    client.send_text("15550100002", "still here").await?;
    assert_eq!(other.next_text().await?, "still here");
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
