//! Texts through the gateway, both ways, timed from the first byte of the sender to the receiver's own clock.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures_util::future::{join_all, try_join_all};
use portico_harness::{Receiver, wait_until};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::figures::Figures;
use crate::gateway::Bed;

/// How long deliveries may take.
const PATIENCE: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "a benchmark compares clocks of several processes on one machine")]
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// How texts are posted: over how many devices, by how many clients of each, with which pause behind each text.
pub(crate) struct Load {
    pub(crate) texts: usize,
    pub(crate) devices: usize,
    pub(crate) at_once: usize,
    pub(crate) pause: Duration,
}

/// Texts over several devices to one phone each.
pub(crate) async fn outgoing(bed: &Bed, load: &Load) -> Result<Figures> {
    let Load { texts, devices, at_once, pause } = *load;
    let mut lanes = Vec::new();
    for _ in 0..devices {
        lanes.push((bed.device().await.0, bed.phone().await));
    }
    // Sessions with the phones exist before the clock runs.
    for (device, phone) in &lanes {
        post(bed, device, phone, "warm").await;
        arrived(bed, phone, 1).await;
    }
    let each = texts / devices;
    let began = Instant::now();
    let posting = lanes.iter().flat_map(|(device, phone)| {
        (0..at_once).map(move |worker| async move {
            let mut times = HashMap::new();
            for n in (worker..each).step_by(at_once) {
                let text = format!("{device} {n}");
                times.insert(text.clone(), now_ms());
                post(bed, device, phone, &text).await;
                sleep(pause).await;
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
    let label = if pause.is_zero() { "REST -> phone" } else { "REST -> phone, paced" };
    Ok(Figures::new(label, latencies, began.elapsed()))
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

/// Phones that write to one device, and a webhook that hears of it.
struct Line {
    number: String,
    phones: Vec<String>,
    hook: Receiver,
}

impl Line {
    async fn open(bed: &Bed, chats: usize) -> Self {
        let (device, number) = bed.device().await;
        let hook = Receiver::start().await;
        let webhook = json!({ "device": device, "url": hook.url(), "events": ["message.received"] });
        bed.api.post("/v1/webhooks", webhook).await.expect(201);
        let mut phones = Vec::new();
        for _ in 0..chats {
            phones.push(bed.phone().await);
        }
        Self { number, phones, hook }
    }

    /// Every phone sends so many texts at once.
    async fn burst(&self, bed: &Bed, each: usize) {
        let bursts = self.phones.iter().map(|phone| {
            let body = json!({ "to": self.number, "text": phone, "count": each });
            let path = format!("/phones/{phone}/messages");
            async move { bed.phones.post(&path, body).await.expect(200) }
        });
        join_all(bursts).await;
    }

    /// Waits for the deliveries and compares their times with those of the phones.
    async fn figures(&self, bed: &Bed, label: &'static str, count: usize, began: Instant) -> Result<Figures> {
        let delivered = tokio::time::timeout(PATIENCE, self.hook.at_least(count)).await?;
        let wall = began.elapsed();
        let mut sent = HashMap::new();
        for phone in &self.phones {
            let records = bed.phones.get(&format!("/phones/{phone}/sent")).await.expect(200);
            for record in records.json.as_array().context("records")? {
                sent.insert(record["id"].as_str().unwrap_or_default().to_owned(), record["sent_ms"].as_f64());
            }
        }
        let latency = |delivery: &portico_harness::Delivered| {
            let id = delivery.json()["data"]["whatsapp_id"].as_str()?.to_owned();
            Some((delivery.at_ms - sent.get(&id).copied().flatten()?).max(0.0))
        };
        Ok(Figures::new(label, delivered.iter().filter_map(latency).collect(), wall))
    }
}

/// `count` texts from `chats` phones to one device, as fast as it takes them, to one webhook.
pub(crate) async fn incoming(bed: &Bed, count: usize, chats: usize) -> Result<Figures> {
    let line = Line::open(bed, chats).await;
    let began = Instant::now();
    line.burst(bed, count / chats).await;
    let label = if chats == 1 { "phone -> webhook, 1 chat" } else { "phone -> webhook, chats" };
    line.figures(bed, label, count, began).await
}

/// `count` texts from one phone to one device, one after the other with a pause in between, to one webhook.
pub(crate) async fn incoming_paced(bed: &Bed, count: usize, pause: Duration) -> Result<Figures> {
    let line = Line::open(bed, 1).await;
    let began = Instant::now();
    for _ in 0..count {
        line.burst(bed, 1).await;
        sleep(pause).await;
    }
    line.figures(bed, "phone -> webhook, paced", count, began).await
}
