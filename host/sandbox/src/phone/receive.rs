//! A phone takes a message: decrypts it, shows it once, confirms it, or asks its author to send it again.

use std::sync::Arc;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::SignalProtocolError;
use whatsapp_rust::wacore::messages::{decode_plaintext, unwrap_device_sent};
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::PeerDataOperationRequestMessage;

use super::companions::share_key_again;
use super::content::context;
use super::describe::{Shown, describe};
use super::event::Change;
use super::inbox::InboxEntry;
use super::peer;
use super::signal::{EncKind, address};
use crate::account::{Account, PHONE};
use crate::keys::{KEY_TYPE, one_time_node, signed_node};
use crate::network::Network;
use crate::relay::{Author, receipt};
use crate::stanza::{attr, attr_or_empty, child_content, children, content, jid_attr, leaf};

/// Attempts after which a phone gives a message up, as clients do.
const ATTEMPTS_MAX: u8 = 5;
/// Version of the message padding.
const PADDING_VERSION: u8 = 2;

/// A message as it came in.
struct Incoming<'a> {
    node: &'a Node,
    id: String,
    /// The chat's JID, which is the author's in a chat of two.
    from: Jid,
    /// The device that wrote.
    sender: Jid,
    author: Arc<Account>,
}

impl Incoming<'_> {
    fn own(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.author, account)
    }

    fn peer(&self) -> bool {
        attr(self.node, "category").is_some_and(|category| category == "peer")
    }

    /// True in a group and for a status post.
    fn of_many(&self) -> bool {
        matches!(self.from.server, Server::Group | Server::Broadcast)
    }
}

/// Handles one `<message>`.
pub(crate) async fn message(network: &Arc<Network>, account: &Arc<Account>, node: &Node) {
    let me = Author { account: Arc::clone(account), device: PHONE };
    let Some(from) = jid_attr(node, "from") else {
        return super::run::settle(network, &me, node);
    };
    if from.server == Server::Newsletter {
        return post(network, account, node, &from);
    }
    let sender = jid_attr(node, "participant").unwrap_or_else(|| from.clone());
    let Some(author) = network.directory.find_jid(&sender) else {
        return super::run::settle(network, &me, node);
    };
    let incoming = Incoming { node, id: attr_or_empty(node, "id"), from, sender, author };
    match open(account, &incoming).await {
        // Nothing for this phone to open.
        Ok(messages) if messages.is_empty() => super::run::settle(network, &me, node),
        Ok(messages) => {
            for message in messages {
                take(network, account, &incoming, message).await;
            }
            confirm(network, account, &incoming);
        }
        Err(SignalProtocolError::DuplicatedMessage(..)) => {
            account.phone.with_log(|log| log.repeat(incoming.id.clone(), incoming.author.pn.clone()));
            confirm(network, account, &incoming);
        }
        Err(error) => {
            tracing::debug!(%error, "sandbox phone cannot decrypt a message");
            ask_again(network, account, &incoming);
        }
    }
}

/// Opens every ciphertext of a message, taking the author's key for the chat on the way.
async fn open(account: &Arc<Account>, incoming: &Incoming<'_>) -> Result<Vec<wa::Message>, SignalProtocolError> {
    let chat = incoming.from.to_string();
    let sender = address(&incoming.author, incoming.sender.device);
    let mut signal = account.phone.signal.lock().await;
    let mut messages = Vec::new();
    for enc in children(incoming.node).iter().filter(|child| child.tag == "enc") {
        let Some(sealed) = content(enc) else { continue };
        let kind = attr_or_empty(enc, "type");
        let plain = match EncKind::read(&kind) {
            Some(kind) => signal.decrypt(&sender, kind, sealed).await?,
            None if kind == "skmsg" => signal.sender_keys.decrypt(&chat, &sender, sealed).await?,
            None => continue,
        };
        let Ok(message) = decode_plaintext(&plain, PADDING_VERSION) else { continue };
        if let Some(key) = message
            .sender_key_distribution_message
            .as_option()
            .and_then(|key| key.axolotl_sender_key_distribution_message.as_deref())
        {
            signal.sender_keys.take(&chat, &sender, key).await?;
        }
        messages.push(message);
    }
    Ok(messages)
}

async fn take(network: &Arc<Network>, account: &Arc<Account>, incoming: &Incoming<'_>, message: wa::Message) {
    let device = incoming.sender.device;
    let message = unwrap_device_sent(message);
    let own = incoming.own(account);
    if !own && !incoming.of_many() {
        let by_lid = incoming.from.server == Server::Lid;
        account.with(|state| match by_lid {
            true => state.by_lid.insert(incoming.author.pn.clone()),
            false => state.by_lid.remove(&incoming.author.pn),
        });
    }
    let asks_for_key =
        message.protocol_message.as_option().is_some_and(|inside| inside.app_state_sync_key_request.is_set());
    if own && asks_for_key {
        share_key_again(network, account, device).await;
    } else if own && let Some(asked) = asked_for_data(&message) {
        peer::answer(network, account, device, &incoming.id, asked).await;
    } else if let Some(shown) = describe(&message) {
        let chat = if incoming.of_many() {
            incoming.from.to_string()
        } else {
            let chat = if own { jid_attr(incoming.node, "recipient") } else { None };
            let chat = chat.and_then(|jid| network.directory.find_jid(&jid));
            chat.unwrap_or_else(|| Arc::clone(&incoming.author)).pn.clone()
        };
        let origin = Origin { chat, from: incoming.author.pn.clone(), device, from_me: own };
        show(account, incoming.node, &message, shown, origin);
    }
}

