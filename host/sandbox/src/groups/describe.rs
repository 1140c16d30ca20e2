//! Groups and members as nodes. A member is named by LID, its number beside it.

use whatsapp_rust::wacore::messages::MessageUtils;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::Group;
use super::state::GroupState;
use crate::network::Network;

/// The mode of addressing every group has: members are named by LID.
pub(crate) const ADDRESSING: &str = "lid";

/// A user's LID and number JIDs; an account that is gone keeps its number in both.
pub(crate) fn names(network: &Network, number: &str) -> (Jid, Jid) {
    let pn = Jid::pn(number);
    match network.directory.find(number) {
        Some(account) => (Jid::lid(account.lid.as_str()), pn),
        None => (pn.clone(), pn),
    }
}

/// `<participant jid phone_number/>`, to be completed.
pub(crate) fn participant(network: &Network, number: &str) -> NodeBuilder {
    let (lid, pn) = names(network, number);
    NodeBuilder::new("participant").attr("jid", lid).attr("phone_number", pn)
}

/// One member with its rank.
fn member(network: &Network, state: &GroupState, number: &str) -> Node {
    let node = participant(network, number);
    match state.rank(number).and_then(super::Rank::word) {
        Some(word) => node.attr("type", word).build(),
        None => node.build(),
    }
}

/// The whole `<group>`.
pub(crate) fn group(network: &Network, group: &Group) -> Node {
    let state = group.with(|state| state.clone());
    let (creator, creator_pn) = names(network, &state.creator);
    let (subject_by, subject_by_pn) = names(network, &state.subject_by);
    let mut inside: Vec<Node> = state.members.keys().map(|number| member(network, &state, number)).collect();
    inside.extend(settings(&state));
    inside.extend(description(network, &state));
    NodeBuilder::new("group")
        .attr("id", group.id.as_str())
        .attr("subject", state.subject.as_str())
        .attr("s_o", subject_by)
        .attr("s_o_pn", subject_by_pn)
        .attr("s_t", state.subject_s)
        .attr("creation", state.created_s)
        .attr("creator", creator)
        .attr("creator_pn", creator_pn)
        .attr("addressing_mode", ADDRESSING)
        .attr("size", state.members.len().to_string())
        .children(inside)
        .build()
}

fn settings(state: &GroupState) -> Vec<Node> {
    let mut nodes: Vec<Node> = state.flags.iter().map(|flag| NodeBuilder::new_dynamic(flag.clone()).build()).collect();
    nodes.extend(
        state
            .modes
            .iter()
            .map(|(tag, value)| NodeBuilder::new_dynamic(tag.clone()).string_content(value.clone()).build()),
    );
    if state.ephemeral_s > 0 {
        nodes.push(NodeBuilder::new("ephemeral").attr("expiration", state.ephemeral_s).build());
    }
    if state.approval {
        nodes.push(approval(true));
    }
    if let Some(parent) = &state.parent {
        let node = NodeBuilder::new("parent");
        nodes.push(match parent.closed {
            true => node.attr("default_membership_approval_mode", "request_required").build(),
            false => node.build(),
        });
    }
    if let Some(parent) = &state.linked_parent {
        let jid = Jid::new(parent.as_str(), whatsapp_rust::wacore_binary::Server::Group);
        nodes.push(NodeBuilder::new("linked_parent").attr("jid", jid).build());
    }
    nodes
}

/// `<membership_approval_mode>`, in a description and in an announcement.
pub(crate) fn approval(on: bool) -> Node {
    let state = if on { "on" } else { "off" };
    let join = NodeBuilder::new("group_join").attr("state", state).build();
    NodeBuilder::new("membership_approval_mode").children([join]).build()
}

/// `<description>`, or `None` without one.
pub(crate) fn description(network: &Network, state: &GroupState) -> Option<Node> {
    let description = state.description.as_ref()?;
    let (by, by_pn) = names(network, &description.by);
    let body = NodeBuilder::new("body").string_content(description.text.clone()).build();
    Some(
        NodeBuilder::new("description")
            .attr("id", description.id.as_str())
            .attr("participant", by)
            .attr("participant_pn", by_pn)
            .attr("t", description.t_s)
            .children([body])
            .build(),
    )
}

/// The hash of the member list that a client compares with its own, to be spared an unchanged description.
pub(crate) fn hash(network: &Network, group: &Group) -> Option<String> {
    let members: Vec<Jid> = group.members().iter().map(|number| names(network, number).0).collect();
    MessageUtils::participant_list_hash(&members).ok().map(|hash| hash.to_string())
}
