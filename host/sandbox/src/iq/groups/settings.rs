//! Subject, description and settings of a group.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::create::{SUBJECT_CHARS_MAX, approves};
use super::{Ask, BAD_REQUEST, CONFLICT, Done, NOT_AUTHORIZED, Outcome, UNKNOWN};
use crate::clock::now_s;
use crate::groups::announce::News;
use crate::groups::describe::{approval, names};
use crate::groups::state::Description;
use crate::stanza::{attr, attr_or_empty, child_content, content};

/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_048;

/// Settings that are on or off: the tag that switches, the setting, and the way it switches.
const SWITCHES: [(&str, &str, bool); 12] = [
    ("locked", "locked", true),
    ("unlocked", "locked", false),
    ("announcement", "announcement", true),
    ("not_announcement", "announcement", false),
    ("no_frequently_forwarded", "no_frequently_forwarded", true),
    ("frequently_forwarded_ok", "no_frequently_forwarded", false),
    ("allow_admin_reports", "allow_admin_reports", true),
    ("not_allow_admin_reports", "allow_admin_reports", false),
    ("group_history", "group_history", true),
    ("no_group_history", "group_history", false),
    ("allow_non_admin_sub_group_creation", "allow_non_admin_sub_group_creation", true),
    ("not_allow_non_admin_sub_group_creation", "allow_non_admin_sub_group_creation", false),
];

/// Sets whatever the child names, and announces it.
pub(super) fn set(ask: &Ask<'_>) -> Outcome {
    let tag = ask.child.tag.as_ref();
    match tag {
        "subject" => return subject(ask),
        "description" => return description(ask),
        _ => {}
    }
    let group = ask.group_as_admin()?;
    let change: Node = match tag {
        "ephemeral" | "not_ephemeral" => {
            let seconds: u32 = attr_or_empty(ask.child, "expiration").parse().unwrap_or(0);
            group.with(|state| state.ephemeral_s = seconds);
            ask.child.clone()
        }
        "membership_approval_mode" => {
            let on = approves(ask.child);
            group.with(|state| state.approval = on);
            approval(on)
        }
        "member_add_mode" | "member_link_mode" | "member_share_group_history_mode" => {
            let value = content(ask.child).map(|text| String::from_utf8_lossy(text).into_owned()).ok_or(BAD_REQUEST)?;
            group.with(|state| state.modes.insert(tag.to_owned(), value));
            ask.child.clone()
        }
        _ => {
            let (_, flag, on) = SWITCHES.iter().find(|(name, _, _)| *name == tag).ok_or(UNKNOWN)?;
            group.with(|state| match on {
                true => state.flags.insert((*flag).to_owned()),
                false => state.flags.remove(*flag),
            });
            NodeBuilder::new_dynamic(tag.to_owned()).build()
        }
    };
    ask.network.touch();
    Ok(Done::news(News::new(&group, ask.me(), change)))
}

fn subject(ask: &Ask<'_>) -> Outcome {
    let group = ask.group()?;
    let text = content(ask.child).map(|text| String::from_utf8_lossy(text).into_owned()).ok_or(BAD_REQUEST)?;
    if text.is_empty() || text.chars().count() > SUBJECT_CHARS_MAX {
        return Err(BAD_REQUEST);
    }
    let now = now_s();
    group.with(|state| {
        if !state.may_edit(ask.me()) {
            return Err(NOT_AUTHORIZED);
        }
        state.subject.clone_from(&text);
        ask.me().clone_into(&mut state.subject_by);
        state.subject_s = now;
        Ok(())
    })?;
    ask.network.touch();
    let (by, _) = names(ask.network, ask.me());
    let change = NodeBuilder::new("subject").attr("subject", text).attr("s_o", by).attr("s_t", now).build();
    Ok(Done::news(News::new(&group, ask.me(), change)))
}

/// A change has to name the id of the description it replaces, so that two authors do not overwrite each other.
fn description(ask: &Ask<'_>) -> Outcome {
    let group = ask.group()?;
    let (id, previous) = (attr_or_empty(ask.child, "id"), attr(ask.child, "prev").map(std::borrow::Cow::into_owned));
    let delete = attr(ask.child, "delete").is_some_and(|value| value == "true");
    let text = child_content(ask.child, "body").map(|text| String::from_utf8_lossy(text).into_owned());
    let text = text.filter(|_| !delete);
    if id.is_empty() || text.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
        return Err(BAD_REQUEST);
    }
    group.with(|state| {
        if !state.may_edit(ask.me()) {
            return Err(NOT_AUTHORIZED);
        }
        if state.description.as_ref().map(|description| description.id.as_str()) != previous.as_deref() {
            return Err(CONFLICT);
        }
        let by = ask.me().to_owned();
        state.description = text.clone().map(|text| Description { id: id.clone(), text, by, t_s: now_s() });
        Ok(())
    })?;
    ask.network.touch();
    let inside = match text {
        Some(text) => NodeBuilder::new("body").string_content(text).build(),
        None => NodeBuilder::new("delete").build(),
    };
    let change = NodeBuilder::new("description").attr("id", id).children([inside]).build();
    Ok(Done::news(News::new(&group, ask.me(), change)))
}
