//! Ways in: the invite link, a personal invitation, a request that an admin decides.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::{Ask, BAD_REQUEST, CONFLICT, Done, FULL, GONE, NOT_FOUND, Outcome, Refused};
use crate::clock::now_s;
use crate::groups::Group;
use crate::groups::announce::{News, members_changed};
use crate::groups::change::Denied;
use crate::groups::describe::{self, participant};
use crate::groups::state::fresh_code;
use crate::stanza::{attr, attr_or_empty, children};

fn code_node(code: &str) -> Node {
    NodeBuilder::new("invite").attr("code", code).build()
}

/// `get <invite/>`: the link's code, for admins; `get <invite code/>`: what group a code leads to, for anyone.
pub(super) fn invite(ask: &Ask<'_>) -> Outcome {
    match attr(ask.child, "code") {
        Some(code) => {
            let group = ask.network.groups.find_invite(&code).ok_or(GONE)?;
            Ok(Done::with(describe::group(ask.network, &group)))
        }
        None => Ok(Done::with(code_node(&ask.group_as_admin()?.with(|state| state.invite.clone())))),
    }
}

/// `set <invite/>`: a new code, the old one is gone; `set <invite code/>`: joining.
pub(super) fn set_invite(ask: &Ask<'_>) -> Outcome {
    if let Some(code) = attr(ask.child, "code") {
        let group = ask.network.groups.find_invite(&code).ok_or(GONE)?;
        let approval = group.with(|state| state.approval);
        return enter(ask, &group, approval, "invite");
    }
    let group = ask.group_as_admin()?;
    let code = fresh_code();
    group.with(|state| state.invite.clone_from(&code));
    ask.network.touch();
    Ok(Done::with(code_node(&code)).and(News::new(&group, ask.me(), code_node(&code))))
}

/// `<accept code expiration admin/>`: a personal invitation.
pub(super) fn accept(ask: &Ask<'_>) -> Outcome {
    let group = ask.any_group()?;
    let code = attr_or_empty(ask.child, "code");
    let valid = group
        .with(|state| state.invited.get(ask.me()).is_some_and(|(known, until)| *known == code && *until > now_s()));
    if valid { enter(ask, &group, false, "invite") } else { Err(GONE) }
}

/// Joins, or asks to where an admin has to approve.
pub(super) fn enter(ask: &Ask<'_>, group: &Arc<Group>, approval: bool, reason: &'static str) -> Outcome {
    let me = ask.me().to_owned();
    if approval && !group.has(&me) {
        group.with(|state| state.requests.insert(me.clone(), now_s()));
        ask.network.touch();
        let asked = NodeBuilder::new("membership_approval_request").attr("jid", group.jid()).build();
        let (lid, pn) = describe::names(ask.network, &me);
        let user = NodeBuilder::new("requested_user").attr("jid", lid).attr("phone_number", pn).build();
        let news =
            NodeBuilder::new("created_membership_requests").attr("request_method", "invite_link").children([user]);
        return Ok(Done::with(asked).and(News::new(group, &me, news.build()).only_admins()));
    }
    group.with(|state| state.take_in(&me, now_s(), ask.network.limits.group_members_max)).map_err(refusal)?;
    ask.network.touch();
    let joined = NodeBuilder::new("group").attr("jid", group.jid()).build();
    let mut change = members_changed(ask.network, "add", &[me]);
    change.attrs.insert("reason", reason);
    Ok(Done::with(joined).and(News::new(group, ask.me(), change)))
}

fn refusal(denied: Denied) -> Refused {
    match denied {
        Denied::AlreadyThere => CONFLICT,
        Denied::Full => FULL,
        Denied::NotThere | Denied::Forbidden => NOT_FOUND,
    }
}

/// Who asked to join, for admins.
pub(super) fn requests(ask: &Ask<'_>) -> Outcome {
    let group = ask.group_as_admin()?;
    let asked = group.with(|state| state.requests.clone());
    let asked = asked.iter().map(|(number, asked_s)| {
        let (lid, pn) = describe::names(ask.network, number);
        NodeBuilder::new("membership_approval_request")
            .attr("jid", lid)
            .attr("phone_number", pn)
            .attr("request_time", *asked_s)
            .attr("request_method", "invite_link")
            .build()
    });
    Ok(Done::with(NodeBuilder::new("membership_approval_requests").children(asked.collect::<Vec<_>>()).build()))
}

/// `<membership_requests_action><approve|reject>…`
pub(super) fn decide(ask: &Ask<'_>) -> Outcome {
    let group = ask.group_as_admin()?;
    let (mut inside, mut added, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for list in children(ask.child) {
        let approve = match list.tag.as_ref() {
            "approve" => true,
            "reject" => false,
            _ => return Err(BAD_REQUEST),
        };
        let results = ask.participants(list).into_iter().map(|one| {
            let number = match one {
                Ok(number) => number,
                Err(jid) => return NodeBuilder::new("participant").attr("jid", jid).attr("error", 404u16).build(),
            };
            if group.with(|state| state.requests.remove(&number)).is_none() {
                return participant(ask.network, &number).attr("error", 404u16).build();
            }
            if approve {
                let max = ask.network.limits.group_members_max;
                if let Err(denied) = group.with(|state| state.take_in(&number, now_s(), max)) {
                    return participant(ask.network, &number).attr("error", denied.code()).build();
                }
                added.push(number.clone());
            } else {
                rejected.push(number.clone());
            }
            participant(ask.network, &number).attr("type", "200").build()
        });
        let results: Vec<Node> = results.collect();
        inside.push(NodeBuilder::new(if approve { "approve" } else { "reject" }).children(results).build());
    }
    ask.network.touch();
    let mut done = Done::with(NodeBuilder::new("membership_requests_action").children(inside).build());
    if !added.is_empty() {
        done = done.and(News::new(&group, ask.me(), members_changed(ask.network, "add", &added)));
    }
    if !rejected.is_empty() {
        let change = members_changed(ask.network, "revoked_membership_requests", &rejected);
        done = done.and(News::new(&group, ask.me(), change).only_admins().also(rejected));
    }
    Ok(done)
}

/// A user takes its own request back.
pub(super) fn cancel(ask: &Ask<'_>) -> Outcome {
    let group = ask.any_group()?;
    let me = ask.me().to_owned();
    let there = group.with(|state| state.requests.remove(&me)).is_some();
    let node = participant(ask.network, &me);
    let result = if there { node.attr("type", "200") } else { node.attr("error", 404u16) };
    let done = Done::with(NodeBuilder::new("cancel_membership_requests").children([result.build()]).build());
    if !there {
        return Ok(done);
    }
    ask.network.touch();
    let change = members_changed(ask.network, "revoked_membership_requests", &[me]);
    Ok(done.and(News::new(&group, ask.me(), change).only_admins()))
}

/// An admin takes personal invitations back.
pub(super) fn revoke(ask: &Ask<'_>) -> Outcome {
    let group = ask.group_as_admin()?;
    let results = ask.participants(ask.child).into_iter().map(|one| match one {
        Ok(number) => {
            let there = group.with(|state| state.invited.remove(&number)).is_some();
            let node = participant(ask.network, &number);
            if there { node.attr("type", "200").build() } else { node.attr("error", 404u16).build() }
        }
        Err(jid) => NodeBuilder::new("participant").attr("jid", jid).attr("error", 404u16).build(),
    });
    let results: Vec<Node> = results.collect();
    ask.network.touch();
    Ok(Done::with(NodeBuilder::new("revoke").children(results).build()))
}
