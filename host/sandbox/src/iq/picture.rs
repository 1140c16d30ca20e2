//! `w:profile:picture`: looking at, setting and removing the picture of an account or a group.

use std::sync::Arc;

use bytes::Bytes;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Request;
use crate::account::{Account, PHONE};
use crate::groups::Group;
use crate::network::Network;
use crate::pictures::PATH_PREFIX;
use crate::relay::Author;
use crate::stanza::{attr, content, error, jid_attr, notification, result};

/// Largest picture, in bytes.
const PICTURE_BYTES_MAX: usize = 512 * 1024;

/// Whose picture a request is about.
enum Owner {
    Account(Arc<Account>),
    Group(Arc<Group>),
}

impl Owner {
    fn find(network: &Network, jid: &Jid) -> Option<Self> {
        match network.groups.find_jid(jid) {
            Some(group) => Some(Self::Group(group)),
            None => network.directory.find_jid(jid).map(Self::Account),
        }
    }

    fn picture(&self) -> Option<String> {
        match self {
            Self::Account(account) => account.with(|state| state.picture.clone()),
            Self::Group(group) => group.with(|state| state.picture.clone()),
        }
    }

    fn replace(&self, picture: Option<String>) -> Option<String> {
        match self {
            Self::Account(account) => account.with(|state| std::mem::replace(&mut state.picture, picture)),
            Self::Group(group) => group.with(|state| std::mem::replace(&mut state.picture, picture)),
        }
    }

    fn jid(&self) -> Jid {
        match self {
            Self::Account(account) => account.pn_jid(PHONE),
            Self::Group(group) => group.jid(),
        }
    }
}

/// `get <picture type query="url" id?/>` for `target`.
pub(super) fn get(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let target = jid_attr(request.node, "target").unwrap_or_else(|| author.account.pn_jid(PHONE));
    let shown = |inside: Node| result(request.id, vec![inside]);
    let refused = |code: u16, text: &'static str| {
        let error = NodeBuilder::new("error").attr("code", code).attr("text", text).build();
        shown(NodeBuilder::new("picture").children([error]).build())
    };
    let Some(owner) = Owner::find(network, &target) else {
        return refused(404, "item-not-found");
    };
    if let Owner::Account(account) = &owner
        && !crate::tokens::may_see(account, &author.account, request.child, "profile")
    {
        return refused(401, "not-authorized");
    }
    let Some(id) = owner.picture() else {
        return refused(404, "item-not-found");
    };
    if request.child.is_some_and(|child| attr(child, "id").is_some_and(|known| known == id)) {
        // The client has it already.
        return shown(NodeBuilder::new("picture").build());
    }
    shown(describe(network, &id, request.child.and_then(|child| attr(child, "type")).as_deref().unwrap_or("image")))
}

/// `<picture id url direct_path type/>`
pub(crate) fn describe(network: &Network, id: &str, kind: &str) -> Node {
    let path = format!("{PATH_PREFIX}{id}");
    NodeBuilder::new("picture")
        .attr("id", id)
        .attr("url", network.media.url(&path))
        .attr("direct_path", path)
        .attr("type", kind.to_owned())
        .build()
}

/// `set <picture type="image">[jpeg]</picture>`, or nothing to remove it; `target` names a group.
pub(super) fn set(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let owner = match jid_attr(request.node, "target") {
        Some(target) => match Owner::find(network, &target) {
            Some(owner) => owner,
            None => return error(request.id, 404, "item-not-found"),
        },
        None => Owner::Account(Arc::clone(&author.account)),
    };
    let allowed = match &owner {
        Owner::Account(account) => Arc::ptr_eq(account, &author.account),
        Owner::Group(group) => group.with(|state| state.may_edit(&author.account.pn)),
    };
    if !allowed {
        return error(request.id, 401, "not-authorized");
    }
    let bytes = request.child.and_then(content).filter(|bytes| !bytes.is_empty());
    if bytes.is_some_and(|bytes| bytes.len() > PICTURE_BYTES_MAX) {
        return error(request.id, 406, "not-acceptable");
    }
    let id = bytes.map(|bytes| network.pictures.put(Bytes::copy_from_slice(bytes)));
    if let Some(old) = owner.replace(id.clone()) {
        network.pictures.remove(&old);
    }
    network.touch();
    tell(network, author, &owner, id.as_deref());
    match id {
        Some(id) => result(request.id, vec![NodeBuilder::new("picture").attr("id", id).build()]),
        None => result(request.id, vec![]),
    }
}

/// Tells the account's own devices and contacts, or the group's members.
fn tell(network: &Network, author: &Author, owner: &Owner, id: Option<&str>) {
    let change = match id {
        Some(id) => NodeBuilder::new("set").attr("id", id),
        None => NodeBuilder::new("delete"),
    };
    let by = match owner {
        Owner::Account(_) => author.account.pn_jid(PHONE),
        Owner::Group(_) => author.account.lid_jid(PHONE),
    };
    let change = change.attr("jid", owner.jid()).attr("author", by).build();
    let note = notification("picture", owner.jid(), &network.stanza_id()).children([change]).build();
    let hearers = match owner {
        Owner::Group(group) => {
            group.members().iter().filter_map(|number| network.directory.find(number)).collect::<Vec<_>>()
        }
        Owner::Account(account) => {
            let contacts = network.contacts_of(account);
            contacts.into_iter().chain([Arc::clone(account)]).collect()
        }
    };
    for hearer in hearers {
        for device in hearer.device_numbers() {
            network.post(&hearer, device, note.clone());
        }
    }
}
