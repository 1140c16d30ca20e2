//! `encrypt`: fetching, uploading, counting, checking and rotating key bundles.

use whatsapp_rust::wacore::prekeys::compute_key_bundle_digest;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Request;
use crate::account::{Account, PHONE};
use crate::clock::now_s;
use crate::keys::{KEY_TYPE, KeyBundle, bundle_nodes, id_bytes, one_time_node, read_signed, signed_node};
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{child_number, children, error, jid_attr, leaf, notification, result, server};

/// One-time keys a companion may have on the server; a larger upload is cut.
const ONE_TIME_KEYS_MAX: usize = 4_096;

/// `<key><user jid/>…</key>`: a bundle per device, each with a one-time key that is handed out once.
pub(super) fn fetch(network: &Network, request: &Request<'_>) -> Node {
    let asked = request.child.map(children).unwrap_or_default();
    let users = asked.iter().filter_map(|user| jid_attr(user, "jid")).map(|jid| user(network, jid)).collect::<Vec<_>>();
    result(request.id, vec![NodeBuilder::new("list").children(users).build()])
}

fn user(network: &Network, jid: Jid) -> Node {
    let refused = |jid: Jid, code: u16| {
        let error = NodeBuilder::new("error").attr("code", code).build();
        NodeBuilder::new("user").attr("jid", jid).children([error]).build()
    };
    let Some(account) = network.directory.find_jid(&jid) else {
        return refused(jid, 404);
    };
    let Some(nodes) = device_keys(network, &account, jid.device) else {
        return refused(jid, 406);
    };
    NodeBuilder::new("user").attr("jid", jid).attr("t", now_s()).children(nodes).build()
}

fn device_keys(network: &Network, account: &Account, device: u16) -> Option<Vec<Node>> {
    if device == PHONE {
        let (bundle, one_time) = account.phone.hand_out_keys(&network.limits);
        let mut nodes = bundle_nodes(&bundle);
        nodes.push(one_time_node(&one_time));
        network.touch();
        return Some(nodes);
    }
    let taken = account.take_keys(device)?;
    let mut nodes = bundle_nodes(&taken.bundle);
    nodes.extend(taken.one_time.as_ref().map(one_time_node));
    nodes.push(leaf("device-identity", taken.signed_identity));
    if taken.left < network.limits.companion_keys_low {
        ask_for_keys(network, account, device, taken.left);
    }
    Some(nodes)
}

/// Asks a companion for more one-time keys, once until it uploads.
pub(crate) fn ask_for_keys(network: &Network, account: &Account, device: u16, left: usize) {
    let first = account.with_device(device, |device| {
        device.companion.as_mut().is_some_and(|companion| !std::mem::replace(&mut companion.asked_for_keys, true))
    });
    if first == Some(true) {
        let count = NodeBuilder::new("count").attr("value", left.to_string()).build();
        let low = notification("encrypt", server(), &network.stanza_id()).children([count]).build();
        network.post(account, device, low);
    }
}

/// An upload: new keys are added to those still there when the identity is the same.
pub(super) fn upload(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let bundle = child_number(request.node, "registration").and_then(|id| KeyBundle::read(request.node, id));
    let Some(mut bundle) = bundle else {
        return error(request.id, 400, "bad-request");
    };
    let stored = author.account.with_device(author.device, |device| {
        let Some(companion) = device.companion.as_mut() else {
            return false;
        };
        if let Some(old) = companion.keys.take().filter(|old| old.identity == bundle.identity) {
            let fresh: Vec<u32> = bundle.one_time.iter().map(|key| key.id).collect();
            let kept = old.one_time.into_iter().filter(|key| !fresh.contains(&key.id));
            bundle.one_time = kept.chain(std::mem::take(&mut bundle.one_time)).collect();
        }
        bundle.one_time.truncate(ONE_TIME_KEYS_MAX);
        companion.keys = Some(bundle);
        companion.asked_for_keys = false;
        true
    });
    if stored != Some(true) {
        return error(request.id, 403, "forbidden");
    }
    network.touch();
    result(request.id, vec![])
}

/// `<rotate><skey/></rotate>`: a new signed key.
pub(super) fn rotate(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let signed = request.child.and_then(|rotate| rotate.get_optional_child("skey")).and_then(read_signed);
    let Some(signed) = signed else {
        return error(request.id, 400, "bad-request");
    };
    let rotated = with_keys(author, |keys| keys.signed = signed);
    network.touch();
    match rotated {
        Some(()) => result(request.id, vec![]),
        None => error(request.id, 404, "item-not-found"),
    }
}

/// How many one-time keys are left. Baileys uploads only when this is low, so it has to be true.
pub(super) fn count(author: &Author, request: &Request<'_>) -> Node {
    let left = with_keys(author, |keys| keys.one_time.len()).unwrap_or(0);
    result(request.id, vec![NodeBuilder::new("count").attr("value", left.to_string()).build()])
}

/// What the server holds, with a hash the client compares with its own keys. 404 makes it upload again.
pub(super) fn digest(author: &Author, request: &Request<'_>) -> Node {
    let digest = with_keys(author, |keys| {
        let publics: Vec<&[u8]> = keys.one_time.iter().map(|key| key.public.as_slice()).collect();
        let hash = compute_key_bundle_digest(&keys.identity, &keys.signed.public, &keys.signed.signature, &publics);
        let ids = keys.one_time.iter().map(|key| leaf("id", id_bytes(key.id))).collect::<Vec<_>>();
        NodeBuilder::new("digest")
            .children([
                leaf("registration", keys.registration.to_be_bytes()),
                leaf("type", [KEY_TYPE]),
                leaf("identity", keys.identity),
                signed_node(&keys.signed),
                NodeBuilder::new("list").children(ids).build(),
                leaf("hash", hash),
            ])
            .build()
    });
    match digest {
        Some(digest) => result(request.id, vec![digest]),
        None => error(request.id, 404, "item-not-found"),
    }
}

fn with_keys<T>(author: &Author, action: impl FnOnce(&mut KeyBundle) -> T) -> Option<T> {
    author.account.with_device(author.device, |device| device.companion.as_mut()?.keys.as_mut().map(action)).flatten()
}
