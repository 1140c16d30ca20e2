//! Members come, go, rise and fall.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::{Ask, BAD_REQUEST, Done, FORBIDDEN, NOT_FOUND, Outcome};
use crate::account::Account;
use crate::clock::now_s;
use crate::groups::Group;
use crate::groups::announce::{News, members_changed};
use crate::groups::change::{Act, Denied};
use crate::groups::describe::participant;
use crate::groups::state::fresh_code;
use crate::network::Network;
use crate::stanza::{attr, children, jid_attr};

/// How long a personal invitation holds.
const INVITED_S: u64 = 3 * 24 * 3600;

/// `<add|remove|promote|demote>`: every member gets a result of its own; the ones that changed are announced.
pub(super) fn change(ask: &Ask<'_>) -> Outcome {
    let act = Act::read(&ask.child.tag).ok_or(BAD_REQUEST)?;
    let group = ask.group()?;
    let asked = ask.participants(ask.child);
    if asked.is_empty() {
        return Err(BAD_REQUEST);
    }
    let (mut results, mut changed) = (Vec::new(), Vec::new());
    for one in asked {
        let number = match one {
            Ok(number) => number,
            Err(jid) => {
                results.push(NodeBuilder::new("participant").attr("jid", jid).attr("error", 404u16).build());
                continue;
            }
        };
        match change_one(ask, &group, act, &number) {
            Ok(()) => {
                results.push(participant(ask.network, &number).attr("type", "200").build());
                changed.push(number);
            }
            Err(node) => results.push(*node),
        }
    }
    let mut done = Done::with(NodeBuilder::new(act.tag()).children(results).build());
    if changed.is_empty() {
        return Ok(done);
    }
    for group in affected(ask, &group, act) {
        let change = members_changed(ask.network, act.tag(), &changed);
        done = done.and(News::new(&group, ask.me(), change).also(changed.clone()));
    }
    ask.network.touch();
    Ok(done)
}

fn change_one(ask: &Ask<'_>, group: &Arc<Group>, act: Act, number: &str) -> Result<(), Box<Node>> {
    let refused = |code: u16| participant(ask.network, number).attr("error", code);
    let allowed = group.with(|state| state.may_add(ask.me()));
    if act == Act::Add
        && allowed
        && let Some(account) = ask.network.directory.find(number)
        && keeps_out(&account, ask.me())
        && !group.has(number)
    {
        let (code, until) = (fresh_code(), now_s() + INVITED_S);
        group.with(|state| state.invited.insert(number.to_owned(), (code.clone(), until)));
        let request = NodeBuilder::new("add_request").attr("code", code).attr("expiration", until).build();
        return Err(Box::new(refused(403).children([request]).build()));
    }
    let members_max = ask.network.limits.group_members_max;
    group
        .with(|state| state.act(act, ask.me(), number, now_s(), members_max))
        .map_err(|denied| Box::new(refused(denied.code()).build()))?;
    if matches!(act, Act::Add | Act::Remove) {
        for linked in affected(ask, group, act).iter().skip(1) {
            // The community's own groups follow it; whoever is in, or out, already stays so.
            let _: Result<(), Denied> = linked.with(|state| match act {
                Act::Add => state.take_in(number, now_s(), members_max),
                _ => state.members.remove(number).map(|_| ()).ok_or(Denied::NotThere),
            });
        }
    }
    Ok(())
}

/// The group, and the groups of a community that follow it: its announcement group always, all of them when a removal
/// asks for it.
fn affected(ask: &Ask<'_>, group: &Arc<Group>, act: Act) -> Vec<Arc<Group>> {
    let mut all = vec![Arc::clone(group)];
    if group.with(|state| state.parent.is_none()) || !matches!(act, Act::Add | Act::Remove) {
        return all;
    }
    let everywhere = attr(ask.child, "linked_groups").is_some_and(|value| value == "true");
    let linked = ask.network.groups.linked_to(&group.id);
    all.extend(linked.into_iter().filter(|linked| everywhere || linked.with(|state| state.is("default_sub_group"))));
    all
}

/// True when a user's privacy keeps this one from adding it to groups.
fn keeps_out(account: &Account, by: &str) -> bool {
    account.with(|state| match state.privacy.get("groupadd").map(String::as_str) {
        Some("none") => true,
        Some("contacts" | "contact_blacklist") => !state.contacts.contains(by),
        _ => false,
    })
}

/// `<leave><group id/>…</leave>`
pub(super) fn leave(ask: &Ask<'_>) -> Outcome {
    let mut done = Done::default();
    let mut inside = Vec::new();
    for group in children(ask.child) {
        let jid: Jid = jid_attr(group, "id").or_else(|| jid_attr(group, "jid")).ok_or(BAD_REQUEST)?;
        let group = ask.network.groups.find_jid(&jid).ok_or(NOT_FOUND)?;
        let heir = group.with(|state| state.leave(ask.me())).map_err(|_| FORBIDDEN)?;
        inside.push(NodeBuilder::new("group").attr("id", jid).build());
        done = done.and(gone(ask.network, &group, ask.me(), ask.me()));
        if let Some(heir) = heir {
            done = done.and(News::new(&group, ask.me(), members_changed(ask.network, "promote", &[heir])));
        }
        if group.with(|state| state.members.is_empty()) {
            ask.network.groups.remove(&group.id);
        }
    }
    ask.network.touch();
    done.inside.push(NodeBuilder::new("leave").children(inside).build());
    Ok(done)
}

/// The news that one member is no longer in.
pub(super) fn gone(network: &Network, group: &Arc<Group>, author: &str, number: &str) -> News {
    let number = number.to_owned();
    News::new(group, author, members_changed(network, "remove", std::slice::from_ref(&number))).also(vec![number])
}
