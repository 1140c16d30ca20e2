//! Reading phones' inboxes and sent records while texts arrive, without reading anything twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use crate::bed::Bed;

/// Pause between two looks; short enough not to count in the time of a run, long enough not to load the machine.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A phone's inbox, read up to an entry.
pub struct Inbox {
    /// The phone's number.
    pub phone: String,
    after: u64,
}

/// A text that arrived.
pub struct Arrived {
    /// The text.
    pub text: String,
    /// When the phone had decrypted it, in milliseconds since 1970.
    pub at_ms: f64,
}

impl Inbox {
    /// The inbox of a phone, from its beginning.
    pub fn new(phone: String) -> Self {
        Self { phone, after: 0 }
    }

    /// What arrived since the last call.
    ///
    /// # Errors
    /// When the sandbox answers something else than a list of entries.
    pub async fn fresh(&mut self, bed: &Bed) -> Result<Vec<Arrived>> {
        let path = format!("/phones/{}/inbox?after={}&limit=5000", self.phone, self.after);
        let answer = bed.phones.get(&path).await.expect(200);
        let entries = answer.json.as_array().context("an inbox")?;
        let mut arrived = Vec::with_capacity(entries.len());
        for entry in entries {
            self.after = entry["seq"].as_u64().context("a number")?;
            let text = entry["text"].as_str().unwrap_or_default().to_owned();
            arrived.push(Arrived { text, at_ms: entry["t_ms"].as_f64().context("a time")? });
        }
        Ok(arrived)
    }

    /// The next `count` texts.
    ///
    /// # Errors
    /// When they have not arrived within `patience`.
    pub async fn next(&mut self, bed: &Bed, count: usize, patience: Duration) -> Result<Vec<Arrived>> {
        let end = Instant::now() + patience;
        let mut arrived = Vec::with_capacity(count);
        while arrived.len() < count {
            if Instant::now() > end {
                bail!("{} of {count} texts arrived at {} within {patience:?}", arrived.len(), self.phone);
            }
            let fresh = self.fresh(bed).await?;
            if fresh.is_empty() {
                sleep(LOOK_EVERY).await;
            }
            arrived.extend(fresh);
        }
        Ok(arrived)
    }
}

/// When each message of a phone was sent, in milliseconds since 1970, by WhatsApp id.
///
/// # Errors
/// When the sandbox answers something else than a list of records.
pub async fn sent_at(bed: &Bed, phone: &str) -> Result<HashMap<String, f64>> {
    let answer = bed.phones.get(&format!("/phones/{phone}/sent")).await.expect(200);
    let records = answer.json.as_array().context("records")?;
    let pair = |record: &Value| Some((record["id"].as_str()?.to_owned(), record["sent_ms"].as_f64()?));
    Ok(records.iter().filter_map(pair).collect())
}
