//! Presence and typing: hints that go to whoever is connected and are never queued.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Author;
use crate::account::Account;
use crate::clock::now_s;
use crate::groups::Group;
use crate::network::Network;
use crate::stanza::{attr, attr_or_empty, children, jid_attr};
use crate::tokens;

/// Handles `<presence>`: a device shows or hides itself, or starts or stops watching someone.
pub(crate) fn presence(network: &Network, author: &Author, node: &Node) {
    match attr_or_empty(node, "type").as_str() {
        "unavailable" => show(network, author, false),
        "subscribe" => subscribe(network, author, node),
        "unsubscribe" => {
            if let Some(account) = jid_attr(node, "to").and_then(|to| network.directory.find_jid(&to)) {
                account.with(|state| state.watchers.remove(&(author.account.pn.clone(), author.device)));
            }
        }
        _ => {
            if let Some(name) = attr(node, "name").filter(|name| !name.is_empty()) {
                author.account.with(|state| state.name = name.into_owned());
            }
            show(network, author, true);
        }
    }
}

/// Marks a device as shown or hidden and tells the watchers when the account's presence changes with it.
pub(crate) fn show(network: &Network, author: &Author, available: bool) {
    let change = author.account.with(|state| {
        let before = state.is_available();
        if let Some(device) = state.devices.get_mut(&author.device) {
            device.available = available;
        }
        let after = state.is_available();
        if before && !after {
            state.last_seen_s = Some(now_s());
        }
        (before != after).then(|| state.watchers.iter().cloned().collect::<Vec<_>>())
    });
    for (number, device) in change.unwrap_or_default() {
        if let Some(watcher) = network.directory.find(&number) {
            offer(&watcher, device, current(&author.account, &Jid::pn(author.account.pn.as_str())));
        }
    }
}

fn subscribe(network: &Network, author: &Author, node: &Node) {
    let Some(to) = jid_attr(node, "to") else { return };
    let Some(account) = network.directory.find_jid(&to) else {
        return;
    };
    if !tokens::may_see(&account, &author.account, Some(node), "last") {
        return;
    }
    account.add_watcher(&author.account.pn, author.device);
    offer(&author.account, author.device, current(&account, &to));
}

/// An account's presence now, named as the watcher asked for it.
fn current(account: &Account, like: &Jid) -> Node {
    let presence = NodeBuilder::new("presence").attr("from", account.jid_like(like, 0));
    let (available, last_seen_s) = account.with(|state| (state.is_available(), state.last_seen_s));
    match (available, last_seen_s) {
        (true, _) => presence.attr("type", "available").build(),
        (false, Some(last)) => presence.attr("type", "unavailable").attr("last", last).build(),
        (false, None) => presence.attr("type", "unavailable").build(),
    }
}

/// Handles `<chatstate>`: typing, recording, paused.
pub(crate) fn chat_state(network: &Network, author: &Author, node: &Node) {
    let Some(to) = jid_attr(node, "to") else { return };
    if let Some(group) = network.groups.find_jid(&to) {
        return group_chat_state(network, author, &group, node);
    }
    let Some(account) = network.directory.find_jid(&to) else {
        return;
    };
    if Arc::ptr_eq(&account, &author.account) {
        return;
    }
    let state = NodeBuilder::new("chatstate")
        .attr("from", author.account.jid_like(&to, 0))
        .children(children(node).to_vec())
        .build();
    for device in account.device_numbers() {
        offer(&account, device, state.clone());
    }
}

/// Shows members of a group what one of them does.
fn group_chat_state(network: &Network, author: &Author, group: &Group, node: &Node) {
    if !group.has(&author.account.pn) {
        return;
    }
    let state = NodeBuilder::new("chatstate")
        .attr("from", group.jid())
        .attr("participant", author.account.lid_jid(0))
        .children(children(node).to_vec())
        .build();
    for account in group.members().into_iter().filter_map(|number| network.directory.find(&number)) {
        if !Arc::ptr_eq(&account, &author.account) {
            account.device_numbers().into_iter().for_each(|device| offer(&account, device, state.clone()));
        }
    }
}

fn offer(account: &Account, device: u16, node: Node) {
    account.with_device(device, |device| device.mailbox.offer(Arc::new(node)));
}
