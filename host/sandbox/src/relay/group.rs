//! Messages to many: groups and status posts. One ciphertext for all, and for each device its own copy of the sender's
//! key when the author sent one along.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::{Author, SHARED_CHILDREN};
use crate::account::Account;
use crate::clock::now_s;
use crate::groups::describe::ADDRESSING;
use crate::network::Network;
use crate::stanza::{attr, attr_or_empty, children, jid_attr};

/// Queues a group message for every device of every member but the author's; the error code of a refusal.
pub(super) fn message(network: &Network, author: &Author, node: &Node, to: &Jid) -> Result<(), u16> {
    let group = network.groups.find_jid(to).ok_or(404u16)?;
    if !group.with(|state| state.may_write(&author.account.pn)) {
        return Err(403);
    }
    if let Some(reader) = jid_attr(node, "participant") {
        return again(network, author, node, to, &reader);
    }
    let members = group.members().into_iter().filter_map(|number| network.directory.find(&number));
    fan_out(network, author, node, to, members);
    Ok(())
}

/// A message encrypted again for the one device that asked.
fn again(network: &Network, author: &Author, node: &Node, to: &Jid, reader: &Jid) -> Result<(), u16> {
    let account = network.directory.find_jid(reader).ok_or(404u16)?;
    let mut inside: Vec<Node> = children(node).iter().filter(|child| child.tag == "enc").cloned().collect();
    inside.extend(along(node, true));
    post(network, author, node, to, &account, reader.device, inside);
    Ok(())
}

/// Queues a status post for everyone its `<participants>` name, and for the author's own devices.
pub(super) fn status(network: &Network, author: &Author, node: &Node, to: &Jid) -> Result<(), u16> {
    if let Some(reader) = jid_attr(node, "participant") {
        return again(network, author, node, to, &reader);
    }
    let named = node.get_optional_child("participants").map(children).unwrap_or_default();
    let mut seen = BTreeSet::from([author.account.pn.clone()]);
    let mut audience = vec![Arc::clone(&author.account)];
    for account in
        named.iter().filter_map(|entry| jid_attr(entry, "jid")).filter_map(|jid| network.directory.find_jid(&jid))
    {
        if seen.insert(account.pn.clone()) {
            audience.push(account);
        }
    }
    fan_out(network, author, node, to, audience.into_iter());
    Ok(())
}

fn fan_out(network: &Network, author: &Author, node: &Node, to: &Jid, audience: impl Iterator<Item = Arc<Account>>) {
    let keys = own_keys(network, node);
    let shared: Vec<Node> = children(node).iter().filter(|child| child.tag == "enc").cloned().collect();
    for account in audience {
        for device in account.device_numbers() {
            if Arc::ptr_eq(&account, &author.account) && device == author.device {
                continue;
            }
            let own = keys.get(&(account.pn.clone(), device)).copied();
            let fresh_session = own.is_some_and(|enc| attr(enc, "type").is_some_and(|kind| kind == "pkmsg"));
            let mut inside: Vec<Node> = own.into_iter().cloned().collect();
            inside.extend(shared.iter().cloned());
            inside.extend(along(node, fresh_session));
            post(network, author, node, to, &account, device, inside);
        }
    }
}

/// The sender's key as encrypted for each device, by number and device.
fn own_keys<'a>(network: &Network, node: &'a Node) -> HashMap<(String, u16), &'a Node> {
    let list = node.get_optional_child("participants").map(children).unwrap_or_default();
    list.iter()
        .filter_map(|entry| {
            let jid = jid_attr(entry, "jid")?;
            let account = network.directory.find_jid(&jid)?;
            Some(((account.pn.clone(), jid.device), entry.get_optional_child("enc")?))
        })
        .collect()
}

/// What goes along with the ciphertext.
fn along(node: &Node, with_identity: bool) -> Vec<Node> {
    let identity = node.get_optional_child("device-identity").filter(|_| with_identity);
    let shared = children(node).iter().filter(|child| SHARED_CHILDREN.contains(&child.tag.as_ref()));
    identity.into_iter().chain(shared).cloned().collect()
}

fn post(network: &Network, author: &Author, node: &Node, to: &Jid, account: &Account, device: u16, inside: Vec<Node>) {
    let mut message = NodeBuilder::new("message")
        .attr("from", to.clone())
        .attr("participant", author.account.lid_jid(author.device))
        .attr("participant_pn", author.account.pn_jid(0))
        .attr("id", attr_or_empty(node, "id"))
        .attr("t", now_s())
        .attr("type", attr(node, "type").unwrap_or("text".into()).as_ref())
        .attr("notify", author.account.name());
    if to.server == Server::Group {
        message = message.attr("addressing_mode", ADDRESSING);
    }
    if let Some(edit) = attr(node, "edit") {
        message = message.attr("edit", edit.as_ref());
    }
    if network.post(account, device, message.children(inside).build()) {
        network.counters.deliveries.fetch_add(1, Ordering::Relaxed);
    }
}
