//! Signal identities, sessions, one-time, signed and sender keys. Opaque bytes by address or number.

use std::sync::Arc;

use async_trait::async_trait;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::SignalStore;

use super::{Backend, delete, invalid, kind};

/// Fixed width, so that byte order is the order of numbers.
fn number(id: u32) -> String {
    format!("{id:08x}")
}

fn parse_number(id: &str) -> Result<u32> {
    u32::from_str_radix(id, 16).map_err(|_| invalid("the id of a stored key is not a number"))
}

impl Backend {
    async fn put_all(&self, kind: &'static str, records: &[(Arc<str>, Bytes)]) -> Result<()> {
        let writes = records.iter().map(|(address, record)| self.put(kind, &**address, record)).collect::<Result<_>>();
        self.write(writes?).await
    }
}

#[async_trait]
impl SignalStore for Backend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.write(vec![self.put(kind::IDENTITY, address, &key)?]).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let writes = identities.iter().map(|(address, key)| self.put(kind::IDENTITY, &**address, key));
        self.write(writes.collect::<Result<_>>()?).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let Some(key) = self.read(kind::IDENTITY, address).await? else {
            return Ok(None);
        };
        key.try_into().map(Some).map_err(|_| invalid("a stored identity is not 32 bytes long"))
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.write(vec![delete(kind::IDENTITY, address)]).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.read(kind::SESSION, address).await?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.write(vec![self.put(kind::SESSION, address, session)?]).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_all(kind::SESSION, sessions).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        self.write(vec![delete(kind::SESSION, address)]).await
    }

    /// Addresses are `user@server` for device 0, else `user:device@server`.
    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        for kind in [kind::SESSION, kind::IDENTITY] {
            for separator in ['@', ':'] {
                if !self.list_ids(kind, &format!("{user}{separator}")).await?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], _uploaded: bool) -> Result<()> {
        self.write(vec![self.put(kind::PRE_KEY, number(id), record)?]).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], _uploaded: bool) -> Result<()> {
        let writes = keys.iter().map(|(id, record)| self.put(kind::PRE_KEY, number(*id), record));
        self.write(writes.collect::<Result<_>>()?).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        Ok(self.read(kind::PRE_KEY, &number(id)).await?.map(Bytes::from))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let ids: Vec<String> = ids.iter().copied().map(number).collect();
        let found = self.read_many(kind::PRE_KEY, &ids).await?;
        found.into_iter().map(|(id, record)| Ok((parse_number(&id)?, Bytes::from(record)))).collect()
    }

    /// Nothing to do: the library keeps the watermark of uploaded keys in the device record and never asks per key. The
    /// promise that counts, not to bring back a used key, is kept by writing nothing.
    async fn mark_prekeys_uploaded(&self, _ids: &[u32]) -> Result<()> {
        Ok(())
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        self.write(vec![delete(kind::PRE_KEY, number(id))]).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        let ids = self.list_ids(kind::PRE_KEY, "").await?;
        ids.last().map_or(Ok(0), |id| parse_number(id))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        self.write(vec![self.put(kind::SIGNED_PRE_KEY, number(id), record)?]).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.read(kind::SIGNED_PRE_KEY, &number(id)).await
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let found = self.list(kind::SIGNED_PRE_KEY, "").await?;
        found.into_iter().map(|(id, record)| Ok((parse_number(&id)?, record))).collect()
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        self.write(vec![delete(kind::SIGNED_PRE_KEY, number(id))]).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.write(vec![self.put(kind::SENDER_KEY, address, record)?]).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        self.put_all(kind::SENDER_KEY, sender_keys).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.read(kind::SENDER_KEY, address).await
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.write(vec![delete(kind::SENDER_KEY, address)]).await
    }
}
