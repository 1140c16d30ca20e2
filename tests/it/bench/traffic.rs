//! Texts through the gateway, both ways, timed from the first byte of the sender to the receiver's own clock.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use portico_harness::{Receiver, wait_until};
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::gateway::Bed;

#[expect(clippy::disallowed_methods, reason = "a benchmark compares clocks of several processes on one machine")]
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// `count` texts over `devices` devices to one phone each, `at_once` requests under way per device.
pub(crate) async fn outgoing(bed: &Bed, count: usize, devices: usize, at_once: usize) -> Result<Figures> {
    let mut lanes = Vec::new();
    for _ in 0..devices {
        lanes.push((bed.device().await.0, bed.phone().await));
    }
    // Sessions with the phones exist before the clock runs.
    for (device, phone) in &lanes {
        post(bed, device, phone, "warm").await;
        arrived(bed, phone, 1).await;
    }
    let each = count / devices;
    let began = Instant::now();
    let posting = lanes.iter().flat_map(|(device, phone)| {
        (0..at_once).map(move |worker| async move {
            let mut times = HashMap::new();
            for n in (worker..each).step_by(at_once) {
                let text = format!("{device} {n}");
                times.insert(text.clone(), now_ms());
                post(bed, device, phone, &text).await;
            }
            anyhow::Ok(times)
        })
    });
    let sent: HashMap<String, f64> = try_join_all(posting).await?.into_iter().flatten().collect();
    let mut latencies = Vec::new();
    for (_, phone) in &lanes {
        for message in arrived(bed, phone, each + 1).await {
            let text = message["text"].as_str().unwrap_or_default();
            if let (Some(posted), Some(at)) = (sent.get(text), message["t_ms"].as_f64()) {
                latencies.push((at - posted).max(0.0));
            }
        }
    }
    Ok(Figures::new("REST -> phone", latencies, began.elapsed()))
}

async fn post(bed: &Bed, device: &str, phone: &str, text: &str) {
    let body = json!({ "to": phone, "content": { "type": "text", "text": text } });
    bed.api.post(&format!("/v1/devices/{device}/messages"), body).await.expect(202);
}

async fn arrived(bed: &Bed, phone: &str, count: usize) -> Vec<Value> {
    wait_until("the texts at the phone", || async {
        let inbox = bed.phones.get(&format!("/phones/{phone}/inbox?limit=5000")).await.expect(200);
        let all = inbox.json.as_array().cloned().unwrap_or_default();
        (all.len() >= count).then_some(all)
    })
    .await
}

/// `count` texts from `chats` phones to one device, as fast as it takes them, to one webhook.
pub(crate) async fn incoming(bed: &Bed, count: usize, chats: usize) -> Result<Figures> {
    let (device, number) = bed.device().await;
    let hook = Receiver::start().await;
    let webhook = json!({ "device": device, "url": hook.url(), "events": ["message.received"] });
    bed.api.post("/v1/webhooks", webhook).await.expect(201);
    let mut phones = Vec::new();
    for _ in 0..chats {
        phones.push(bed.phone().await);
    }
    let began = Instant::now();
    let bursts = phones.iter().map(|phone| {
        let body = json!({ "to": number, "text": phone, "count": count / chats });
        let path = format!("/phones/{phone}/messages");
        async move { bed.phones.post(&path, body).await.expect(200) }
    });
    futures_util::future::join_all(bursts).await;
    let delivered = tokio::time::timeout(Duration::from_secs(120), hook.at_least(count)).await?;
    let wall = began.elapsed();
    let mut sent = HashMap::new();
    for phone in &phones {
        let records = bed.phones.get(&format!("/phones/{phone}/sent")).await.expect(200);
        for record in records.json.as_array().context("records")? {
            sent.insert(record["id"].as_str().unwrap_or_default().to_owned(), record["sent_ms"].as_f64());
        }
    }
    let latency = |delivery: &portico_harness::Delivered| {
        let id = delivery.json()["data"]["whatsapp_id"].as_str()?.to_owned();
        Some((delivery.at_ms - sent.get(&id).copied().flatten()?).max(0.0))
    };
    let latencies = delivered.iter().filter_map(latency).collect();
    Ok(Figures::new(if chats == 1 { "phone -> webhook, 1 chat" } else { "phone -> webhook, chats" }, latencies, wall))
}
