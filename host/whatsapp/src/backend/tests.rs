//! What the protocol library expects of its storage, on records in memory.

use std::sync::atomic::{AtomicI64, Ordering};

use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::traits::{
    AppStateSyncKey, AppSyncStore, DeviceStore, LidPnMappingEntry, MsgSecretEntry, MsgSecretStore, PendingInboundKey,
    PendingInboundRow, ProtocolStore, SignalStore,
};

use super::*;
use crate::memory::{FixedClock, MemoryKeyRecords, sealer};

const NOW_S: i64 = 1_767_225_600;

struct Fixture {
    records: Arc<MemoryKeyRecords>,
    sealer: Sealer,
    device: DeviceId,
}

impl Fixture {
    fn new() -> Self {
        Self { records: Arc::default(), sealer: sealer(), device: DeviceId::new(1, 1) }
    }

    /// The storage as a new process would open it.
    fn backend(&self) -> Arc<Backend> {
        let clock = Arc::new(FixedClock(AtomicI64::new(NOW_S * 1000)));
        Backend::new(self.device.clone(), self.records.clone(), self.sealer.clone(), clock)
    }

    fn applies(&self) -> usize {
        self.records.applies.swap(0, Ordering::Relaxed)
    }
}

fn mapping(lid: &str, number: &str) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: lid.to_owned(),
        phone_number: number.to_owned(),
        created_at: 1,
        updated_at: 1,
        learning_source: "usync".to_owned(),
    }
}

#[tokio::test]
async fn a_full_upload_of_pre_keys_is_one_write_list() -> Result<()> {
    let fixture = Fixture::new();
    let keys: Vec<(u32, Bytes)> = (1..=812u32).map(|id| (id, Bytes::from(id.to_be_bytes().to_vec()))).collect();
    fixture.backend().store_prekeys_batch(&keys, true).await?;
    assert_eq!(fixture.applies(), 1);
    let backend = fixture.backend();
    assert_eq!(backend.get_max_prekey_id().await?, 812);
    let mut some = backend.load_prekeys_batch(&[3, 700, 9_999]).await?;
    some.sort();
    assert_eq!(some, vec![keys[2].clone(), keys[699].clone()]);
    backend.remove_prekey(3).await?;
    backend.mark_prekeys_uploaded(&[3]).await?;
    assert_eq!(backend.load_prekey(3).await?, None, "a used key stays used");
    Ok(())
}

#[tokio::test]
async fn signal_state_is_found_by_user_and_batches_are_one_write_list() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    let sessions = [("1@lid".into(), Bytes::from_static(b"a")), ("1:7@lid".into(), Bytes::from_static(b"b"))];
    backend.put_sessions_batch(&sessions).await?;
    backend.put_identities_batch(&[("2:3@lid".into(), [7; 32])]).await?;
    assert_eq!(fixture.applies(), 2);
    assert!(backend.has_signal_state_for_user("1").await? && backend.has_signal_state_for_user("2").await?);
    assert!(!backend.has_signal_state_for_user("12").await?);
    assert_eq!(backend.load_identity("2:3@lid").await?, Some([7; 32]));
    backend.delete_session("1@lid").await?;
    assert!(!backend.has_session("1@lid").await? && backend.has_session("1:7@lid").await?);
    Ok(())
}

#[tokio::test]
async fn a_sent_message_is_given_out_once_and_expires() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.store_sent_message("c", "1", b"one").await?;
    assert_eq!(backend.take_sent_message("c", "1").await?.as_deref(), Some(&b"one"[..]));
    assert_eq!(backend.take_sent_message("c", "1").await?, None);
    backend.store_sent_message("c", "2", b"two").await?;
    assert_eq!(backend.delete_expired_sent_messages(NOW_S).await?, 0, "stored at the cutoff is not before it");
    assert_eq!(backend.delete_expired_sent_messages(NOW_S + 1).await?, 1);
    Ok(())
}

