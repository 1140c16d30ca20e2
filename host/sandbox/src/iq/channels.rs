//! `newsletter`: posts of a channel, and hearing of reactions as they come.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::Request;
use crate::channels::Post;
use crate::clock::now_s;
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr, attr_or_empty, error, jid_attr, leaf, result};

/// Posts one page has at most.
const PAGE_MAX: usize = 200;
/// Seconds a device hears of reactions after it asked.
const LIVE_S: u64 = 300;

/// Answers `<messages count before?/>` and `<live_updates/>` addressed to a channel.
pub(super) fn answer(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let (Some(child), Some(to)) = (request.child, jid_attr(request.node, "to")) else {
        return error(request.id, 400, "bad-request");
    };
    let me = &author.account.pn;
    let inside = network.channels.with(&to, |channel| match child.tag.as_ref() {
        "messages" => {
            let count = attr_or_empty(child, "count").parse().unwrap_or(PAGE_MAX).min(PAGE_MAX);
            let before = attr(child, "before").and_then(|before| before.parse().ok());
            let posts: Vec<Node> = channel.page(count, before).iter().map(|post| describe(post, me)).collect();
            let messages = NodeBuilder::new("messages").attr("jid", to.clone()).attr("t", now_s());
            Some(messages.children(posts).build())
        }
        "live_updates" => {
            channel.live.retain(|_, until| *until > now_s());
            channel.live.insert((me.clone(), author.device), now_s() + LIVE_S);
            Some(NodeBuilder::new("live_updates").attr("duration", LIVE_S).build())
        }
        _ => None,
    });
    let mut reply = match inside {
        Some(Some(inside)) => result(request.id, vec![inside]),
        Some(None) => super::unknown(network, request.id, request.node),
        None => error(request.id, 404, "item-not-found"),
    };
    reply.attrs.insert("from", to);
    reply
}

fn describe(post: &Post, reader: &str) -> Node {
    let mut plain = leaf("plaintext", post.content.clone());
    if let Some(kind) = &post.media_type {
        plain.attrs.insert("mediatype", kind.clone());
    }
    let mut node = NodeBuilder::new("message")
        .attr("id", post.id.as_str())
        .attr("server_id", post.server_id)
        .attr("t", post.t_s)
        .attr("type", post.kind.as_str());
    if post.by == reader {
        node = node.attr("is_sender", "true");
    }
    node.children([plain, reactions(post)]).build()
}

/// `<reactions>` with the count of each.
pub(crate) fn reactions(post: &Post) -> Node {
    let counts = post
        .counts()
        .into_iter()
        .map(|(code, count)| NodeBuilder::new("reaction").attr("code", code.to_owned()).attr("count", count).build());
    NodeBuilder::new("reactions").children(counts.collect::<Vec<_>>()).build()
}
