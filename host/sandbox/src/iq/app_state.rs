//! `w:sync:app:state`: handing out and accepting app-state patches. The server stores them unread.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::Request;
use crate::app_state::{Patches, Refused};
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr_or_empty, child_content, children, error, leaf, notification, result, server};

/// Answers each asked collection with the patches after the client's version, after taking the client's own patch.
pub(super) fn sync(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let Some(sync) = request.child.filter(|child| child.tag == "sync") else {
        return error(request.id, 400, "bad-request");
    };
    let collections = children(sync).iter().map(|asked| collection(network, author, asked)).collect::<Vec<_>>();
    result(request.id, vec![NodeBuilder::new("sync").children(collections).build()])
}

fn collection(network: &Network, author: &Author, asked: &Node) -> Node {
    let name = attr_or_empty(asked, "name");
    let base: u64 = attr_or_empty(asked, "version").parse().unwrap_or(0);
    let limit = network.limits.app_state_patches_max;
    let patch = child_content(asked, "patch");
    let outcome = author.account.with(|state| match patch {
        Some(patch) => state.app_state.append(&name, base, patch, limit),
        None => Ok(state.app_state.after(&name, base)),
    });
    let node = NodeBuilder::new("collection").attr("name", name.as_str());
    match outcome {
        Ok(patches) => {
            if patch.is_some() {
                tell_siblings(network, author, &name, patches.version);
                network.touch();
            }
            with_patches(node, patches)
        }
        Err(Refused::Conflict(missing)) => {
            with_patches(node.attr("type", "error"), Patches { error: Some((409, "conflict")), ..missing })
        }
        Err(Refused::Unreadable) => refusal(node, 400, "bad-request"),
        Err(Refused::Full) => refusal(node, 500, "internal-server-error"),
    }
}

fn refusal(node: NodeBuilder, code: u16, text: &'static str) -> Node {
    let error = NodeBuilder::new("error").attr("code", code).attr("text", text).build();
    node.attr("type", "error").children([error]).build()
}

fn with_patches(node: NodeBuilder, patches: Patches) -> Node {
    let mut inside = Vec::new();
    if let Some((code, text)) = patches.error {
        inside.push(NodeBuilder::new("error").attr("code", code).attr("text", text).build());
    }
    if !patches.patches.is_empty() {
        let list = patches.patches.into_iter().map(|patch| leaf("patch", patch)).collect::<Vec<_>>();
        inside.push(NodeBuilder::new("patches").children(list).build());
    }
    let node = node.attr("version", patches.version);
    if inside.is_empty() { node.build() } else { node.children(inside).build() }
}

fn tell_siblings(network: &Network, author: &Author, name: &str, version: u64) {
    for device in author.account.device_numbers().into_iter().filter(|device| *device != author.device) {
        let changed = NodeBuilder::new("collection").attr("name", name).attr("version", version).build();
        let note = notification("server_sync", server(), &network.stanza_id()).children([changed]);
        network.post(&author.account, device, note.build());
    }
}
