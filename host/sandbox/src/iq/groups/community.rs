//! Communities: a parent group and the groups linked to it.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::{Ask, BAD_REQUEST, Done, FORBIDDEN, NOT_FOUND, Outcome, Refused, joining};
use crate::groups::Group;
use crate::groups::announce::{News, members_changed};
use crate::groups::describe;
use crate::stanza::{attr_or_empty, children, jid_attr};

/// The addressed group when the asker is a member of its community only.
pub(super) fn through_parent(ask: &Ask<'_>) -> Option<Arc<Group>> {
    let group = ask.network.groups.find_jid(&ask.to)?;
    let parent = ask.network.groups.find(&group.with(|state| state.linked_parent.clone())?)?;
    parent.has(ask.me()).then_some(group)
}

/// The group of the addressed community that `jid` names.
fn linked(ask: &Ask<'_>, parent: &Group) -> Result<Arc<Group>, Refused> {
    let jid = jid_attr(ask.child, "jid").ok_or(BAD_REQUEST)?;
    let group = ask.network.groups.find_jid(&jid).ok_or(NOT_FOUND)?;
    let ours = group.with(|state| state.linked_parent.as_deref() == Some(parent.id.as_str()));
    if ours { Ok(group) } else { Err(NOT_FOUND) }
}

fn described(ask: &Ask<'_>, group: &Group) -> Node {
    NodeBuilder::new("linked_group").children([describe::group(ask.network, group)]).build()
}

/// `<query_linked type="sub_group" jid/>`
pub(super) fn query_linked(ask: &Ask<'_>) -> Outcome {
    let parent = ask.group()?;
    let group = linked(ask, &parent)?;
    Ok(Done::with(described(ask, &group)))
}

/// `<linked_groups_participants/>`: everyone in the community and its groups, once.
pub(super) fn participants(ask: &Ask<'_>) -> Outcome {
    let parent = ask.group()?;
    let mut numbers: std::collections::BTreeSet<String> = parent.members().into_iter().collect();
    for group in ask.network.groups.linked_to(&parent.id) {
        numbers.extend(group.members());
    }
    let all: Vec<Node> = numbers.iter().map(|number| describe::participant(ask.network, number).build()).collect();
    Ok(Done::with(NodeBuilder::new("linked_groups_participants").children(all).build()))
}

/// `<links><link link_type="sub_group"><group jid/>…`
pub(super) fn link(ask: &Ask<'_>) -> Outcome {
    let parent = parent_as_admin(ask)?;
    let asked = ask.child.get_optional_child("link").ok_or(BAD_REQUEST)?;
    let mut done = Done::default();
    let mut results = Vec::new();
    for jid in children(asked).iter().filter_map(|group| jid_attr(group, "jid")) {
        let outcome = ask.network.groups.find_jid(&jid).ok_or(404u16).and_then(|group| {
            group.with(|state| match &state.linked_parent {
                _ if !state.is_admin(ask.me()) => Err(403u16),
                Some(other) if *other != parent.id => Err(409),
                _ if state.parent.is_some() => Err(406),
                _ => {
                    state.linked_parent = Some(parent.id.clone());
                    Ok(())
                }
            })?;
            Ok(group)
        });
        let result = NodeBuilder::new("group").attr("jid", jid);
        match outcome {
            Ok(group) => {
                results.push(result.build());
                done = done.and(link_news(ask, &parent, &group, "link"));
            }
            Err(code) => results.push(result.attr("error", code).build()),
        }
    }
    ask.network.touch();
    let link = NodeBuilder::new("link").attr("link_type", "sub_group").children(results).build();
    done.inside.push(NodeBuilder::new("links").children([link]).build());
    Ok(done)
}

