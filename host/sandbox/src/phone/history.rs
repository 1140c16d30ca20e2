//! What a phone tells its companions about the past: after linking, when the account's traits ask for it, and on demand.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore_binary::Jid;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::conversation::EndOfHistoryTransferType;
use whatsapp_rust::waproto::whatsapp::history_sync::HistorySyncType as Chunk;
use whatsapp_rust::waproto::whatsapp::message::peer_data_operation_request_message::HistorySyncOnDemandRequest;
use whatsapp_rust::waproto::whatsapp::message::{
    HistorySyncNotification, HistorySyncType, ProtocolMessage, protocol_message,
};

use super::inbox::Past;
use super::peer;
use crate::Error;
use crate::account::Account;
use crate::network::Network;

/// Messages of one chat the first history holds.
const FIRST_MESSAGES_MAX: usize = 200;
/// Messages one answer on demand holds.
const ON_DEMAND_MAX: usize = 500;

/// Sends the first history to a companion that was just linked, when the account's traits ask for any.
pub(super) async fn first(network: &Arc<Network>, account: &Arc<Account>, device: u16) -> Result<(), Error> {
    let (traits, salt) = account.with(|state| (state.traits.clone(), state.salt));
    if !traits.history && !traits.salt_by_history {
        return Ok(());
    }
    let chats = if traits.history { chats(account) } else { BTreeMap::new() };
    let conversations = chats.iter().map(|(chat, past)| {
        let newest = past.get(past.len().saturating_sub(FIRST_MESSAGES_MAX)..).unwrap_or_default();
        conversation(chat, newest, newest.len() < past.len())
    });
    let blob = wa::HistorySync {
        sync_type: Chunk::INITIAL_BOOTSTRAP,
        conversations: conversations.collect(),
        chunk_order: Some(1),
        progress: Some(100),
        nct_salt: traits.salt_by_history.then(|| salt.to_vec()),
        ..Default::default()
    };
    let notification = HistorySyncNotification {
        sync_type: Some(HistorySyncType::INITIAL_BOOTSTRAP),
        chunk_order: Some(1),
        progress: Some(100),
        initial_hist_bootstrap_inline_payload: Some(compressed(&blob)?),
        ..Default::default()
    };
    send(network, account, device, notification).await
}

/// Answers a companion that wants what came before a message of a chat.
pub(super) async fn on_demand(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    id: &str,
    asked: &HistorySyncOnDemandRequest,
) -> Result<(), Error> {
    let jid: Option<Jid> = asked.chat_jid.as_deref().and_then(|jid| jid.parse().ok());
    let name = jid.as_ref().map(|jid| match network.directory.find_jid(jid) {
        Some(partner) => partner.pn.clone(),
        None => jid.to_string(),
    });
    let count = usize::try_from(asked.on_demand_msg_count.unwrap_or(0)).unwrap_or(0).clamp(1, ON_DEMAND_MAX);
    let mut past = name.as_ref().and_then(|name| chats(account).remove(name)).unwrap_or_default();
    let oldest = asked.oldest_msg_id.as_deref();
    if let Some(known) = past.iter().position(|one| Some(one.id.as_str()) == oldest) {
        past.truncate(known);
    } else if let Some(before) = asked.oldest_msg_timestamp_ms.and_then(|before| u64::try_from(before).ok()) {
        past.retain(|one| before == 0 || one.t_ms < before);
    }
    let page = past.get(past.len().saturating_sub(count)..).unwrap_or_default();
    let mut found = conversation(name.as_deref().unwrap_or_default(), page, page.len() < past.len());
    // The chat is named as the companion names it.
    found.id = asked.chat_jid.clone().unwrap_or_default();
    let blob = wa::HistorySync {
        sync_type: Chunk::ON_DEMAND,
        conversations: vec![found],
        chunk_order: Some(0),
        progress: Some(100),
        ..Default::default()
    };
    let notification = HistorySyncNotification {
        sync_type: Some(HistorySyncType::ON_DEMAND),
        chunk_order: Some(0),
        progress: Some(100),
        peer_data_request_session_id: Some(id.to_owned()),
        initial_hist_bootstrap_inline_payload: Some(compressed(&blob)?),
        ..Default::default()
    };
    send(network, account, device, notification).await
}

/// One message of the past, as a companion is told it.
pub(super) fn find(account: &Account, id: &str) -> Option<wa::WebMessageInfo> {
    let past = account.phone.with_log(|log| log.past());
    past.iter().find(|one| one.id == id).and_then(info)
}

async fn send(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    notification: HistorySyncNotification,
) -> Result<(), Error> {
    let message = ProtocolMessage {
        r#type: Some(protocol_message::Type::HISTORY_SYNC_NOTIFICATION),
        history_sync_notification: MessageField::some(notification),
        ..Default::default()
    };
    peer::send(network, account, device, message).await.map(drop)
}

/// The past by chat, each oldest first.
fn chats(account: &Account) -> BTreeMap<String, Vec<Past>> {
    let mut chats: BTreeMap<String, Vec<Past>> = BTreeMap::new();
    for one in account.phone.with_log(|log| log.past()) {
        chats.entry(one.chat.clone()).or_default().push(one);
    }
    chats
}

fn chat_jid(chat: &str) -> String {
    if chat.contains('@') { chat.to_owned() } else { Jid::pn(chat).to_string() }
}

/// A conversation, newest message first as phones write it.
fn conversation(chat: &str, past: &[Past], more: bool) -> wa::Conversation {
    let messages = past.iter().rev().filter_map(info);
    let messages = messages
        .map(|message| wa::HistorySyncMsg { message: MessageField::some(message), msg_order_id: None })
        .collect();
    let end = match more {
        true => EndOfHistoryTransferType::COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY,
        false => EndOfHistoryTransferType::COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY,
    };
    wa::Conversation {
        id: chat_jid(chat),
        messages,
        conversation_timestamp: past.last().map(|one| one.t_ms / 1_000),
        end_of_history_transfer: Some(!more),
        end_of_history_transfer_type: Some(end),
        ..Default::default()
    }
}

fn info(one: &Past) -> Option<wa::WebMessageInfo> {
    let message = wa::Message::decode_from_slice(&one.message).ok()?;
    let group = one.chat.contains('@');
    let participant = (group && !one.from_me).then(|| chat_jid(&one.from));
    Some(wa::WebMessageInfo {
        key: MessageField::some(wa::MessageKey {
            remote_jid: Some(chat_jid(&one.chat)),
            from_me: Some(one.from_me),
            id: Some(one.id.clone()),
            participant: participant.clone(),
        }),
        message: MessageField::some(message),
        message_timestamp: Some(one.t_ms / 1_000),
        participant,
        ..Default::default()
    })
}

fn compressed(blob: &wa::HistorySync) -> Result<Vec<u8>, Error> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(&blob.encode_to_vec()).and_then(|()| encoder.finish());
    written.map_err(|_| Error::Invalid { why: "the history could not be compressed" })
}