/// Whose message it is and where.
struct Origin {
    chat: String,
    from: String,
    device: u16,
    from_me: bool,
}

/// Puts a message into the inbox.
fn show(account: &Account, node: &Node, message: &wa::Message, shown: Shown, origin: Origin) {
    let Origin { chat, from, device, from_me } = origin;
    let context = context(message);
    let entry = InboxEntry {
        seq: 0,
        id: attr_or_empty(node, "id"),
        chat,
        from,
        device,
        from_me,
        kind: shown.kind.to_owned(),
        about: shown.about,
        quoted: context.and_then(|context| context.stanza_id.clone()),
        link_title: message.extended_text_message.as_option().and_then(|text| text.title.clone()),
        mentions: context.map(|context| context.mentioned_jid.clone()).unwrap_or_default(),
        view_once: message.is_view_once(),
        forwarded: context.is_some_and(|context| context.is_forwarded == Some(true)),
        disappears_after: context.and_then(|context| context.expiration),
        content: shown.content,
        text: shown.text,
        voice: message.audio_message.as_option().and_then(|audio| audio.ptt).unwrap_or(false),
        mime: shown.mime,
        file_name: shown.file_name,
        bytes: shown.bytes,
        offline: attr(node, "offline").is_some(),
        t_ms: 0,
    };
    let encoded = message.encode_to_vec();
    account.phone.with_log(|log| log.show(entry, shown.media, encoded));
}

/// A post of a channel, which comes as plain text. Its author is the channel.
fn post(network: &Network, account: &Arc<Account>, node: &Node, channel: &Jid) {
    let message = child_content(node, "plaintext").and_then(|bytes| wa::Message::decode_from_slice(bytes).ok());
    if let Some(message) = message
        && let Some(shown) = describe(&message)
    {
        let name = channel.to_string();
        let origin = Origin { chat: name.clone(), from: name, device: PHONE, from_me: false };
        show(account, node, &message, shown, origin);
    }
    super::run::settle(network, &Author { account: Arc::clone(account), device: PHONE }, node);
}

/// What a companion wants to know of its phone.
fn asked_for_data(message: &wa::Message) -> Option<&PeerDataOperationRequestMessage> {
    message.protocol_message.as_option()?.peer_data_operation_request_message.as_option()
}

/// Sends the receipt that confirms a message and settles the phone's queue.
fn confirm(network: &Network, account: &Arc<Account>, incoming: &Incoming<'_>) {
    if account.with(|state| state.traits.silent) {
        let me = Author { account: Arc::clone(account), device: PHONE };
        return super::run::settle(network, &me, incoming.node);
    }
    let mut receipt = NodeBuilder::new("receipt").attr("to", &incoming.from).attr("id", incoming.id.as_str());
    if incoming.peer() {
        receipt = receipt.attr("type", "peer_msg");
    } else if incoming.own(account) {
        receipt = receipt.attr("type", "sender");
        if let Some(recipient) = jid_attr(incoming.node, "recipient") {
            receipt = receipt.attr("recipient", recipient);
        }
    }
    if incoming.of_many() {
        receipt = receipt.attr("participant", incoming.sender.clone());
    }
    let me = Author { account: Arc::clone(account), device: PHONE };
    receipt::receipt(network, &me, &receipt.build());
}

/// Asks the author's device to encrypt the message again, with keys for a new session.
fn ask_again(network: &Network, account: &Arc<Account>, incoming: &Incoming<'_>) {
    let me = Author { account: Arc::clone(account), device: PHONE };
    let attempt = account.phone.with_log(|log| log.failed(&incoming.author.pn, &incoming.id));
    account.phone.with_log(|log| {
        log.record(Change::Undecryptable {
            id: incoming.id.clone(),
            from: incoming.author.pn.clone(),
            device: incoming.sender.device,
            attempt,
        });
    });
    if attempt >= ATTEMPTS_MAX {
        return super::run::settle(network, &me, incoming.node);
    }
    let (bundle, one_time) = account.phone.hand_out_keys(&network.limits);
    let retry = NodeBuilder::new("retry")
        .attr("v", 1u8)
        .attr("count", attempt)
        .attr("id", incoming.id.as_str())
        .attr("t", attr_or_empty(incoming.node, "t"));
    let keys = NodeBuilder::new("keys").children([
        leaf("type", [KEY_TYPE]),
        leaf("identity", bundle.identity),
        one_time_node(&one_time),
        signed_node(&bundle.signed),
    ]);
    let mut receipt =
        NodeBuilder::new("receipt").attr("to", &incoming.from).attr("id", incoming.id.as_str()).attr("type", "retry");
    if let Some(recipient) = jid_attr(incoming.node, "recipient") {
        receipt = receipt.attr("recipient", recipient);
    }
    if incoming.of_many() {
        receipt = receipt.attr("participant", incoming.sender.clone());
    }
    let children = [retry.build(), leaf("registration", bundle.registration.to_be_bytes()), keys.build()];
    receipt::receipt(network, &me, &receipt.children(children).build());
}
