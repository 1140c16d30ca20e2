//! A phone takes a message: decrypts it, shows it once, confirms it, or asks its author to send it again.

use std::sync::Arc;

use serde_json::Value;
use whatsapp_rust::wacore::libsignal::protocol::SignalProtocolError;
use whatsapp_rust::wacore::messages::{decode_plaintext, unwrap_device_sent};
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type as ProtocolType;

use super::companions::share_key_again;
use super::event::Change;
use super::inbox::InboxEntry;
use super::media;
use super::signal::{EncKind, address};
use crate::account::{Account, PHONE};
use crate::keys::{KEY_TYPE, one_time_node, signed_node};
use crate::network::Network;
use crate::relay::{Author, receipt};
use crate::stanza::{attr, attr_or_empty, content, jid_attr, leaf};

/// Attempts after which a phone gives a message up, as clients do.
const ATTEMPTS_MAX: u8 = 5;
/// Version of the message padding.
const PADDING_VERSION: u8 = 2;

/// A message as it came in.
struct Incoming<'a> {
    node: &'a Node,
    id: String,
    from: Jid,
    author: Arc<Account>,
}

impl Incoming<'_> {
    fn own(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.author, account)
    }

    fn peer(&self) -> bool {
        attr(self.node, "category").is_some_and(|category| category == "peer")
    }
}

