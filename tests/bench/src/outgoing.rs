//! Texts from REST to phones, timed from the request to the phone's own clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::bed::Bed;
use crate::figures::Run;
use crate::inbox::Inbox;
use crate::{PATIENCE, now_ms};

/// Devices, each with a phone it writes to.
pub struct Senders(Vec<Sender>);

struct Sender {
    device: String,
    inbox: Inbox,
}

/// How texts are posted.
#[derive(Clone, Copy)]
pub struct Load {
    /// Texts of all devices together.
    pub texts: usize,
    /// Requests under way at once on each device.
    pub at_once: usize,
    /// Pause behind each text.
    pub pause: Duration,
}

impl Senders {
    /// Makes so many devices and phones. The Signal sessions with the phones exist afterwards.
    ///
    /// # Errors
    /// When the first text does not arrive.
    pub async fn open(bed: &Bed, devices: usize) -> Result<Self> {
        let mut senders = Vec::new();
        for _ in 0..devices {
            let device = bed.device().await.id;
            let mut inbox = Inbox::new(bed.phone().await);
            post(bed, &device, &inbox.phone, "warm").await;
            inbox.next(bed, 1, PATIENCE).await?;
            senders.push(Sender { device, inbox });
        }
        Ok(Self(senders))
    }

    /// One run of the load.
    ///
    /// # Errors
    /// When texts do not arrive.
    pub async fn run(&mut self, bed: &Bed, load: Load) -> Result<Run> {
        let each = load.texts / self.0.len();
        let began = Instant::now();
        let posting = self.0.iter().flat_map(|sender| {
            let (device, phone) = (sender.device.as_str(), sender.inbox.phone.as_str());
            (0..load.at_once).map(move |worker| async move {
                let mut times = HashMap::new();
                for n in (worker..each).step_by(load.at_once) {
                    let text = format!("{device} {n}");
                    times.insert(text.clone(), now_ms());
                    post(bed, device, phone, &text).await;
                    sleep(load.pause).await;
                }
                anyhow::Ok(times)
            })
        });
        let sent: HashMap<String, f64> = try_join_all(posting).await?.into_iter().flatten().collect();
        let arriving = self.0.iter_mut().map(|sender| sender.inbox.next(bed, each, PATIENCE));
        let arrived = try_join_all(arriving).await?;
        let wall = began.elapsed();
        let latency = |text: &crate::inbox::Arrived| Some((text.at_ms - sent.get(&text.text)?).max(0.0));
        Ok(Run::new(arrived.iter().flatten().filter_map(latency).collect(), wall))
    }
}

/// Posts a text and gives how long the request took, in milliseconds.
pub async fn post(bed: &Bed, device: &str, phone: &str, text: &str) -> f64 {
    let began = Instant::now();
    let body = json!({ "to": phone, "content": { "type": "text", "text": text } });
    bed.api.post(&format!("/v1/devices/{device}/messages"), body).await.expect(202);
    began.elapsed().as_secs_f64() * 1e3
}
