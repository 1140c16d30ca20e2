//! `usync`: who is on the network, with which devices, names and statuses.

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Request;
use crate::account::Account;
use crate::clock::now_s;
use crate::network::Network;
use crate::pairing::key_index_list;
use crate::stanza::{attr_or_empty, child_content, children, error, jid_attr, result};

/// Users one query may name.
const USERS_MAX: usize = 5_000;

/// Answers every asked protocol for every asked user.
pub(super) fn answer(network: &Network, request: &Request<'_>) -> Node {
    let Some(query) = request.child else {
        return error(request.id, 400, "bad-request");
    };
    let protocols: Vec<String> = query
        .get_optional_child("query")
        .map(children)
        .unwrap_or_default()
        .iter()
        .map(|protocol| protocol.tag.to_string())
        .collect();
    let asked = query.get_optional_child("list").map(children).unwrap_or_default();
    if asked.len() > USERS_MAX {
        return error(request.id, 400, "bad-request");
    }
    let users = asked.iter().filter_map(|user| describe(network, user, &protocols)).collect::<Vec<_>>();
    let states = protocols.into_iter().map(|tag| NodeBuilder::new_dynamic(tag).build()).collect::<Vec<_>>();
    let mut usync = NodeBuilder::new("usync").attr("index", "0").attr("last", "true");
    for key in ["sid", "mode", "context"] {
        usync = usync.attr(key, attr_or_empty(query, key));
    }
    let usync = usync.children([
        NodeBuilder::new("result").children(states).build(),
        NodeBuilder::new("list").children(users).build(),
    ]);
    result(request.id, vec![usync.build()])
}

/// One user; the JID is echoed as asked, or made from the number in `<contact>`.
fn describe(network: &Network, user: &Node, protocols: &[String]) -> Option<Node> {
    let asked = jid_attr(user, "jid").map(|jid| jid.to_non_ad());
    let number = child_content(user, "contact")
        .and_then(|text| std::str::from_utf8(text).ok())
        .map(|text| text.trim_start_matches('+').to_owned());
    let account = match (&asked, &number) {
        (Some(jid), _) => network.directory.find_jid(jid),
        (None, Some(number)) => network.directory.find(number),
        (None, None) => return None,
    };
    let jid = asked.unwrap_or_else(|| Jid::pn(number.unwrap_or_default()));
    let mut node = NodeBuilder::new("user");
    if let Some(account) = account.as_deref().filter(|_| jid.is_lid()) {
        node = node.attr("pn_jid", Jid::pn(account.pn.as_str()));
    }
    let answers: Vec<Node> =
        protocols.iter().filter_map(|protocol| protocol_of(protocol, account.as_deref())).collect();
    Some(node.attr("jid", jid).children(answers).build())
}

fn protocol_of(protocol: &str, account: Option<&Account>) -> Option<Node> {
    if protocol == "contact" {
        let kind = if account.is_some() { "in" } else { "out" };
        return Some(NodeBuilder::new("contact").attr("type", kind).build());
    }
    let account = account?;
    match protocol {
        "lid" => Some(NodeBuilder::new("lid").attr("val", Jid::lid(account.lid.as_str())).build()),
        "devices" => Some(devices(account)),
        "status" => {
            let about = account.with(|state| state.about.clone());
            Some(NodeBuilder::new("status").attr("t", now_s()).string_content(about).build())
        }
        "disappearing_mode" => {
            Some(NodeBuilder::new("disappearing_mode").attr("duration", 0u8).attr("t", now_s()).build())
        }
        "picture" => {
            let id = account.with(|state| state.picture.clone())?;
            Some(NodeBuilder::new("picture").attr("id", id).build())
        }
        // No business, no username: leaving the answer out says so.
        _ => None,
    }
}

fn devices(account: &Account) -> Node {
    let mut list = vec![NodeBuilder::new("device").attr("id", 0u8).build()];
    list.extend(account.with(|state| {
        state
            .companions()
            .map(|(device, one)| NodeBuilder::new("device").attr("id", device).attr("key-index", one.key_index).build())
            .collect::<Vec<_>>()
    }));
    let mut nodes = vec![NodeBuilder::new("device-list").children(list).build()];
    if let Some((timestamp, signed)) = key_index_list(account) {
        nodes.push(NodeBuilder::new("key-index-list").attr("ts", timestamp).bytes(signed).build());
    }
    NodeBuilder::new("devices").children(nodes).build()
}
