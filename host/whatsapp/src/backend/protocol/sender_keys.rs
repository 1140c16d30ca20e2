//! Which devices of a group's members hold our sender key. One record per group and device, so a change writes one row.

use std::collections::HashSet;

use portico_core::ports::KeyWrite;
use whatsapp_rust::wacore::store::error::Result;

use crate::backend::{Backend, delete, delete_prefix, kind};

/// No JID holds a space, so a group's prefix is never the start of another group's.
fn record_id(group: &str, device: &str) -> String {
    format!("{group} {device}")
}

impl Backend {
    pub(super) async fn sender_key_devices(&self, group: &str) -> Result<Vec<(String, bool)>> {
        let prefix = record_id(group, "");
        let rows = self.list(kind::SENDER_KEY_DEVICE, &prefix).await?;
        Ok(rows
            .into_iter()
            .map(|(id, has)| (id.split_at(prefix.len()).1.to_owned(), has.first() == Some(&1)))
            .collect())
    }

    pub(super) async fn sender_key_status(&self, group: &str, entries: &[(&str, bool)]) -> Result<()> {
        let _alone = self.exclusively().await;
        let writes = entries
            .iter()
            .map(|(device, has)| self.put(kind::SENDER_KEY_DEVICE, record_id(group, device), &[u8::from(*has)]));
        self.write(writes.collect::<Result<_>>()?).await
    }

    pub(super) async fn forget_sender_keys_of_group(&self, group: &str) -> Result<()> {
        let _alone = self.exclusively().await;
        self.write(vec![delete_prefix(kind::SENDER_KEY_DEVICE, record_id(group, ""))]).await
    }

    pub(super) async fn forget_sender_keys_of_devices(&self, devices: &[&str]) -> Result<()> {
        if devices.is_empty() {
            return Ok(());
        }
        let _alone = self.exclusively().await;
        let devices: HashSet<&str> = devices.iter().copied().collect();
        let ids = self.list_ids(kind::SENDER_KEY_DEVICE, "").await?;
        let gone = ids.into_iter().filter(|id| id.split_once(' ').is_some_and(|(_, device)| devices.contains(device)));
        let writes: Vec<KeyWrite> = gone.map(|id| delete(kind::SENDER_KEY_DEVICE, id)).collect();
        self.write(writes).await
    }

    pub(super) async fn forget_sender_keys(&self) -> Result<()> {
        let _alone = self.exclusively().await;
        self.write(vec![delete_prefix(kind::SENDER_KEY_DEVICE, "")]).await
    }
}
