//! Contact tokens: one that a contact gave us, and when we last gave them ours. Two writers, each owning its half.

use portico_core::ports::KeyWrite;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::TcTokenEntry;

use crate::backend::{Backend, delete, from_json, kind};

impl Backend {
    async fn token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.read_json(kind::TC_TOKEN, jid).await
    }

    /// We gave the contact ours at `at` (seconds); a later time known already stays.
    pub(super) async fn token_issued(&self, jid: &str, at: i64) -> Result<()> {
        let _alone = self.exclusively().await;
        let mut entry = self.token(jid).await?.unwrap_or(TcTokenEntry {
            token: Vec::new(),
            token_timestamp: at,
            sender_timestamp: None,
        });
        entry.sender_timestamp = Some(entry.sender_timestamp.map_or(at, |before| before.max(at)));
        self.write(vec![self.put_json(kind::TC_TOKEN, jid, &entry)?]).await
    }

    /// The contact gave us theirs; an older one never replaces a newer one.
    pub(super) async fn token_received(&self, jid: &str, token: &[u8], at: i64) -> Result<()> {
        let _alone = self.exclusively().await;
        let known = self.token(jid).await?;
        if known.as_ref().is_some_and(|known| !known.token.is_empty() && at < known.token_timestamp) {
            return Ok(());
        }
        let sender_timestamp = known.and_then(|known| known.sender_timestamp);
        let entry = TcTokenEntry { token: token.to_vec(), token_timestamp: at, sender_timestamp };
        self.write(vec![self.put_json(kind::TC_TOKEN, jid, &entry)?]).await
    }

    /// Removes entries of which both halves are older than their cutoff or missing; says how many.
    pub(super) async fn drop_stale_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _alone = self.exclusively().await;
        let mut writes: Vec<KeyWrite> = Vec::new();
        for (jid, bytes) in self.list(kind::TC_TOKEN, "").await? {
            let entry: TcTokenEntry = from_json(&bytes)?;
            let token_lives = !entry.token.is_empty() && entry.token_timestamp >= token_cutoff;
            let sender_lives = entry.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
            if !token_lives && !sender_lives {
                writes.push(delete(kind::TC_TOKEN, jid));
            }
        }
        let count = u32::try_from(writes.len()).unwrap_or(u32::MAX);
        self.write(writes).await?;
        Ok(count)
    }
}