/// `<unlink unlink_type="sub_group"><group jid remove_orphaned_members?/>…`
pub(super) fn unlink(ask: &Ask<'_>) -> Outcome {
    let parent = parent_as_admin(ask)?;
    let mut done = Done::default();
    let mut results = Vec::new();
    for asked in children(ask.child) {
        let Some(jid) = jid_attr(asked, "jid") else { continue };
        let result = NodeBuilder::new("group").attr("jid", jid.clone());
        let group = ask
            .network
            .groups
            .find_jid(&jid)
            .filter(|group| group.with(|state| state.linked_parent.as_deref() == Some(parent.id.as_str())));
        let Some(group) = group else {
            results.push(result.attr("error", 404u16).build());
            continue;
        };
        let news = link_news(ask, &parent, &group, "unlink");
        group.with(|state| {
            state.linked_parent = None;
            state.flags.remove("default_sub_group");
            state.flags.remove("general_chat");
        });
        results.push(result.build());
        done = done.and(news);
        if attr_or_empty(asked, "remove_orphaned_members") == "true" {
            done.news.extend(remove_orphans(ask, &parent, &group));
        }
    }
    ask.network.touch();
    done.inside.push(NodeBuilder::new("unlink").attr("unlink_type", "sub_group").children(results).build());
    Ok(done)
}

/// Members of the community in none of its groups any more, such as those of a group that was unlinked.
fn remove_orphans(ask: &Ask<'_>, parent: &Arc<Group>, unlinked: &Group) -> Option<News> {
    let linked = ask.network.groups.linked_to(&parent.id);
    let own: Vec<_> = linked.iter().filter(|group| !group.with(|state| state.is("default_sub_group"))).collect();
    let orphans: Vec<String> = unlinked
        .members()
        .into_iter()
        .filter(|number| !own.iter().any(|group| group.has(number)))
        .filter(|number| parent.with(|state| state.members.contains_key(number) && !state.is_admin(number)))
        .collect();
    parent.with(|state| state.members.retain(|number, _| !orphans.contains(number)));
    let change = members_changed(ask.network, "remove", &orphans);
    (!orphans.is_empty()).then(|| News::new(parent, ask.me(), change).also(orphans.clone()))
}

fn parent_as_admin(ask: &Ask<'_>) -> Result<Arc<Group>, Refused> {
    let parent = ask.group_as_admin()?;
    if parent.with(|state| state.parent.is_some()) { Ok(parent) } else { Err(FORBIDDEN) }
}

/// Both sides hear of a link: the group of its parent, the community of its group.
fn link_news(ask: &Ask<'_>, parent: &Arc<Group>, group: &Arc<Group>, tag: &'static str) -> News {
    let kind = if tag == "link" { "link_type" } else { "unlink_type" };
    let inside = NodeBuilder::new("group")
        .attr("jid", parent.jid())
        .attr("subject", parent.with(|state| state.subject.clone()))
        .build();
    let change = NodeBuilder::new(tag).attr(kind, "parent_group").children([inside]).build();
    News::new(group, ask.me(), change)
}

/// `<delete_parent/>`: the community ends, its groups live on by themselves.
pub(super) fn delete(ask: &Ask<'_>) -> Outcome {
    let parent = parent_as_admin(ask)?;
    let mut done = Done::news(News::new(&parent, ask.me(), NodeBuilder::new("delete").build()).also(parent.members()));
    for group in ask.network.groups.linked_to(&parent.id) {
        let whole = group.with(|state| {
            state.linked_parent = None;
            state.is("default_sub_group")
        });
        if whole {
            let news = News::new(&group, ask.me(), NodeBuilder::new("delete").build());
            done = done.and(news.also(group.members()));
            ask.network.groups.remove(&group.id);
        }
    }
    ask.network.groups.remove(&parent.id);
    ask.network.touch();
    Ok(done)
}

/// `<join_linked_group jid/>`: a member of the community joins one of its groups.
pub(super) fn join(ask: &Ask<'_>) -> Outcome {
    let parent = ask.group()?;
    let group = linked(ask, &parent)?;
    let approval = group.with(|state| state.approval);
    let entered = joining::enter(ask, &group, approval, "linked_group_join")?;
    if approval {
        return Ok(entered);
    }
    Ok(Done { inside: vec![described(ask, &group)], news: entered.news })
}
