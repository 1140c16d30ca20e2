//! A phone writes: encrypts for every device of the recipient and of its own account, and follows the receipts.
//!
//! Invariant: messages leave in the order they were asked for, because encrypting and handing over happen under the
//! lock of the phone's sessions.

use std::sync::Arc;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::messages::{MessageUtils, wrap_device_sent};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;

use super::event::Change;
use super::inbox::{Sent, SentRecord};
use super::signal::{Signal, address};
use crate::Error;
use crate::account::{Account, PHONE};
use crate::clock::now_ms;
use crate::identity::random_hex;
use crate::iq::keys::ask_for_keys;
use crate::keys::KeyBundle;
use crate::network::Network;
use crate::relay::receipt::ids;
use crate::relay::{self, Author};
use crate::stanza::{attr, attr_or_empty, child_number, jid_attr};

/// Retries a phone grants per message and device.
const RETRIES_MAX: u8 = 5;

/// What is said about a message next to its content.
pub(crate) struct Outgoing {
    pub(crate) message: wa::Message,
    /// As in the inbox: `text`, `image`, …
    pub(crate) kind: &'static str,
    pub(crate) text: Option<String>,
}

/// How a kind of message is announced to the server.
fn stanza_type(kind: &str) -> &'static str {
    match kind {
        "text" | "edit" | "revoke" => "text",
        "reaction" => "reaction",
        "poll" | "vote" => "poll",
        _ => "media",
    }
}

/// Sends a message and returns its id once the server has taken it.
pub(crate) async fn send(
    network: &Arc<Network>,
    account: &Arc<Account>,
    to: &Arc<Account>,
    outgoing: Outgoing,
) -> Result<String, Error> {
    if !*account.phone.online.borrow() {
        return Err(Error::PhoneOffline);
    }
    let id = format!("3EB0{}", random_hex::<9>());
    let record = SentRecord {
        id: id.clone(),
        to: to.pn.clone(),
        kind: outgoing.kind.to_owned(),
        text: outgoing.text,
        sent_ms: now_ms(),
        ack_ms: None,
        error: None,
        delivered_ms: None,
        inactive_ms: None,
        read_ms: None,
        played_ms: None,
        retries: 0,
    };
    let encoded = outgoing.message.encode_to_vec();
    account.phone.with_log(|log| log.remember_sent(Sent { record, message: encoded }));
    let mut signal = account.phone.signal.lock().await;
    let entries = fan_out(network, account, to, &mut signal, outgoing.message).await?;
    let kind = stanza_type(outgoing.kind);
    let node = NodeBuilder::new("message")
        .attr("to", to.pn_jid(PHONE))
        .attr("id", id.as_str())
        .attr("type", kind)
        .children([NodeBuilder::new("participants").children(entries).build()])
        .build();
    let ack = relay::message(network, &Author { account: Arc::clone(account), device: PHONE }, &node);
    drop(signal);
    let error = attr(&ack, "error").and_then(|code| code.parse().ok());
    account.phone.with_log(|log| {
        log.update_sent(&id, |record| match error {
            Some(code) => record.error = Some(code),
            None => record.ack_ms = Some(now_ms()),
        })
    });
    Ok(id)
}

/// One `<to>` per device of the recipient and per own companion. A device without keys is left out, as clients do.
async fn fan_out(
    network: &Network,
    account: &Arc<Account>,
    to: &Arc<Account>,
    signal: &mut Signal,
    message: wa::Message,
) -> Result<Vec<Node>, Error> {
    let mut entries = Vec::new();
    if !Arc::ptr_eq(account, to) {
        let plain = MessageUtils::encode_and_pad(&message);
        for device in to.device_numbers() {
            entries.extend(entry(network, signal, to, device, &plain).await?);
        }
    }
    let companions = account.device_numbers().into_iter().filter(|device| *device != PHONE).collect::<Vec<_>>();
    if !companions.is_empty() {
        let wrapped = wrap_device_sent(message, to.pn_jid(PHONE).to_string());
        let plain = MessageUtils::encode_and_pad(&wrapped);
        for device in companions {
            entries.extend(entry(network, signal, account, device, &plain).await?);
        }
    }
    Ok(entries)
}

async fn entry(
    network: &Network,
    signal: &mut Signal,
    to: &Account,
    device: u16,
    plain: &[u8],
) -> Result<Option<Node>, Error> {
    let Some(enc) = encrypt(network, signal, to, device, plain).await? else {
        return Ok(None);
    };
    Ok(Some(NodeBuilder::new("to").attr("jid", to.pn_jid(device)).children([enc.build()]).build()))
}

/// Encrypts for one device, beginning a session when there is none; `None` when the device has no keys yet.
pub(crate) async fn encrypt(
    network: &Network,
    signal: &mut Signal,
    to: &Account,
    device: u16,
    plain: &[u8],
) -> Result<Option<NodeBuilder>, Error> {
    let address = address(to, device);
    if !signal.has_session(&address) && !begin(network, signal, to, device).await? {
        return Ok(None);
    }
    let (kind, sealed) = signal.encrypt(&address, plain).await?;
    Ok(Some(NodeBuilder::new("enc").attr("v", 2u8).attr("type", kind.word()).bytes(sealed)))
}

/// Begins a session with the keys the server has; false when it has none.
async fn begin(network: &Network, signal: &mut Signal, to: &Account, device: u16) -> Result<bool, Error> {
    let bundle = if device == PHONE {
        let (bundle, one_time) = to.phone.hand_out_keys(&network.limits);
        bundle.for_session(device, Some(&one_time))?
    } else {
        let Some(taken) = to.take_keys(device) else {
            return Ok(false);
        };
        if taken.left < network.limits.companion_keys_low {
            ask_for_keys(network, to, device, taken.left);
        }
        taken.bundle.for_session(device, taken.one_time.as_ref())?
    };
    signal.begin(&address(to, device), &bundle).await?;
    Ok(true)
}

/// Handles one `<receipt>` for messages of this phone.
pub(crate) async fn receipt(network: &Arc<Network>, account: &Arc<Account>, node: &Node) {
    let Some(from) = jid_attr(node, "from") else {
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
    let to = network.directory.find(&sent.record.to).ok_or(Error::UnknownRecipient)?;
    let own = Arc::ptr_eq(reader, account);
    let mut message = wa::Message::decode_from_slice(&sent.message)
        .map_err(|_| Error::Invalid { why: "the kept message is unreadable" })?;
    if own {
        message = wrap_device_sent(message, to.pn_jid(PHONE).to_string());
    }
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
    let plain = MessageUtils::encode_and_pad(&message);
    let Some(enc) = encrypt(network, &mut signal, reader, device, &plain).await? else {
        return Ok(());
    };
    let kind = stanza_type(&sent.record.kind);
    let mut stanza = NodeBuilder::new("message")
        .attr("to", reader.pn_jid(device))
        .attr("id", id)
        .attr("type", kind)
        .children([enc.attr("count", count).build()]);
    if own {
        stanza = stanza.attr("recipient", to.pn_jid(PHONE));
    }
    relay::message(network, &Author { account: Arc::clone(account), device: PHONE }, &stanza.build());
    Ok(())
}
