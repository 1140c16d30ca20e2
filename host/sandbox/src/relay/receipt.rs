//! Receipts: they settle the reader's queue and travel on to the message's author.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::{Author, remove_queued};
use crate::clock::now_s;
use crate::network::Network;
use crate::phone::reupload;
use crate::stanza::{ack, attr_or_empty, children, jid_attr};

/// Where a receipt type goes after it settled the queue.
#[derive(Debug, PartialEq, Eq)]
enum Onward {
    /// To every device of the message's author.
    AuthorAccount,
    /// To exactly the device that encrypted the message.
    AuthorDevice,
    /// To the reader's own other devices.
    Siblings,
    /// Nowhere: it only settles the queue.
    Nowhere,
}

fn onward(kind: &str) -> Onward {
    match kind {
        "" | "read" | "played" | "inactive" => Onward::AuthorAccount,
        "retry" | "enc_rekey_retry" => Onward::AuthorDevice,
        "read-self" | "played-self" => Onward::Siblings,
        _ => Onward::Nowhere,
    }
}

/// Every message id a receipt is about.
pub(crate) fn ids(node: &Node) -> Vec<String> {
    let mut ids = vec![attr_or_empty(node, "id")];
    if let Some(list) = node.get_optional_child("list") {
        ids.extend(children(list).iter().map(|item| attr_or_empty(item, "id")));
    }
    ids.retain(|id| !id.is_empty());
    ids
}

/// Settles and forwards one receipt; returns the acknowledgement for the reader.
pub(crate) fn receipt(network: &Network, reader: &Author, node: &Node) -> Node {
    network.counters.receipts.fetch_add(1, Ordering::Relaxed);
    let to = jid_attr(node, "to");
    for id in ids(node) {
        remove_queued(network, reader, "message", &id, to.as_ref());
    }
    let kind = attr_or_empty(node, "type");
    if kind == "retry" {
        network.counters.retries.fetch_add(1, Ordering::Relaxed);
        reader.account.with_device(reader.device, |device| device.counters.retries += 1);
    }
    if kind == "server-error" {
        reupload::answer(network, &reader.account, reader.device, node);
    } else if let Some(to) = to {
        forward(network, reader, node, &kind, &to);
    }
    ack(node, "receipt").build()
}

fn forward(network: &Network, reader: &Author, node: &Node, kind: &str, to: &Jid) {
    let onward = onward(kind);
    let siblings = onward == Onward::Siblings;
    // In a chat of many the author is named beside the chat, and so is the reader in what the author gets.
    let participant = jid_attr(node, "participant");
    let many = matches!(to.server, Server::Group | Server::Broadcast);
    let target = participant.clone().filter(|_| many).unwrap_or_else(|| to.clone());
    let account = if siblings { Some(Arc::clone(&reader.account)) } else { network.directory.find_jid(&target) };
    let Some(account) = account else { return };
    let reader_jid = reader.jid_like(&target);
    let (from, participant) = match (many && !siblings, participant) {
        (true, _) => (to.clone(), Some(reader_jid)),
        (false, participant) => (reader_jid, participant),
    };
    let mut receipt =
        NodeBuilder::new("receipt").attr("from", from).attr("id", attr_or_empty(node, "id")).attr("t", now_s());
    if !kind.is_empty() {
        receipt = receipt.attr("type", kind.to_owned());
    }
    if let Some(participant) = participant {
        receipt = receipt.attr("participant", participant);
    }
    match jid_attr(node, "recipient") {
        Some(recipient) => receipt = receipt.attr("recipient", recipient),
        None if siblings => receipt = receipt.attr("recipient", to.to_non_ad()),
        None => {}
    }
    let receipt = receipt.children(children(node).to_vec()).build();
    let same = Arc::ptr_eq(&account, &reader.account);
    let devices = match onward {
        Onward::AuthorDevice => vec![target.device],
        Onward::AuthorAccount | Onward::Siblings => account.device_numbers(),
        Onward::Nowhere => Vec::new(),
    };
    for device in devices {
        if !(same && device == reader.device) {
            network.post(&account, device, receipt.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_further_messages() {
        let item = NodeBuilder::new("item").attr("id", "B").build();
        let list = NodeBuilder::new("list").children([item]).build();
        let node = NodeBuilder::new("receipt").attr("id", "A").children([list]).build();
        assert_eq!(ids(&node), ["A", "B"]);
    }

    #[test]
    fn a_retry_goes_to_one_device_only() {
        assert_eq!(onward("retry"), Onward::AuthorDevice);
        assert_eq!(onward(""), Onward::AuthorAccount);
        assert_eq!(onward("peer_msg"), Onward::Nowhere);
    }
}
