//! The secrets of messages, with which later edits, votes and reactions to them are read. They expire by themselves.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::time::UtcMs;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    MessageSecret, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};

use super::{Backend, id_of, invalid, kind};

/// How long to wait for more secrets before they are written.
const COLLECT_TIME: Duration = Duration::from_millis(25);

/// Secret, when it expires (0 = never) and when its message was written (0 = unknown), the times in seconds.
#[derive(Clone, Copy)]
struct Kept {
    secret: MessageSecret,
    expires_at: i64,
    message_ts: i64,
}

impl Kept {
    fn encode(&self) -> Vec<u8> {
        [&self.secret[..], &self.expires_at.to_be_bytes(), &self.message_ts.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let parts = bytes.split_first_chunk::<32>().and_then(|(secret, rest)| {
            let (expires_at, rest) = rest.split_first_chunk::<8>()?;
            let message_ts: &[u8; 8] = rest.try_into().ok()?;
            Some((*secret, i64::from_be_bytes(*expires_at), i64::from_be_bytes(*message_ts)))
        });
        let (secret, expires_at, message_ts) = parts.ok_or_else(|| invalid("a stored message secret is damaged"))?;
        Ok(Self { secret, expires_at, message_ts })
    }

    /// The later write wins, but no deadline gets earlier and no known time is lost.
    fn after(self, earlier: Option<&Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        Self {
            secret: self.secret,
            expires_at: merge_msg_secret_expiry(earlier.expires_at, self.expires_at),
            message_ts: merge_msg_secret_message_ts(earlier.message_ts, self.message_ts),
        }
    }
}

impl Backend {
    async fn secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Kept>> {
        let found = self.read(kind::MSG_SECRET, &id_of(&[chat, sender, msg_id])).await?;
        found.map(|bytes| Kept::decode(&bytes)).transpose()
    }
}

#[async_trait]
impl MsgSecretStore for Backend {
    /// The library calls this again and again from one task while messages flow, and collects in the meantime: a short wait
    /// makes one read of many.
    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        tokio::time::sleep(COLLECT_TIME).await;
        let _alone = self.exclusively().await;
        let ids: Vec<String> = entries.iter().map(|e| id_of(&[&e.chat, &e.sender, &e.msg_id])).collect();
        let mut kept: HashMap<String, Kept> = HashMap::new();
        for (id, bytes) in self.read_many(kind::MSG_SECRET, &ids).await? {
            kept.insert(id, Kept::decode(&bytes)?);
        }
        for (entry, id) in entries.iter().zip(ids) {
            let new = Kept { secret: entry.secret, expires_at: entry.expires_at, message_ts: entry.message_ts };
            let merged = new.after(kept.get(&id));
            let expires = (merged.expires_at != 0).then(|| UtcMs(merged.expires_at.saturating_mul(1000)));
            self.defer(kind::MSG_SECRET, id.clone(), merged.encode(), expires).await?;
            kept.insert(id, merged);
        }
        Ok(entries.len())
    }

    async fn get_msg_secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.secret(chat, sender, msg_id).await?.map(|kept| kept.secret.to_vec()))
    }

    async fn get_msg_secret_with_ts(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<(Vec<u8>, i64)>> {
        Ok(self.secret(chat, sender, msg_id).await?.map(|kept| (kept.secret.to_vec(), kept.message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.purge(kind::MSG_SECRET, UtcMs(cutoff_timestamp.saturating_mul(1000))).await
    }
}
