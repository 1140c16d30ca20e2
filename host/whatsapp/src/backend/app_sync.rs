//! App state (contacts, push name, settings): its keys, the version of each collection, and the MACs of its entries.

use std::collections::HashMap;

use async_trait::async_trait;
use portico_core::ports::KeyWrite;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{AppStateSyncKey, AppSyncStore};

use super::{Backend, ONLY, delete, delete_prefix, kind};

/// Collection names are WhatsApp's own words and hold no `/`.
fn mac_id(collection: &str, index_mac: &[u8]) -> String {
    format!("{collection}/{}", hex::encode(index_mac))
}

#[async_trait]
impl AppSyncStore for Backend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        self.read_json(kind::SYNC_KEY, &hex::encode(key_id)).await
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let stored = self.put_json(kind::SYNC_KEY, hex::encode(key_id), &key)?;
        let latest = self.put(kind::SYNC_KEY_LATEST, ONLY, key_id)?;
        self.write(vec![stored, latest]).await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        Ok(self.read_json(kind::VERSION, name).await?.unwrap_or_default())
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        self.write(vec![self.put_json(kind::VERSION, name, &state)?]).await
    }

    async fn put_mutation_macs(&self, name: &str, _version: u64, mutations: &[AppStateMutationMAC]) -> Result<()> {
        let writes = mutations.iter().map(|m| self.put(kind::MAC, mac_id(name, &m.index_mac), &m.value_mac));
        self.write(writes.collect::<Result<_>>()?).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(kind::MAC, &mac_id(name, index_mac)).await
    }

    async fn get_mutation_macs(&self, name: &str, index_macs: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let by_id: HashMap<String, [u8; 32]> = index_macs.iter().map(|mac| (mac_id(name, mac), *mac)).collect();
        let ids: Vec<String> = by_id.keys().cloned().collect();
        let found = self.read_many(kind::MAC, &ids).await?;
        Ok(found.into_iter().filter_map(|(id, value)| Some((*by_id.get(&id)?, value))).collect())
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let writes: Vec<KeyWrite> = index_macs.iter().map(|mac| delete(kind::MAC, mac_id(name, mac))).collect();
        self.write(writes).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.write(vec![delete_prefix(kind::MAC, format!("{name}/"))]).await
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        self.read(kind::SYNC_KEY_LATEST, ONLY).await
    }
}
