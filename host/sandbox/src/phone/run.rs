//! A phone's life: connected while it is wanted online, handling one stanza after the other.
//!
//! Invariant: a stanza is settled only after it was handled, so one interrupted by going offline comes again.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::event::{Change, Presence, Typing};
use super::{receive, resend};
use crate::account::{Account, PHONE};
use crate::mailbox::drain;
use crate::network::Network;
use crate::relay::{self, Author, presence};
use crate::stanza::{attr, attr_or_empty, children, jid_attr};

/// Runs a phone until the sandbox stops.
pub(crate) async fn run(network: Arc<Network>, account: Arc<Account>) {
    let mut wanted = account.phone.online.subscribe();
    loop {
        tokio::select! {
            () = network.stop.cancelled() => return,
            online = wanted.wait_for(|online| *online) => if online.is_err() { return },
        }
        let cut = network.stop.child_token();
        let link = network.next();
        let (outgoing, incoming) = mpsc::channel(network.limits.outgoing_max);
        account.with_device(PHONE, |phone| phone.mailbox.attach(link, outgoing.clone(), cut.clone()));
        network.tasks.spawn(drain(Arc::clone(&account), PHONE, link, outgoing));
        connected(&network, &account, incoming, &cut).await;
        account.with_device(PHONE, |phone| phone.mailbox.detach(link));
        presence::show(&network, &Author { account: Arc::clone(&account), device: PHONE }, false);
    }
}

async fn connected(
    network: &Arc<Network>,
    account: &Arc<Account>,
    mut incoming: mpsc::Receiver<Arc<Node>>,
    cut: &CancellationToken,
) {
    loop {
        let node = tokio::select! {
            biased;
            () = cut.cancelled() => return,
            node = incoming.recv() => node,
        };
        let Some(node) = node else { return };
        handle(network, account, &node).await;
    }
}

async fn handle(network: &Arc<Network>, account: &Arc<Account>, node: &Node) {
    let me = Author { account: Arc::clone(account), device: PHONE };
    match node.tag.as_ref() {
        "message" => receive::message(network, account, node).await,
        "receipt" => {
            resend::receipt(network, account, node).await;
            settle(network, &me, node);
        }
        "notification" => settle(network, &me, node),
        "presence" => watch(network, account, node),
        "chatstate" => typing(network, account, node),
        _ => {}
    }
}

/// Acknowledges a queued stanza that is no message.
pub(super) fn settle(network: &Network, me: &Author, node: &Node) {
    let mut ack = NodeBuilder::new("ack").attr("class", node.tag.as_ref()).attr("id", attr_or_empty(node, "id"));
    if let Some(from) = jid_attr(node, "from") {
        ack = ack.attr("to", from);
    }
    relay::acknowledged(network, me, &ack.build());
}

fn watch(network: &Network, account: &Account, node: &Node) {
    let Some(other) = jid_attr(node, "from").and_then(|from| network.directory.find_jid(&from)) else {
        return;
    };
    let hidden = attr(node, "type").is_some_and(|kind| kind == "unavailable");
    let state = if hidden { Presence::Unavailable } else { Presence::Available };
    let last_s = attr(node, "last").and_then(|last| last.parse().ok());
    account.phone.with_log(|log| log.record(Change::Presence { from: other.pn.clone(), state, last_s }));
}

fn typing(network: &Network, account: &Account, node: &Node) {
    let who = jid_attr(node, "participant").or_else(|| jid_attr(node, "from"));
    let Some(other) = who.and_then(|who| network.directory.find_jid(&who)) else {
        return;
    };
    let Some(child) = children(node).first() else {
        return;
    };
    let audio = attr(child, "media").is_some_and(|media| media == "audio");
    let state = match (child.tag.as_ref(), audio) {
        ("composing", true) => Typing::Recording,
        ("composing", false) => Typing::Composing,
        _ => Typing::Paused,
    };
    account.phone.with_log(|log| log.record(Change::Typing { from: other.pn.clone(), state }));
}