fn row<'a>(id: &'a str, message: &'a [u8]) -> PendingInboundRow<'a> {
    PendingInboundRow { chat: "c", sender: "s", id, message }
}

fn pending_key(id: &str) -> PendingInboundKey<'_> {
    PendingInboundKey { chat: "c", sender: "s", id }
}

#[tokio::test]
async fn pending_messages_are_stored_with_the_ratchet_and_survive_a_restart() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.store_pending_inbound_batch(&[row("1", b"one"), row("2", b"two")]).await?;
    assert_eq!(fixture.applies(), 0, "nothing is written before the ratchet is");
    assert_eq!(backend.get_pending_inbound("c", "s", "1").await?.as_deref(), Some(&b"one"[..]));
    backend.put_session("1@lid", b"a ratchet").await?;
    assert_eq!(fixture.applies(), 1, "one write list for both");
    let restarted = fixture.backend();
    assert_eq!(restarted.get_pending_inbound("c", "s", "1").await?.as_deref(), Some(&b"one"[..]));
    restarted.store_pending_inbound("c", "s", "1", b"one").await?;
    restarted.delete_pending_inbound_batch(&[pending_key("1")]).await?;
    assert_eq!(restarted.get_pending_inbound("c", "s", "1").await?, None);
    restarted.retire().await;
    let again = fixture.backend();
    assert_eq!(again.get_pending_inbound("c", "s", "1").await?, None, "its removal was written");
    assert_eq!(again.delete_expired_pending_inbound(NOW_S).await?, 0);
    assert_eq!(again.delete_expired_pending_inbound(NOW_S + 1).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_committed_before_its_ratchet_is_stored_is_never_written() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.store_pending_inbound("c", "s", "1", b"one").await?;
    backend.delete_pending_inbound("c", "s", "1").await?;
    backend.put_session("1@lid", b"a ratchet").await?;
    assert_eq!((fixture.applies(), fixture.records.count(&fixture.device)), (1, 1));
    Ok(())
}

#[tokio::test]
async fn deferred_writes_that_nothing_takes_along_are_written_by_themselves() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    fixture.records.outage.store(1, Ordering::Relaxed);
    backend.store_sent_message("c", "1", b"one").await?;
    backend.store_sent_message("c", "2", b"two").await?;
    assert_eq!(fixture.records.count(&fixture.device), 0);
    let written = async {
        while fixture.records.count(&fixture.device) == 0 {
            tokio::time::sleep(DEFER_TIME).await;
        }
    };
    tokio::time::timeout(3 * RETRY_WAIT_MAX, written).await.expect("written in time");
    assert_eq!((fixture.applies(), fixture.records.count(&fixture.device)), (1, 2));
    Ok(())
}

#[tokio::test]
async fn ids_from_other_phones_cannot_collide() -> Result<()> {
    let backend = Fixture::new().backend();
    backend.store_sent_message("a", "b/c\0", b"one").await?;
    backend.store_sent_message("a/b", "c\0", b"two").await?;
    assert_eq!(backend.take_sent_message("a", "b/c\0").await?.as_deref(), Some(&b"one"[..]));
    Ok(())
}

#[tokio::test]
async fn nothing_is_stored_in_the_clear_and_nothing_opens_elsewhere() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.store_sent_message("c", "1", b"a secret greeting").await?;
    backend.store_pending_inbound("c", "s", "1", b"a secret answer").await?;
    backend.save(&Device { push_name: "Harbour Office".to_owned(), ..Device::new() }).await?;
    assert_eq!(fixture.records.count(&fixture.device), 3);
    assert!(!fixture.records.holds(b"a secret answer"));
    assert!(!fixture.records.holds(b"a secret greeting") && !fixture.records.holds(b"Harbour Office"));
    let sealed = backend.put("session", "one", b"x")?;
    let KeyWrite::Put { id: _, value, kind, expires } = sealed else { panic!("a put") };
    let moved = KeyWrite::Put { kind, id: "two".to_owned(), value, expires };
    fixture.records.apply(&fixture.device, vec![moved]).await.map_err(database)?;
    assert!(backend.get_session("two").await.is_err(), "a value opens at its own place only");
    Ok(())
}

