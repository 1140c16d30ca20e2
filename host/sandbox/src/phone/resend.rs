//! What becomes of a phone's messages: receipts, and encrypting again for a device that could not read.

use std::sync::Arc;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::messages::{MessageUtils, wrap_device_sent};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;

use super::event::Change;
use super::group_send::with_key;
use super::send::{Chat, begin, encrypt, stanza_type};
use super::signal::address;
use crate::Error;
use crate::account::{Account, PHONE};
use crate::clock::now_ms;
use crate::keys::KeyBundle;
use crate::network::Network;
use crate::relay::receipt::ids;
use crate::relay::{self, Author};
use crate::stanza::{attr, attr_or_empty, child_number, jid_attr};

/// Retries a phone grants per message and device.
const RETRIES_MAX: u8 = 5;

/// Handles one `<receipt>` for messages of this phone.
pub(crate) async fn receipt(network: &Arc<Network>, account: &Arc<Account>, node: &Node) {
    // In a group the reader is named beside the chat.
    let Some(from) = jid_attr(node, "participant").or_else(|| jid_attr(node, "from")) else {
        return;
    };
    let Some(reader) = network.directory.find_jid(&from) else {
        return;
    };
    let kind = match attr_or_empty(node, "type").as_str() {
        "" => "delivered".to_owned(),
        other => other.to_owned(),
    };
    for id in ids(node) {
        let now = now_ms();
        account.phone.with_log(|log| {
            let known = log.update_sent(&id, |record| match kind.as_str() {
                "delivered" => first(&mut record.delivered_ms, now),
                "inactive" => first(&mut record.inactive_ms, now),
                "read" => first(&mut record.read_ms, now),
                "played" => first(&mut record.played_ms, now),
                "retry" => record.retries += 1,
                _ => {}
            });
            if known {
                let (from, device) = (reader.pn.clone(), from.device);
                log.record(Change::Receipt { id: id.clone(), from, device, kind: kind.clone() });
            }
        });
        if kind == "retry"
            && let Err(error) = again(network, account, &reader, from.device, &id, node).await
        {
            tracing::debug!(%error, "sandbox phone cannot encrypt a message again");
        }
    }
}

/// Keeps the time of the first receipt of a kind.
fn first(time: &mut Option<u64>, now: u64) {
    time.get_or_insert(now);
}

/// Encrypts a sent message again for one device that could not read it, in a new session.
async fn again(
    network: &Arc<Network>,
    account: &Arc<Account>,
    reader: &Arc<Account>,
    device: u16,
    id: &str,
    node: &Node,
) -> Result<(), Error> {
    let retry = node.get_optional_child("retry");
    let count: u8 = retry.and_then(|retry| attr(retry, "count")?.parse().ok()).unwrap_or(1);
    let sent = account.phone.with_log(|log| log.find_sent(id).cloned());
    let Some(sent) = sent.filter(|_| count <= RETRIES_MAX) else {
        return Ok(());
    };
    let chat = chat(network, &sent.record.to)?;
    let own = Arc::ptr_eq(reader, account);
    let message = wa::Message::decode_from_slice(&sent.message)
        .map_err(|_| Error::Invalid { why: "the kept message is unreadable" })?;
    let mut signal = account.phone.signal.lock().await;
    let offered =
        node.get_optional_child("keys").and_then(|keys| KeyBundle::read(keys, child_number(node, "registration")?));
    match offered {
        Some(keys) => {
            let bundle = keys.for_session(device, keys.one_time.front())?;
            signal.begin(&address(reader, device), &bundle).await?;
        }
        // Without keys in the request the server's will do: whatever the old session is, it did not work.
        None => {
            begin(network, &mut signal, reader, device).await?;
        }
    }
    let message = match &chat {
        Chat::Group(group) => {
            let chat = group.jid().to_string();
            let key = signal.sender_keys.own(&chat, &address(account, PHONE)).await?;
            with_key(message, &chat, key)
        }
        Chat::User(to) if own => wrap_device_sent(message, account.address_of(to, PHONE).to_string()),
        Chat::User(_) => message,
    };
    let plain = MessageUtils::encode_and_pad(&message);
    let Some(enc) = encrypt(network, &mut signal, reader, device, &plain).await? else {
        return Ok(());
    };
    let kind = stanza_type(&sent.record.kind);
    let stanza =
        NodeBuilder::new("message").attr("id", id).attr("type", kind).children([enc.attr("count", count).build()]);
    let stanza = match &chat {
        Chat::Group(_) => stanza.attr("to", chat.jid(account)).attr("participant", reader.lid_jid(device)),
        Chat::User(_) if own => stanza.attr("to", reader.pn_jid(device)).attr("recipient", chat.jid(account)),
        Chat::User(_) => stanza.attr("to", account.address_of(reader, device)),
    };
    relay::message(network, &Author { account: Arc::clone(account), device: PHONE }, &stanza.build());
    Ok(())
}

/// The chat a sent message's record names.
fn chat(network: &Network, name: &str) -> Result<Chat, Error> {
    if let Some(account) = network.directory.find(name) {
        return Ok(Chat::User(account));
    }
    let jid = name.parse().map_err(|_| Error::UnknownRecipient)?;
    network.groups.find_jid(&jid).map(Chat::Group).ok_or(Error::UnknownRecipient)
}