/// Handles one `<message>`.
pub(crate) async fn message(network: &Arc<Network>, account: &Arc<Account>, node: &Node) {
    let me = Author { account: Arc::clone(account), device: PHONE };
    let known = jid_attr(node, "from").and_then(|from| Some((network.directory.find_jid(&from)?, from)));
    let Some((author, from)) = known else {
        return super::run::settle(network, &me, node);
    };
    let incoming = Incoming { node, id: attr_or_empty(node, "id"), from, author };
    let enc = node.get_optional_child("enc");
    let kind = enc.and_then(|enc| EncKind::read(&attr_or_empty(enc, "type")));
    let (Some(kind), Some(sealed)) = (kind, enc.and_then(content)) else {
        // Nothing for this phone to open, such as a group's ciphertext.
        return super::run::settle(network, &me, node);
    };
    let from_address = address(&incoming.author, incoming.from.device);
    let opened = account.phone.signal.lock().await.decrypt(&from_address, kind, sealed).await;
    match opened {
        Ok(plain) => match decode_plaintext(&plain, PADDING_VERSION) {
            Ok(message) => take(network, account, &incoming, message).await,
            Err(_) => super::run::settle(network, &me, node),
        },
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

async fn take(network: &Arc<Network>, account: &Arc<Account>, incoming: &Incoming<'_>, message: wa::Message) {
    let device = incoming.from.device;
    let message = unwrap_device_sent(message);
    let own = incoming.own(account);
    let asks_for_key =
        message.protocol_message.as_option().is_some_and(|inside| inside.app_state_sync_key_request.is_set());
    if own && asks_for_key {
        share_key_again(network, account, device).await;
    } else if let Some(shown) = describe(&message) {
        let chat = if own { jid_attr(incoming.node, "recipient") } else { None };
        let chat =
            chat.and_then(|jid| network.directory.find_jid(&jid)).unwrap_or_else(|| Arc::clone(&incoming.author));
        let context = super::content::context(&message);
        let secret = message.message_context_info.as_option().and_then(|info| info.message_secret.clone());
        let entry = InboxEntry {
            seq: 0,
            id: incoming.id.clone(),
            chat: chat.pn.clone(),
            from: incoming.author.pn.clone(),
            device,
            from_me: own,
            kind: shown.kind.to_owned(),
            about: shown.about,
            quoted: context.and_then(|context| context.stanza_id.clone()),
            mentions: context.map(|context| context.mentioned_jid.clone()).unwrap_or_default(),
            link_title: message.extended_text_message.as_option().and_then(|text| text.title.clone()),
            view_once: message.is_view_once(),
            forwarded: context.is_some_and(|context| context.is_forwarded == Some(true)),
            disappears_after: context.and_then(|context| context.expiration),
            content: shown.content,
            text: shown.text,
            mime: shown.mime,
            file_name: shown.file_name,
            bytes: shown.bytes,
            offline: attr(incoming.node, "offline").is_some(),
            t_ms: 0,
        };
        account.phone.with_log(|log| log.show(entry, shown.media, secret));
    }
    confirm(network, account, incoming);
}

/// Sends the receipt that confirms a message and settles the phone's queue.
fn confirm(network: &Network, account: &Arc<Account>, incoming: &Incoming<'_>) {
    let mut receipt = NodeBuilder::new("receipt").attr("to", &incoming.from).attr("id", incoming.id.as_str());
    if incoming.peer() {
        receipt = receipt.attr("type", "peer_msg");
    } else if incoming.own(account) {
        receipt = receipt.attr("type", "sender");
        if let Some(recipient) = jid_attr(incoming.node, "recipient") {
            receipt = receipt.attr("recipient", recipient);
        }
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
            device: incoming.from.device,
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
    let children = [retry.build(), leaf("registration", bundle.registration.to_be_bytes()), keys.build()];
    receipt::receipt(network, &me, &receipt.children(children).build());
}

/// What a message looks like in the inbox.
struct Shown {
    kind: &'static str,
    about: Option<String>,
    content: Value,
    text: Option<String>,
    mime: Option<String>,
    file_name: Option<String>,
    bytes: Option<u64>,
    media: Option<media::MediaRef>,
}

impl Shown {
    fn plain(kind: &'static str, text: Option<String>) -> Self {
        Self { kind, about: None, content: Value::Null, text, mime: None, file_name: None, bytes: None, media: None }
    }

    /// What changes the message of a key.
    fn change(kind: &'static str, key: Option<&wa::MessageKey>, text: Option<String>) -> Self {
        Self { about: key.and_then(|key| key.id.clone()), ..Self::plain(kind, text) }
    }
}

/// Describes what a person would see; `None` for messages between devices.
fn describe(message: &wa::Message) -> Option<Shown> {
    if let Some(text) = message.text_content() {
        return Some(Shown::plain("text", Some(text.to_owned())));
    }
    if let Some(shown) = media::read(message) {
        return Some(Shown {
            kind: shown.media.kind.word(),
            about: None,
            content: Value::Null,
            text: shown.caption,
            mime: shown.mime,
            file_name: shown.file_name,
            bytes: shown.bytes,
            media: Some(shown.media),
        });
    }
    if let Some(reaction) = message.reaction_message.as_option() {
        return Some(Shown::change("reaction", reaction.key.as_option(), reaction.text.clone()));
    }
    if let Some((kind, text, content)) = super::content::rich(message) {
        return Some(Shown { content, ..Shown::plain(kind, text) });
    }
    if let Some(pin) = message.pin_in_chat_message.as_option() {
        let is_pinned = pin.r#type == Some(wa::message::pin_in_chat_message::Type::PIN_FOR_ALL);
        let text = if is_pinned { "pinned" } else { "unpinned" };
        return Some(Shown::change("pin", pin.key.as_option(), Some(text.to_owned())));
    }
    if let Some(vote) = message.poll_update_message.as_option() {
        return Some(Shown::change("vote", vote.poll_creation_message_key.as_option(), None));
    }
    match message.protocol_message.as_option() {
        Some(inside) if inside.r#type == Some(ProtocolType::REVOKE) => {
            let key = inside.key.as_option();
            Some(Shown::change("revoke", key, key.and_then(|key| key.id.clone())))
        }
        Some(inside) if inside.edited_message.is_set() => {
            let text = inside.edited_message.as_option().and_then(|edited| edited.text_content());
            Some(Shown::change("edit", inside.key.as_option(), text.map(str::to_owned)))
        }
        Some(_) => None,
        None if message.sender_key_distribution_message.is_set() => None,
        None => Some(Shown::plain("other", None)),
    }
}
