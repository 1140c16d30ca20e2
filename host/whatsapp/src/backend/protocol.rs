//! What the protocol needs beside keys: who has our sender keys, LIDs and numbers, device lists, groups, contact tokens,
//! sent messages for a second try, and messages that came in and wait for their commit.

mod sender_keys;
mod tokens;

use std::collections::HashMap;
use std::sync::PoisonError;

use async_trait::async_trait;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore, TcTokenEntry,
};

use super::{Backend, PENDING_TTL, SENT_TTL, delete, from_json, id_of, kind, purge_time};

type Names = HashMap<String, String>;

impl Backend {
    /// Both directions of each mapping. A LID that moved to another number leaves its old number, unless that number went
    /// to another LID meanwhile.
    async fn put_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let _alone = self.exclusively().await;
        let (mut numbers, mut owners) = self.mappings_before(entries).await?;
        let mut writes = Vec::with_capacity(2 * entries.len());
        for LidPnMappingEntry { lid, phone_number, .. } in entries {
            let before = numbers.insert(lid.clone(), phone_number.clone()).filter(|number| number != phone_number);
            if let Some(before) = before.filter(|number| owners.get(number) == Some(lid)) {
                owners.remove(&before);
                writes.push(delete(kind::LID_OF_PN, before));
            }
            owners.insert(phone_number.clone(), lid.clone());
            writes.push(self.put(kind::LID_OF_PN, phone_number.as_str(), lid.as_bytes())?);
        }
        for entry in entries {
            writes.push(self.put_json(kind::LID, entry.lid.as_str(), entry)?);
        }
        self.write(writes).await
    }

    /// The number of each LID in `entries`, and the LID of each such number, as stored now.
    async fn mappings_before(&self, entries: &[LidPnMappingEntry]) -> Result<(Names, Names)> {
        let lids: Vec<String> = entries.iter().map(|entry| entry.lid.clone()).collect();
        let mut numbers = Names::new();
        for (lid, bytes) in self.read_many(kind::LID, &lids).await? {
            numbers.insert(lid, from_json::<LidPnMappingEntry>(&bytes)?.phone_number);
        }
        let known: Vec<String> = numbers.values().cloned().collect();
        let owners = self.read_many(kind::LID_OF_PN, &known).await?;
        let owners = owners.into_iter().map(|(number, lid)| (number, String::from_utf8_lossy(&lid).into_owned()));
        Ok((numbers, owners.collect()))
    }

    /// Keeps a message until it is committed. Never waits for the store, and never fails for it: the message becomes durable with
    /// the ratchet that decrypted it (see [`super::deferred`]).
    async fn keep_pending(&self, row: &PendingInboundRow<'_>) {
        let expires = self.now() + PENDING_TTL;
        let id = id_of(&[row.chat, row.sender, row.id]);
        let kept = self.defer(kind::PENDING, id, row.message.to_vec(), Some(expires)).await;
        if kept.is_err() {
            tracing::debug!(device.id = %self.device, "an incoming message is kept in memory: the store did not take it");
        }
    }

    async fn forget_pending(&self, key: &PendingInboundKey<'_>) -> Result<()> {
        let id = id_of(&[key.chat, key.sender, key.id]);
        let is_stored = self.replayed.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.defer_delete(kind::PENDING, &id, is_stored).await
    }
}

#[async_trait]
impl ProtocolStore for Backend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        self.sender_key_devices(group_jid).await
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        self.sender_key_status(group_jid, entries).await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.forget_sender_keys_of_group(group_jid).await
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        self.forget_sender_keys_of_devices(device_jids).await
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.forget_sender_keys().await
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        self.read_json(kind::LID, lid).await
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let Some(lid) = self.read(kind::LID_OF_PN, phone).await? else {
            return Ok(None);
        };
        self.read_json(kind::LID, &String::from_utf8_lossy(&lid)).await
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        self.put_mappings(entries).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let all = self.list(kind::LID, "").await?;
        all.iter().map(|(_, bytes)| from_json(bytes)).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        let expires = self.now() + SENT_TTL;
        let id = id_of(&[address, message_id]);
        self.write(vec![self.put_until(kind::BASE_KEY, id, base_key, Some(expires))?]).await
    }

    async fn has_same_base_key(&self, address: &str, message_id: &str, current_base_key: &[u8]) -> Result<bool> {
        let saved = self.read(kind::BASE_KEY, &id_of(&[address, message_id])).await?;
        Ok(saved.is_some_and(|key| key == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.write(vec![delete(kind::BASE_KEY, id_of(&[address, message_id]))]).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.write(vec![self.put_json(kind::DEVICE_LIST, record.user.as_str(), &record)?]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let writes = records.iter().map(|record| self.put_json(kind::DEVICE_LIST, record.user.as_str(), record));
        self.write(writes.collect::<Result<_>>()?).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        self.read_json(kind::DEVICE_LIST, user).await
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.write(vec![delete(kind::DEVICE_LIST, user)]).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.read(kind::GROUP, group_jid).await
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.write(vec![self.put(kind::GROUP, group_jid, blob)?]).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.write(vec![delete(kind::GROUP, group_jid)]).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        self.read_json(kind::TC_TOKEN, jid).await
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let _alone = self.exclusively().await;
        self.write(vec![self.put_json(kind::TC_TOKEN, jid, entry)?]).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        let _alone = self.exclusively().await;
        self.write(vec![delete(kind::TC_TOKEN, jid)]).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        self.list_ids(kind::TC_TOKEN, "").await
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        self.drop_stale_tokens(token_cutoff, sender_cutoff).await
    }

    async fn touch_tc_token_sender_timestamp(&self, jid: &str, sender_timestamp: i64) -> Result<()> {
        self.token_issued(jid, sender_timestamp).await
    }

    async fn store_received_tc_token(&self, jid: &str, token: &[u8], token_timestamp: i64) -> Result<()> {
        self.token_received(jid, token, token_timestamp).await
    }

    async fn store_sent_message(&self, chat_jid: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        let expires = self.now() + SENT_TTL;
        let id = id_of(&[chat_jid, message_id]);
        self.defer(kind::SENT, id, payload.to_vec(), Some(expires)).await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        self.take(kind::SENT, &id_of(&[chat_jid, message_id])).await
    }

    /// Also forgets the base keys saved for messages as old: nothing of the library asks for that by itself.
    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        let until = purge_time(cutoff_timestamp, SENT_TTL);
        self.purge(kind::BASE_KEY, until).await?;
        self.purge(kind::SENT, until).await
    }

    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        self.keep_pending(&PendingInboundRow { chat, sender, id, message }).await;
        Ok(())
    }

    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let id = id_of(&[chat, sender, id]);
        let found = self.read(kind::PENDING, &id).await?;
        if found.is_some() {
            // The library now commits the message again, and asks to remove this record then.
            self.replayed.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        Ok(found)
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.forget_pending(&PendingInboundKey { chat, sender, id }).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.purge(kind::PENDING, purge_time(cutoff_timestamp, PENDING_TTL)).await
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        for row in rows {
            self.keep_pending(row).await;
        }
        Ok(())
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        for key in keys {
            self.forget_pending(key).await?;
        }
        Ok(())
    }
}