#[tokio::test]
async fn message_secrets_never_lose_time_and_expire() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    let entry = |secret, expires_at, message_ts| MsgSecretEntry {
        chat: "c".into(),
        sender: "s".into(),
        msg_id: "1".into(),
        secret: [secret; 32],
        expires_at,
        message_ts,
    };
    backend.put_msg_secrets(vec![entry(1, NOW_S + 100, 5), entry(2, NOW_S + 10, 0)]).await?;
    assert_eq!(fixture.applies(), 0, "it waits for a write that takes it along");
    assert_eq!(backend.get_msg_secret_with_ts("c", "s", "1").await?, Some((vec![2; 32], 5)));
    assert_eq!(backend.delete_expired_msg_secrets(NOW_S + 99).await?, 0);
    assert_eq!(backend.delete_expired_msg_secrets(NOW_S + 100).await?, 1);
    backend.put_msg_secrets(vec![entry(3, 0, 0)]).await?;
    backend.put_msg_secrets(vec![entry(3, NOW_S, 0)]).await?;
    assert_eq!(backend.delete_expired_msg_secrets(i64::MAX / 2000).await?, 0, "never stays never");
    Ok(())
}

#[tokio::test]
async fn a_number_belongs_to_the_lid_that_had_it_last() -> Result<()> {
    let backend = Fixture::new().backend();
    backend.put_lid_mappings(&[mapping("A", "15550100001"), mapping("B", "15550100002")]).await?;
    backend.put_lid_mapping(&mapping("A", "15550100003")).await?;
    assert!(backend.get_pn_mapping("15550100001").await?.is_none());
    backend.put_lid_mapping(&mapping("C", "15550100002")).await?;
    backend.put_lid_mapping(&mapping("B", "15550100004")).await?;
    let owner = backend.get_pn_mapping("15550100002").await?.map(|entry| entry.lid);
    assert_eq!(owner.as_deref(), Some("C"), "B leaving its old number does not take it from C");
    assert_eq!(backend.get_all_lid_mappings().await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn sender_keys_are_tracked_by_group_and_device() -> Result<()> {
    let backend = Fixture::new().backend();
    backend.set_sender_key_status("1@g.us", &[("a@lid", true), ("b@lid", false)]).await?;
    backend.set_sender_key_status("11@g.us", &[("a@lid", true)]).await?;
    assert_eq!(
        backend.get_sender_key_devices("1@g.us").await?,
        [("a@lid".to_owned(), true), ("b@lid".to_owned(), false)]
    );
    backend.delete_sender_key_device_rows(&["a@lid"]).await?;
    assert!(backend.get_sender_key_devices("11@g.us").await?.is_empty());
    backend.clear_sender_key_devices("1@g.us").await?;
    assert!(backend.get_sender_key_devices("1@g.us").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn contact_tokens_keep_both_halves() -> Result<()> {
    let backend = Fixture::new().backend();
    backend.touch_tc_token_sender_timestamp("a@lid", 50).await?;
    backend.store_received_tc_token("a@lid", b"new", 40).await?;
    backend.store_received_tc_token("a@lid", b"old", 30).await?;
    backend.touch_tc_token_sender_timestamp("a@lid", 20).await?;
    let entry = backend.get_tc_token("a@lid").await?.expect("an entry");
    assert_eq!((&entry.token[..], entry.token_timestamp, entry.sender_timestamp), (&b"new"[..], 40, Some(50)));
    assert_eq!(backend.delete_expired_tc_tokens(100, 50).await?, 0, "one half lives");
    assert_eq!(backend.delete_expired_tc_tokens(100, 51).await?, 1);
    Ok(())
}

#[tokio::test]
async fn app_state_is_kept_by_collection() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.set_sync_key(b"k", AppStateSyncKey { key_data: vec![1], fingerprint: vec![2], timestamp: 3 }).await?;
    assert_eq!(fixture.applies(), 1, "the key and which is the latest go together");
    assert_eq!(backend.get_latest_sync_key_id().await?.as_deref(), Some(&b"k"[..]));
    let mut version = backend.get_version("regular").await?;
    (version.version, version.hash[127]) = (9, 1);
    backend.set_version("regular", version).await?;
    assert_eq!(backend.get_version("regular").await?.hash[127], 1);
    let mac = AppStateMutationMAC { index_mac: vec![5; 32], value_mac: vec![6] };
    backend.put_mutation_macs("regular", 9, &[mac]).await?;
    assert_eq!(backend.get_mutation_macs("regular", &[[5; 32], [4; 32]]).await?.len(), 1);
    backend.clear_mutation_macs("regular").await?;
    assert_eq!(backend.get_mutation_mac("regular", &[5; 32]).await?, None);
    Ok(())
}

#[tokio::test]
async fn the_device_record_comes_back_whole() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    assert!(!backend.exists().await?);
    backend.create().await?;
    let mut made = backend.load().await?.expect("a device");
    made.app_version_last_fetched_ms = 5;
    backend.save(&made).await?;
    backend.forget_version().await?;
    let again = fixture.backend().load().await?.expect("a device");
    assert_eq!(again.app_version_last_fetched_ms, 0);
    assert_eq!(again.adv_secret_key, made.adv_secret_key);
    assert_eq!(again.signed_pre_key_signature, made.signed_pre_key_signature);
    assert_eq!(again.identity_key.public_key, made.identity_key.public_key);
    Ok(())
}

#[tokio::test]
async fn an_ended_session_writes_nothing_more() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.create().await?;
    backend.wipe().await.map_err(database)?;
    assert!(backend.create().await.is_err());
    assert_eq!(fixture.records.count(&fixture.device), 0, "wiped keys do not come back");
    Ok(())
}

/// A key that can't be read would make the library tell WhatsApp to drop the message.
#[tokio::test]
async fn keys_are_read_as_soon_as_the_store_is_back() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.put_session("1@lid", b"a").await?;
    fixture.records.outage.store(2, Ordering::Relaxed);
    assert_eq!(backend.get_session("1@lid").await?, Some(Bytes::from_static(b"a")));
    Ok(())
}

