//! The same texts by the bare protocol crate: one client, keys in memory, no gateway. The yardstick of the run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use portico_harness::wait_until;
use whatsapp_rust::http::UreqHttpClient;
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;

use crate::figures::Figures;
use crate::gateway::Bed;

/// How long pairing may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "a benchmark compares clocks of several processes on one machine")]
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// Sends `count` texts one after the other.
pub(crate) async fn run(bed: &Bed, count: usize) -> Result<Figures> {
    let bot = Bot::builder()
        .with_backend_arc(Arc::new(InMemoryBackend::new()))
        .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(format!("ws://{}/ws/chat", bed.network)))
        .with_http_client(UreqHttpClient::new())
        .with_runtime(TokioRuntime)
        .with_version((2, 3000, 1_023_000_000))
        .with_wanted_pre_key_count(30)
        .build()
        .await?;
    let client = bot.client();
    let (handler, events) = ChannelEventHandler::new();
    let _subscription = client.subscribe_handler(handler);
    let bot = bot.spawn();
    let next = async |pick: &dyn Fn(&Event) -> Option<String>| {
        let search = async {
            loop {
                if let Some(found) = pick(&*events.recv().await?) {
                    return anyhow::Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.context("the bare client did not get on")?
    };
    let qr = next(&|event| match event {
        Event::PairingQrCode(qr) => Some(qr.code.clone()),
        _ => None,
    })
    .await?;
    let (own, peer) = (bed.phone().await, bed.phone().await);
    bed.scan(&own, qr).await;
    next(&|event| matches!(event, Event::Connected(_)).then(String::new)).await?;

    let to = Jid::pn(peer.as_str());
    let text = |text: String| wa::Message { conversation: Some(text), ..Default::default() };
    client.send_message(to.clone(), text("warm".to_owned())).await?;
    let mut sent = HashMap::new();
    let began = Instant::now();
    for n in 0..count {
        let body = format!("bare {n}");
        sent.insert(body.clone(), now_ms());
        client.send_message(to.clone(), text(body)).await?;
    }
    let inbox = wait_until("the bare client's texts", || async {
        let inbox = bed.phones.get(&format!("/phones/{peer}/inbox?limit=5000")).await.expect(200);
        let all = inbox.json.as_array().cloned().unwrap_or_default();
        (all.len() > count).then_some(all)
    })
    .await;
    let wall = began.elapsed();
    bot.shutdown().await;
    let latency = |m: &serde_json::Value| Some((m["t_ms"].as_f64()? - sent.get(m["text"].as_str()?)?).max(0.0));
    Ok(Figures::new("client -> phone", inbox.iter().filter_map(latency).collect(), wall))
}
