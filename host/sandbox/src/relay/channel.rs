//! Posts in channels and reactions to them. They come as plain text, and the acknowledgement carries the post's number.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Author;
use crate::channels::Post;
use crate::clock::now_s;
use crate::iq::channels::reactions;
use crate::network::Network;
use crate::stanza::{attr, attr_or_empty, content, leaf, notification};

/// The word of `edit` that takes a post back.
const REVOKED: &str = "8";

/// Takes a post, an edit, or a reaction; its number, or the error code of a refusal.
pub(super) fn message(network: &Network, author: &Author, node: &Node, to: &Jid) -> Result<u64, u16> {
    if attr(node, "type").is_some_and(|kind| kind == "reaction") {
        return react(network, author, node, to);
    }
    let me = &author.account.pn;
    let plain = node.get_optional_child("plaintext").ok_or(479u16)?;
    let bytes = content(plain).unwrap_or_default().to_vec();
    let (id, edit) = (attr_or_empty(node, "id"), attr(node, "edit"));
    let posts_max = network.limits.channel_posts_max;
    let (server_id, followers) = network
        .channels
        .with(to, |channel| {
            if channel.owner != *me {
                return Err(403u16);
            }
            let server_id = match edit.as_deref() {
                Some(edit) => {
                    let post = channel.posts.iter_mut().find(|post| post.id == id).ok_or(404u16)?;
                    post.content = if edit == REVOKED { Vec::new() } else { bytes.clone() };
                    post.server_id
                }
                None => channel.publish(
                    Post {
                        id: id.clone(),
                        server_id: 0,
                        t_s: now_s(),
                        kind: attr(node, "type").unwrap_or("text".into()).into_owned(),
                        media_type: attr(plain, "mediatype").map(std::borrow::Cow::into_owned),
                        content: bytes.clone(),
                        by: me.clone(),
                        reactions: BTreeMap::new(),
                    },
                    posts_max,
                ),
            };
            Ok((server_id, channel.followers.clone()))
        })
        .ok_or(404u16)??;
    network.touch();
    let mut message = NodeBuilder::new("message")
        .attr("from", to.clone())
        .attr("id", id)
        .attr("server_id", server_id)
        .attr("t", now_s())
        .attr("type", attr(node, "type").unwrap_or("text".into()).as_ref());
    if let Some(edit) = edit {
        message = message.attr("edit", edit.as_ref());
    }
    let message = message.children([leaf("plaintext", bytes)]).build();
    let mut hearers = followers;
    hearers.insert(me.clone());
    for account in hearers.iter().filter_map(|number| network.directory.find(number)) {
        for device in account.device_numbers() {
            let own = account.pn == *me && device == author.device;
            if !own && network.post(&account, device, message.clone()) {
                network.counters.deliveries.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(server_id)
}

/// A reaction: kept per user, an empty one takes it back; devices that asked hear the new counts.
fn react(network: &Network, author: &Author, node: &Node, to: &Jid) -> Result<u64, u16> {
    let server_id: u64 = attr_or_empty(node, "server_id").parse().map_err(|_| 479u16)?;
    let code = node.get_optional_child("reaction").map(|reaction| attr_or_empty(reaction, "code")).ok_or(479u16)?;
    let (counts, live) = network
        .channels
        .with(to, |channel| {
            let post = channel.post_mut(server_id).ok_or(404u16)?;
            match code.is_empty() {
                true => post.reactions.remove(&author.account.pn),
                false => post.reactions.insert(author.account.pn.clone(), code.clone()),
            };
            let counts = reactions(post);
            channel.live.retain(|_, until| *until > now_s());
            Ok::<_, u16>((counts, channel.live.keys().cloned().collect::<Vec<_>>()))
        })
        .ok_or(404u16)??;
    network.touch();
    let update = NodeBuilder::new("message").attr("server_id", server_id).children([counts]).build();
    let messages = NodeBuilder::new("messages").attr("jid", to.clone()).attr("t", now_s()).children([update]).build();
    let updates = NodeBuilder::new("live_updates").children([messages]).build();
    for (number, device) in live {
        if let Some(account) = network.directory.find(&number) {
            let note = notification("newsletter", to.clone(), &network.stanza_id()).children([updates.clone()]);
            network.post(&account, device, note.build());
        }
    }
    Ok(server_id)
}
