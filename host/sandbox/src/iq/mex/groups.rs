//! Operations on groups and communities.

use std::sync::Arc;

use serde_json::{Value, json};
use whatsapp_rust::wacore_binary::Jid;

use super::{Answer, BAD_REQUEST, FORBIDDEN, NOT_FOUND};
use crate::groups::Group;
use crate::network::Network;
use crate::relay::Author;

fn group(network: &Network, author: &Author, jid: Option<&Value>) -> Result<Arc<Group>, (u16, &'static str)> {
    let jid: Jid = jid.and_then(Value::as_str).and_then(|jid| jid.parse().ok()).ok_or(BAD_REQUEST)?;
    let group = network.groups.find_jid(&jid).ok_or(NOT_FOUND)?;
    if group.has(&author.account.pn) { Ok(group) } else { Err(FORBIDDEN) }
}

fn node(group: &Group) -> Value {
    group.with(|state| {
        json!({
            "id": group.jid().to_string(),
            "subject": {"value": state.subject, "creation_time": state.created_s},
            "total_participants_count": state.members.len(),
            "properties": {
                "general_chat": if state.is("general_chat") { "true" } else { "false" },
                "hidden_group": "false",
                "membership_approval_mode_enabled": state.approval,
            },
            "membership_approval_requests": {"total_count": state.requests.len()},
        })
    })
}

fn edges(groups: &[Arc<Group>]) -> Value {
    json!({"edges": groups.iter().map(|group| json!({"node": node(group)})).collect::<Vec<_>>()})
}

/// The groups of a community: its announcement group, then the others.
pub(super) fn sub_groups(network: &Network, author: &Author, variables: &Value) -> Answer {
    let parent = group(network, author, variables.get("group_id"))?;
    let linked = network.groups.linked_to(&parent.id);
    let (default, others): (Vec<_>, Vec<_>) =
        linked.into_iter().partition(|group| group.with(|state| state.is("default_sub_group")));
    Ok(json!({"xwa2_group_query_by_id": {
        "__typename": "XWA2Community",
        "id": parent.jid().to_string(),
        "default_sub_group": default.first().map(|group| node(group)),
        "sub_groups": edges(&others),
    }}))
}

/// How many members each group of a community has.
pub(super) fn counts(network: &Network, author: &Author, variables: &Value) -> Answer {
    let input = variables.get("input").ok_or(BAD_REQUEST)?;
    let parent = group(network, author, input.get("group_jid"))?;
    let linked = network.groups.linked_to(&parent.id);
    Ok(json!({"xwa2_group_query_by_id": {"id": parent.jid().to_string(), "sub_groups": edges(&linked)}}))
}

/// Settings that have no stanza of their own.
pub(super) fn update(network: &Network, author: &Author, variables: &Value) -> Answer {
    let group = group(network, author, variables.get("group_id"))?;
    if !group.with(|state| state.is_admin(&author.account.pn)) {
        return Err(FORBIDDEN);
    }
    let update = variables.get("update").and_then(Value::as_object).ok_or(BAD_REQUEST)?;
    for (name, value) in update {
        match (name.as_str(), value.as_str()) {
            ("member_link_mode" | "member_share_group_history_mode", Some(mode)) => {
                group.with(|state| state.modes.insert(name.clone(), mode.to_ascii_lowercase()));
            }
            ("limit_sharing", _) => {
                let on = value.get("limit_sharing_enabled").and_then(Value::as_bool).ok_or(BAD_REQUEST)?;
                group.with(|state| match on {
                    true => state.flags.insert("limit_sharing_enabled".to_owned()),
                    false => state.flags.remove("limit_sharing_enabled"),
                });
            }
            _ => return Err(BAD_REQUEST),
        }
    }
    network.touch();
    Ok(json!({"xwa2_group_update_property": {"id": group.jid().to_string(), "state": "ACTIVE"}}))
}
