//! The small requests of a client's start and of its settings screens.

use std::collections::BTreeMap;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::Request;
use crate::account::PHONE;
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr_or_empty, children, content, error, jid_attr, leaf, notification, result};
use crate::tokens;

/// Privacy categories and what they are until someone sets them.
const PRIVACY: [(&str, &str); 9] = [
    ("last", "all"),
    ("online", "all"),
    ("profile", "all"),
    ("status", "all"),
    ("groupadd", "all"),
    ("readreceipts", "all"),
    ("calladd", "all"),
    ("messages", "all"),
    ("defense", "off"),
];
/// Longest about text, in bytes.
const ABOUT_BYTES_MAX: usize = 1_024;
/// JIDs one account may block.
const BLOCKED_MAX: usize = 1_000;

/// `abt`: the switches of experiments the account's traits name.
pub(super) fn props(author: &Author, request: &Request<'_>) -> Node {
    let props = author.account.with(|state| state.traits.props.clone());
    let hash = format!("{props:?}").len().to_string();
    let switches = props
        .into_iter()
        .map(|(code, value)| NodeBuilder::new("prop").attr("config_code", code).attr("config_value", value).build());
    let props = NodeBuilder::new("props")
        .attr("protocol", "1")
        .attr("ab_key", "sandbox")
        .attr("hash", hash)
        .attr("refresh", "86400")
        .attr("refresh_id", "1")
        .children(switches.collect::<Vec<_>>());
    result(request.id, vec![props.build()])
}

fn list(author: &Author) -> Node {
    let blocked = author.account.with(|state| state.blocked.clone());
    let items = blocked.iter().map(|user| {
        let jid = whatsapp_rust::Jid::lid(user.as_str());
        NodeBuilder::new("item").attr("jid", jid).build()
    });
    let dhash = format!("{}-{}", blocked.len(), blocked.iter().next_back().map(String::as_str).unwrap_or_default());
    NodeBuilder::new("list").attr("dhash", dhash).children(items.collect::<Vec<_>>()).build()
}

/// The block list.
pub(super) fn block_list(author: &Author, request: &Request<'_>) -> Node {
    result(request.id, vec![list(author)])
}

/// `<item action="block|unblock" jid/>`. Kept by LID whenever the user is known.
pub(super) fn block(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let Some(item) = request.child else {
        return error(request.id, 400, "bad-request");
    };
    let Some(jid) = jid_attr(item, "jid").or_else(|| jid_attr(item, "pn_jid")) else {
        return error(request.id, 400, "bad-request");
    };
    let user = network.directory.find_jid(&jid).map_or_else(|| jid.user.to_string(), |account| account.lid.clone());
    author.account.with(|state| match attr_or_empty(item, "action").as_str() {
        "unblock" => {
            state.blocked.remove(&user);
        }
        _ if state.blocked.len() < BLOCKED_MAX => {
            state.blocked.insert(user);
        }
        _ => {}
    });
    network.touch();
    result(request.id, vec![list(author)])
}

fn categories(set: &BTreeMap<String, String>) -> Node {
    let nodes = PRIVACY.iter().map(|(name, default)| {
        let value = set.get(*name).map_or(*default, String::as_str);
        NodeBuilder::new("category").attr("name", *name).attr("value", value).build()
    });
    NodeBuilder::new("privacy").children(nodes.collect::<Vec<_>>()).build()
}

/// The privacy settings.
pub(super) fn privacy(author: &Author, request: &Request<'_>) -> Node {
    result(request.id, vec![author.account.with(|state| categories(&state.privacy))])
}

/// Sets privacy categories, or issues tokens (`<tokens>`) to contacts.
pub(super) fn set_privacy(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    if let Some(tokens) = request.child.filter(|child| child.tag == "tokens") {
        let issued = tokens::issue(network, author, tokens);
        return result(request.id, vec![NodeBuilder::new("tokens").children(issued).build()]);
    }
    let Some(asked) = request.child.filter(|child| child.tag == "privacy") else {
        return error(request.id, 400, "bad-request");
    };
    let settings = author.account.with(|state| {
        for category in children(asked) {
            let name = attr_or_empty(category, "name");
            if PRIVACY.iter().any(|(known, _)| *known == name) {
                state.privacy.insert(name, attr_or_empty(category, "value"));
            }
        }
        categories(&state.privacy)
    });
    network.touch();
    result(request.id, vec![settings])
}

/// Sets the about text and tells the account's contacts.
pub(super) fn set_about(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    // An empty text comes without content.
    let text = request.child.map(|status| String::from_utf8_lossy(content(status).unwrap_or_default()).into_owned());
    let Some(text) = text.filter(|text| text.len() <= ABOUT_BYTES_MAX) else {
        return error(request.id, 406, "not-acceptable");
    };
    author.account.with(|state| state.about.clone_from(&text));
    for contact in network.contacts_of(&author.account) {
        for device in contact.device_numbers() {
            let note = notification("status", author.account.pn_jid(PHONE), &network.stanza_id())
                .children([leaf("set", text.as_bytes())]);
            network.post(&contact, device, note.build());
        }
    }
    network.touch();
    result(request.id, vec![])
}

/// Nobody is a business.
pub(super) fn business(request: &Request<'_>) -> Node {
    result(request.id, vec![NodeBuilder::new("business_profile").build()])
}

/// Answers a logout; the device is removed after the answer has been written. Only own companions can be removed.
pub(super) fn logout(author: &Author, request: &Request<'_>) -> Node {
    let jid = request.child.and_then(|remove| jid_attr(remove, "jid"));
    match jid {
        Some(jid) if !author.account.is(&jid) || jid.device == PHONE => error(request.id, 403, "forbidden"),
        _ => result(request.id, vec![]),
    }
}
