//! A phone writes: encrypts for every device of the recipient and of its own account, and follows the receipts.
//!
//! Invariant: messages leave in the order they were asked for, because encrypting and handing over happen under the
//! lock of the phone's sessions.

use std::sync::Arc;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::messages::{MessageUtils, wrap_device_sent};
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use super::group_send;
use super::inbox::{Sent, SentRecord};
use super::signal::{Signal, address};
use crate::Error;
use crate::account::{Account, PHONE};
use crate::clock::now_ms;
use crate::groups::Group;
use crate::identity::random_hex;
use crate::iq::keys::ask_for_keys;
use crate::network::Network;
use crate::relay::{self, Author};
use crate::stanza::attr;

/// What is said about a message next to its content.
pub(crate) struct Outgoing {
    pub(crate) message: wa::Message,
    /// As in the inbox: `text`, `image`, …
    pub(crate) kind: &'static str,
    pub(crate) text: Option<String>,
}

/// Where a message goes.
#[derive(Clone)]
pub(crate) enum Chat {
    /// Another account, or the own one.
    User(Arc<Account>),
    /// A group the phone is a member of.
    Group(Arc<Group>),
}

impl Chat {
    /// The name of the chat in the phone's log: a number, or a group's JID.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::User(account) => account.pn.clone(),
            Self::Group(group) => group.jid().to_string(),
        }
    }

    /// The JID a stanza of this phone names.
    pub(crate) fn jid(&self, phone: &Account) -> Jid {
        match self {
            Self::User(account) => phone.address_of(account, PHONE),
            Self::Group(group) => group.jid(),
        }
    }
}

/// How a kind of message is announced to the server.
pub(super) fn stanza_type(kind: &str) -> &'static str {
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
    to: &Chat,
    outgoing: Outgoing,
) -> Result<String, Error> {
    if !*account.phone.online.borrow() {
        return Err(Error::PhoneOffline);
    }
    let id = format!("3EB0{}", random_hex::<9>());
    let record = SentRecord {
        id: id.clone(),
        to: to.name(),
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
    let inside = match to {
        Chat::User(to) => {
            let entries = fan_out(network, account, to, &mut signal, outgoing.message).await?;
            vec![NodeBuilder::new("participants").children(entries).build()]
        }
        Chat::Group(group) => group_send::seal(network, account, group, &mut signal, &outgoing.message).await?,
    };
    let kind = stanza_type(outgoing.kind);
    let node = NodeBuilder::new("message")
        .attr("to", to.jid(account))
        .attr("id", id.as_str())
        .attr("type", kind)
        .children(inside)
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
            entries.extend(entry(network, signal, account.address_of(to, device), to, &plain).await?);
        }
    }
    let companions = account.device_numbers().into_iter().filter(|device| *device != PHONE).collect::<Vec<_>>();
    if !companions.is_empty() {
        let wrapped = wrap_device_sent(message, account.address_of(to, PHONE).to_string());
        let plain = MessageUtils::encode_and_pad(&wrapped);
        for device in companions {
            entries.extend(entry(network, signal, account.pn_jid(device), account, &plain).await?);
        }
    }
    Ok(entries)
}

async fn entry(
    network: &Network,
    signal: &mut Signal,
    jid: Jid,
    to: &Account,
    plain: &[u8],
) -> Result<Option<Node>, Error> {
    let Some(enc) = encrypt(network, signal, to, jid.device, plain).await? else {
        return Ok(None);
    };
    Ok(Some(NodeBuilder::new("to").attr("jid", jid).children([enc.build()]).build()))
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
pub(super) async fn begin(network: &Network, signal: &mut Signal, to: &Account, device: u16) -> Result<bool, Error> {
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
