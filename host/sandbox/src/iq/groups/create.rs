//! `<create>`: a group, a community with its announcement group, or a group inside a community.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::{Ask, BAD_REQUEST, Done, FORBIDDEN, FULL, NOT_FOUND, Outcome, Refused};
use crate::clock::now_s;
use crate::groups::announce::News;
use crate::groups::describe;
use crate::groups::state::{Description, GroupState, Parent};
use crate::groups::{Group, Groups};
use crate::stanza::{attr, attr_or_empty, child_content, children, content, jid_attr};

/// Longest subject, in characters.
pub(super) const SUBJECT_CHARS_MAX: usize = 100;

/// Creates what is asked. Participants nobody has, or whose privacy keeps them out, are left out and reported.
pub(super) fn create(ask: &Ask<'_>) -> Outcome {
    let subject = attr_or_empty(ask.child, "subject");
    if subject.is_empty() || subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(BAD_REQUEST);
    }
    let mut state = GroupState::new(&subject, ask.me(), now_s());
    read_settings(ask, &mut state);
    if let Some(parent) = &state.linked_parent {
        let parent = ask.network.groups.find(parent).ok_or(NOT_FOUND)?;
        let allowed = parent.with(|parent| {
            parent.is_admin(ask.me())
                || (parent.members.contains_key(ask.me()) && parent.is("allow_non_admin_sub_group_creation"))
        });
        if !allowed {
            return Err(FORBIDDEN);
        }
    }
    for number in ask.participants(ask.child).into_iter().flatten() {
        let _ = state.take_in(&number, now_s(), ask.network.limits.group_members_max);
    }
    let (general, community) = (ask.child.get_optional_child("create_general_chat").is_some(), state.parent.is_some());
    let group = found(ask, state)?;
    let mut done = Done::with(describe::group(ask.network, &group)).and(announced(ask, &group));
    if community {
        done = done.and(announced(ask, &sub_group(ask, &group, &subject, "default_sub_group")?));
        if general {
            done = done.and(announced(ask, &sub_group(ask, &group, "General", "general_chat")?));
        }
    }
    Ok(done)
}

/// Puts a new group on the network.
fn found(ask: &Ask<'_>, state: GroupState) -> Result<Arc<Group>, Refused> {
    let group = Group::new(Groups::fresh_id(), state);
    ask.network.groups.insert(Arc::clone(&group), ask.network.limits.groups_max).map_err(|_| FULL)?;
    ask.network.touch();
    Ok(group)
}

/// One of the groups a community begins with, with the community's members.
fn sub_group(ask: &Ask<'_>, parent: &Arc<Group>, subject: &str, flag: &str) -> Result<Arc<Group>, Refused> {
    let mut state = GroupState::new(subject, ask.me(), now_s());
    state.members = parent.with(|parent| parent.members.clone());
    state.linked_parent = Some(parent.id.clone());
    state.flags.insert(flag.to_owned());
    if flag == "default_sub_group" {
        state.flags.insert("announcement".to_owned());
    }
    found(ask, state)
}

fn announced(ask: &Ask<'_>, group: &Arc<Group>) -> News {
    let create = NodeBuilder::new("create").attr("type", "new").attr("key", group.id.as_str());
    News::new(group, ask.me(), create.children([describe::group(ask.network, group)]).build())
}

fn read_settings(ask: &Ask<'_>, state: &mut GroupState) {
    for child in children(ask.child) {
        match child.tag.as_ref() {
            "member_link_mode" | "member_add_mode" => {
                let value = content(child).map(|text| String::from_utf8_lossy(text).into_owned());
                state.modes.insert(child.tag.to_string(), value.unwrap_or_default());
            }
            "ephemeral" => state.ephemeral_s = attr_or_empty(child, "expiration").parse().unwrap_or(0),
            "membership_approval_mode" => state.approval = approves(child),
            "parent" => {
                let closed =
                    attr(child, "default_membership_approval_mode").is_some_and(|mode| mode == "request_required");
                state.parent = Some(Parent { closed });
            }
            "linked_parent" => state.linked_parent = jid_attr(child, "jid").map(|jid| jid.user.to_string()),
            "allow_non_admin_sub_group_creation" | "announcement" | "locked" => {
                state.flags.insert(child.tag.to_string());
            }
            "description" => {
                let text = child_content(child, "body").map(|text| String::from_utf8_lossy(text).into_owned());
                state.description = text.map(|text| Description {
                    id: attr_or_empty(child, "id"),
                    text,
                    by: ask.me().to_owned(),
                    t_s: now_s(),
                });
            }
            _ => {}
        }
    }
}

/// Whether `<membership_approval_mode>` switches the approval on.
pub(super) fn approves(node: &Node) -> bool {
    node.get_optional_child("group_join").is_some_and(|join| attr_or_empty(join, "state") == "on")
}
