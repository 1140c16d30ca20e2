//! Reading and writing stanzas: the small vocabulary the rest of the crate speaks.
//!
//! Facts about attributes come from the client's own parsers; a missing attribute is `None`, never a panic.

use std::borrow::Cow;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, NodeContent, Server};

/// The network's own address.
pub(crate) fn server() -> Jid {
    Jid::new("", Server::Pn)
}

/// An attribute as text.
pub(crate) fn attr<'a>(node: &'a Node, key: &str) -> Option<Cow<'a, str>> {
    node.attrs.get(key).map(|value| value.as_str())
}

/// An attribute as text, empty when absent.
pub(crate) fn attr_or_empty(node: &Node, key: &str) -> String {
    attr(node, key).map(Cow::into_owned).unwrap_or_default()
}

/// An attribute as a JID.
pub(crate) fn jid_attr(node: &Node, key: &str) -> Option<Jid> {
    node.attrs.get(key).and_then(|value| value.to_jid())
}

/// The content as bytes, whether it came as bytes or as text.
pub(crate) fn content(node: &Node) -> Option<&[u8]> {
    match &node.content {
        Some(NodeContent::Bytes(bytes)) => Some(bytes.as_slice()),
        Some(NodeContent::String(text)) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A child's content.
pub(crate) fn child_content<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    node.get_optional_child(tag).and_then(content)
}

/// Exactly `N` bytes of a child's content.
pub(crate) fn child_array<const N: usize>(node: &Node, tag: &str) -> Option<[u8; N]> {
    child_content(node, tag)?.try_into().ok()
}

/// A big-endian number of one to four bytes, as key ids are written.
pub(crate) fn child_number(node: &Node, tag: &str) -> Option<u32> {
    let bytes = child_content(node, tag)?;
    if bytes.is_empty() || bytes.len() > 4 {
        return None;
    }
    Some(bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

/// The children, or none.
pub(crate) fn children(node: &Node) -> &[Node] {
    node.children().unwrap_or_default()
}

/// A leaf with bytes.
pub(crate) fn leaf(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(bytes).build()
}

/// The successful answer to an IQ.
pub(crate) fn result(id: &str, children: Vec<Node>) -> Node {
    let iq = NodeBuilder::new("iq").attr("from", server()).attr("type", "result").attr("id", id);
    if children.is_empty() { iq.build() } else { iq.children(children).build() }
}

/// The refusal of an IQ.
pub(crate) fn error(id: &str, code: u16, text: &str) -> Node {
    NodeBuilder::new("iq")
        .attr("from", server())
        .attr("type", "error")
        .attr("id", id)
        .children([NodeBuilder::new("error").attr("code", code).attr("text", text).build()])
        .build()
}

/// A request of the server: the client answers with the same id.
pub(crate) fn request(id: &str, xmlns: &str, child: Node) -> Node {
    NodeBuilder::new("iq")
        .attr("from", server())
        .attr("type", "set")
        .attr("id", id)
        .attr("xmlns", xmlns)
        .attr("t", crate::clock::now_s())
        .children([child])
        .build()
}

/// The server's acknowledgement of a stanza, to its author.
pub(crate) fn ack(of: &Node, class: &'static str) -> NodeBuilder {
    let mut ack = NodeBuilder::new("ack").attr("class", class);
    for (theirs, ours) in [("id", "id"), ("to", "from"), ("participant", "participant"), ("type", "type")] {
        if let Some(value) = of.attrs.get(theirs)
            && !(class == "message" && theirs == "type")
        {
            ack = ack.attr(ours, value.clone());
        }
    }
    ack
}

/// A notification of the network.
pub(crate) fn notification(kind: &'static str, from: Jid, id: &str) -> NodeBuilder {
    NodeBuilder::new("notification")
        .attr("from", from)
        .attr("type", kind)
        .attr("id", id)
        .attr("t", crate::clock::now_s())
}
