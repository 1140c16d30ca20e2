//! The same texts by the bare protocol library: one client, one chat, no gateway. The yardsticks of the run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use portico_client::TestClient;
use serde_json::json;
use whatsapp_rust::prelude::{Event, MessageExt};
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;
use whatsapp_rust::wacore::store::traits::Backend;
use whatsapp_rust_sqlite_storage::SqliteStore;

use crate::bed::Bed;
use crate::figures::Run;
use crate::inbox::{Inbox, sent_at};
use crate::{PATIENCE, now_ms};

/// Where the client keeps its keys.
#[derive(Clone, Copy)]
pub enum Keys {
    /// In memory: gone with the process.
    Memory,
    /// In the library's own SQLite store, with its defaults.
    Sqlite,
}

/// A linked client and the phone it chats with.
pub struct Bare {
    client: TestClient,
    number: String,
    inbox: Inbox,
}

impl Bare {
    /// Links a client.
    ///
    /// # Errors
    /// When the store can't be made, or linking fails.
    pub async fn open(bed: &Bed, keys: Keys) -> Result<Self> {
        let store: Arc<dyn Backend> = match keys {
            Keys::Memory => Arc::new(InMemoryBackend::new()),
            Keys::Sqlite => {
                let path = bed.folder().join("bare.db");
                Arc::new(SqliteStore::new(&path.display().to_string()).await.context("the library's own store")?)
            }
        };
        let (ws_url, media_base) = (format!("ws://{}/ws/chat", bed.network), format!("http://{}", bed.network));
        let client = TestClient::connect(ws_url, media_base, store).await?;
        let number = bed.phone().await;
        bed.scan(&number, client.qr().await?).await;
        client.connected().await?;
        let mut bare = Self { client, number, inbox: Inbox::new(bed.phone().await) };
        bare.client.send_text(&bare.inbox.phone, "warm").await?;
        bare.inbox.next(bed, 1, PATIENCE).await?;
        bare.burst(bed, 1).await;
        bare.received(1).await?;
        Ok(bare)
    }

    /// Sends `texts`, one after the other, and waits until the phone has them.
    ///
    /// # Errors
    /// When one can't be sent or does not arrive.
    pub async fn run_outgoing(&mut self, bed: &Bed, texts: usize) -> Result<Run> {
        let mut sent = HashMap::new();
        let began = Instant::now();
        for n in 0..texts {
            let text = format!("bare {n}");
            sent.insert(text.clone(), now_ms());
            self.client.send_text(&self.inbox.phone, &text).await?;
        }
        let arrived = self.inbox.next(bed, texts, PATIENCE).await?;
        let wall = began.elapsed();
        let latency = |text: &crate::inbox::Arrived| Some((text.at_ms - sent.get(&text.text)?).max(0.0));
        Ok(Run::new(arrived.iter().filter_map(latency).collect(), wall))
    }

    /// Lets the phone send `texts` and waits until the client has them.
    ///
    /// # Errors
    /// When one does not arrive.
    pub async fn run_incoming(&self, bed: &Bed, texts: usize) -> Result<Run> {
        let began = Instant::now();
        let (received, ()) = tokio::join!(self.received(texts), self.burst(bed, texts));
        let (received, wall) = (received?, began.elapsed());
        let sent = sent_at(bed, &self.inbox.phone).await?;
        let latency = |(id, at_ms): &(String, f64)| Some((at_ms - sent.get(id)?).max(0.0));
        Ok(Run::new(received.iter().filter_map(latency).collect(), wall))
    }

    async fn burst(&self, bed: &Bed, count: usize) {
        let body = json!({ "to": self.number, "text": "Hello", "count": count });
        bed.phones.post(&format!("/phones/{}/messages", self.inbox.phone), body).await.expect(200);
    }

    /// The next texts the client gets: ids, and when it had them.
    async fn received(&self, count: usize) -> Result<Vec<(String, f64)>> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let texts = |event: &Event| match event {
                Event::Messages(batch) => {
                    let texts = batch.iter().filter(|one| one.message.text_content().is_some());
                    Some(texts.map(|one| one.info.id.clone()).collect::<Vec<_>>())
                }
                _ => None,
            };
            let ids = self.client.next("texts", texts).await?;
            let at_ms = now_ms();
            all.extend(ids.into_iter().map(|id| (id, at_ms)));
        }
        Ok(all)
    }

    /// Ends the client.
    pub async fn close(self) {
        self.client.stop().await;
    }
}
