//! Texts from phones to a webhook, timed from the phone's own clock to the receiver's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use portico_harness::{Delivered, Receiver};
use serde_json::json;
use tokio::time::sleep;

use crate::PATIENCE;
use crate::bed::Bed;
use crate::figures::Run;
use crate::inbox::sent_at;

/// Pause between two looks at the receiver.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Devices, each with a phone that writes to it, and one receiver of all their webhooks.
pub struct Hooked {
    chats: Vec<Chat>,
    hook: Receiver,
}

struct Chat {
    number: String,
    phone: String,
}

impl Hooked {
    /// Makes so many devices, phones and webhooks. The Signal sessions exist afterwards.
    ///
    /// # Errors
    /// When the first texts are not delivered.
    pub async fn open(bed: &Bed, devices: usize) -> Result<Self> {
        let hook = Receiver::start().await;
        let mut chats = Vec::new();
        for _ in 0..devices {
            let device = bed.device().await;
            let webhook = json!({ "device": device.id, "url": hook.url(), "events": ["message.received"] });
            bed.api.post("/v1/webhooks", webhook).await.expect(201);
            chats.push(Chat { number: device.number, phone: bed.phone().await });
        }
        let hooked = Self { chats, hook };
        hooked.burst(bed, 1, None).await;
        hooked.next(devices).await?;
        Ok(hooked)
    }

    /// Every phone sends so many texts, at most `rate` a second.
    pub async fn burst(&self, bed: &Bed, each: usize, rate: Option<f64>) {
        let bursts = self.chats.iter().map(|chat| async move {
            let mut body = json!({ "to": chat.number, "text": "Hello", "count": each });
            if let Some(rate) = rate {
                body["rate"] = rate.into();
            }
            bed.phones.post(&format!("/phones/{}/messages", chat.phone), body).await.expect(200)
        });
        join_all(bursts).await;
    }

    /// The next `count` deliveries.
    async fn next(&self, count: usize) -> Result<Vec<Delivered>> {
        let end = Instant::now() + PATIENCE;
        while self.hook.count() < count {
            if Instant::now() > end {
                bail!("{} of {count} deliveries came within {PATIENCE:?}", self.hook.count());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(self.hook.drain())
    }

    /// What was delivered since the last call.
    pub fn fresh(&self) -> Vec<Delivered> {
        self.hook.drain()
    }

    /// The latencies of deliveries in milliseconds, by the WhatsApp id of the message.
    ///
    /// # Errors
    /// When the sandbox does not tell when the messages were sent.
    pub async fn latencies(&self, bed: &Bed, delivered: &[Delivered]) -> Result<HashMap<String, f64>> {
        let mut sent = HashMap::new();
        for chat in &self.chats {
            sent.extend(sent_at(bed, &chat.phone).await?);
        }
        let latency = |delivery: &Delivered| {
            let id = whatsapp_id(delivery)?;
            let took = (delivery.at_ms - sent.get(&id)?).max(0.0);
            Some((id, took))
        };
        Ok(delivered.iter().filter_map(latency).collect())
    }

    /// One run: `texts` from all phones together, as fast as they go.
    ///
    /// # Errors
    /// When texts are not delivered.
    pub async fn run(&self, bed: &Bed, texts: usize) -> Result<Run> {
        let each = texts / self.chats.len();
        let began = Instant::now();
        self.burst(bed, each, None).await;
        self.end(bed, each * self.chats.len(), began).await
    }

    /// One run: each phone sends one text after the other, with a pause in between.
    ///
    /// # Errors
    /// When texts are not delivered.
    pub async fn run_paced(&self, bed: &Bed, texts: usize, pause: Duration) -> Result<Run> {
        let began = Instant::now();
        for _ in 0..texts {
            self.burst(bed, 1, None).await;
            sleep(pause).await;
        }
        self.end(bed, texts * self.chats.len(), began).await
    }

    async fn end(&self, bed: &Bed, count: usize, began: Instant) -> Result<Run> {
        let delivered = self.next(count).await?;
        let wall = began.elapsed();
        Ok(Run::new(self.latencies(bed, &delivered).await?.into_values().collect(), wall))
    }
}

/// The WhatsApp id of the message that a delivery tells of.
pub fn whatsapp_id(delivery: &Delivered) -> Option<String> {
    Some(delivery.json()["data"]["whatsapp_id"].as_str()?.to_owned())
}