/// A decrypted message that can't be kept would pass for a duplicate later.
#[tokio::test]
async fn messages_are_kept_while_the_store_is_down_and_written_with_the_ratchet_later() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    fixture.records.outage.store(1, Ordering::Relaxed);
    backend.store_pending_inbound("1@lid", "1@lid", "A1", b"hello").await?;
    assert!(backend.put_session("1@lid", b"a ratchet").await.is_err(), "the store is down");
    backend.put_session("1@lid", b"a ratchet").await?;
    let restarted = fixture.backend();
    assert_eq!(restarted.get_pending_inbound("1@lid", "1@lid", "A1").await?, Some(b"hello".to_vec()));
    Ok(())
}

#[tokio::test]
async fn nobody_waits_for_the_store_of_a_session_that_is_over() {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    backend.retire().await;
    fixture.records.outage.store(usize::MAX, Ordering::Relaxed);
    assert!(backend.get_session("1@lid").await.is_err());
    assert!(backend.put_session("1@lid", b"a").await.is_err());
}

#[tokio::test]
async fn what_was_read_before_is_read_from_memory_until_it_changes() -> Result<()> {
    let fixture = Fixture::new();
    let backend = fixture.backend();
    assert_eq!(backend.get_tc_token("a@lid").await?.map(|entry| entry.token), None);
    backend.store_received_tc_token("a@lid", b"token", 40).await?;
    assert_eq!(backend.get_tc_token("a@lid").await?.map(|entry| entry.token), Some(b"token".to_vec()));
    fixture.records.take_calls();
    assert_eq!(backend.get_tc_token("a@lid").await?.map(|entry| entry.token), Some(b"token".to_vec()));
    assert!(fixture.records.take_calls().is_empty());
    Ok(())
}
