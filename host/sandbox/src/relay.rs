//! Carrying stanzas from one device to others: messages, receipts, acknowledgements.
//!
//! The server reads addresses and never contents. Invariant: a message is in every recipient's queue before its
//! author gets the acknowledgement.

mod channel;
mod group;
pub(crate) mod presence;
pub(crate) mod receipt;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use crate::account::{Account, PHONE};
use crate::clock::now_s;
use crate::network::Network;
use crate::stanza::{ack, attr, attr_or_empty, children, jid_attr};
use crate::tokens;

/// The device a stanza came from.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) account: Arc<Account>,
    pub(crate) device: u16,
}

impl Author {
    /// The author's JID, in the space another JID uses.
    pub(crate) fn jid_like(&self, like: &Jid) -> Jid {
        self.account.jid_like(like, self.device)
    }
}

/// The user part of the address that status posts go to.
const STATUS: &str = "status";

/// Children of a message that go along to every recipient.
const SHARED_CHILDREN: [&str; 4] = ["reporting", "meta", "biz", "bot"];

/// Queues a message for each device it is encrypted to and returns the acknowledgement for its author.
pub(crate) fn message(network: &Network, author: &Author, node: &Node) -> Node {
    let ack = ack(node, "message").attr("t", now_s());
    let Some(to) = jid_attr(node, "to") else {
        return ack.attr("error", 479u16).build();
    };
    network.counters.messages.fetch_add(1, Ordering::Relaxed);
    author.account.with_device(author.device, |device| device.counters.messages_in += 1);
    if to.server == Server::Newsletter {
        return match channel::message(network, author, node, &to) {
            Ok(server_id) => ack.attr("server_id", server_id).build(),
            Err(code) => ack.attr("error", code).build(),
        };
    }
    let taken = match to.server {
        Server::Pn | Server::Lid => direct(network, author, node, &to),
        Server::Group => group::message(network, author, node, &to),
        Server::Broadcast if to.user == STATUS => group::status(network, author, node, &to),
        _ => Err(501),
    };
    match taken {
        Ok(()) => ack.build(),
        Err(code) => ack.attr("error", code).build(),
    }
}

/// A message to one account: a copy for each device it is encrypted to.
fn direct(network: &Network, author: &Author, node: &Node, to: &Jid) -> Result<(), u16> {
    let partner = network.directory.find_jid(to).ok_or(404u16)?;
    let peer = attr(node, "category").is_some_and(|category| category == "peer");
    if !peer && !tokens::accepts(&partner, author, node) {
        return Err(tokens::REFUSED);
    }
    if !peer && is_first_contact(author, &partner) && !author.account.with(|state| state.restriction.reach_out()) {
        return Err(tokens::REFUSED);
    }
    for (target, enc) in targets(node, to) {
        deliver(network, author, node, to, &target, enc);
    }
    if !Arc::ptr_eq(&partner, &author.account) {
        author.account.remember_contact(&partner.pn);
        partner.remember_contact(&author.account.pn);
    }
    Ok(())
}

/// True when a companion writes to an account that its own has never talked to.
fn is_first_contact(author: &Author, partner: &Arc<Account>) -> bool {
    author.device != PHONE
        && !Arc::ptr_eq(partner, &author.account)
        && !author.account.with(|state| state.contacts.contains(&partner.pn))
}

/// The devices a message is encrypted to. A bare `<enc>` goes to the device in `to`.
fn targets<'a>(node: &'a Node, to: &Jid) -> Vec<(Jid, &'a Node)> {
    match node.get_optional_child("participants") {
        Some(list) => children(list)
            .iter()
            .filter_map(|entry| Some((jid_attr(entry, "jid")?, entry.get_optional_child("enc")?)))
            .collect(),
        None => node.get_optional_child("enc").map(|enc| (to.clone(), enc)).into_iter().collect(),
    }
}

fn deliver(network: &Network, author: &Author, node: &Node, to: &Jid, target: &Jid, enc: &Node) {
    let Some(account) = network.directory.find_jid(target) else {
        return;
    };
    let own = Arc::ptr_eq(&account, &author.account);
    let blocked = !own
        && account
            .with(|state| state.blocked.contains(&author.account.lid) || state.blocked.contains(&author.account.pn));
    // A blocked author gets the same acknowledgement, so that the block does not show; no copy is queued.
    if blocked || (own && target.device == author.device) {
        return;
    }
    let mut message = NodeBuilder::new("message")
        .attr("from", author.jid_like(target))
        .attr("id", attr_or_empty(node, "id"))
        .attr("t", now_s())
        .attr("type", attr(node, "type").unwrap_or("text".into()).as_ref())
        .attr("notify", author.account.name());
    let peer = attr(node, "category").is_some_and(|category| category == "peer");
    for key in ["category", "edit"] {
        if let Some(value) = attr(node, key) {
            message = message.attr(key, value.as_ref());
        }
    }
    if own && !peer {
        // Without device: the chat this message belongs to. A resend names it in `recipient`.
        message = message.attr("recipient", jid_attr(node, "recipient").unwrap_or_else(|| to.to_non_ad()));
    } else if !own && target.server == Server::Lid {
        message = message.attr("sender_pn", Jid::pn(author.account.pn.as_str())).attr("addressing_mode", "lid");
    } else if !own {
        message = message.attr("sender_lid", Jid::lid(author.account.lid.as_str()));
    }
    let mut inside = vec![enc.clone()];
    if attr(enc, "type").is_some_and(|kind| kind == "pkmsg") {
        inside.extend(node.get_optional_child("device-identity").cloned());
    }
    inside.extend(children(node).iter().filter(|child| SHARED_CHILDREN.contains(&child.tag.as_ref())).cloned());
    if network.post(&account, target.device, message.children(inside).build()) {
        network.counters.deliveries.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes a stanza out of the author's queue after its `<ack>`; a refusal (`error`) counts as taken too.
pub(crate) fn acknowledged(network: &Network, author: &Author, node: &Node) {
    let (class, id) = (attr_or_empty(node, "class"), attr_or_empty(node, "id"));
    let to = jid_attr(node, "to");
    remove_queued(network, author, &class, &id, to.as_ref());
}

/// Removes one queued stanza of the author that came from `to`, in either of that user's spaces.
fn remove_queued(network: &Network, author: &Author, tag: &str, id: &str, to: Option<&Jid>) {
    let from_account = to.and_then(|to| network.directory.find_jid(to));
    let removed = author.account.with_device(author.device, |device| {
        let removed = device.mailbox.acknowledge(tag, id, |from| match (&from_account, to) {
            (Some(account), _) => account.is(from),
            (None, Some(to)) => from.user == to.user && from.server == to.server,
            (None, None) => true,
        });
        device.counters.acknowledged += u64::from(removed.is_some());
        removed.is_some()
    });
    if removed == Some(true) {
        network.touch();
    }
}
