//! Adding, removing, promoting and demoting people, and deciding about those who ask to be let in.

use super::{GroupId, MemberAction, MemberResult};
use crate::access::authorize::{Action, DeviceAccess};
use crate::address::Recipient;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::limits::Limits;
use crate::ports::whatsapp::Named;

/// Does something to people in a group and tells of each what became of it, in their order.
pub async fn act(
    ctx: &OpContext,
    device: &DeviceId,
    group: &GroupId,
    action: MemberAction,
    members: Vec<String>,
) -> Result<Vec<MemberResult>> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    check_count(ctx.limits(), members.len(), 1)?;
    let (named, mut results) = match action {
        MemberAction::Add => on_whatsapp(&access, "participants", members).await?,
        _ => (named("participants", members)?, Vec::new()),
    };
    let told = if named.is_empty() {
        Vec::new()
    } else {
        access.services().sessions.group_members(device, group, action, &named).await?
    };
    if results.is_empty() {
        results = told;
    } else {
        for told in told {
            if let Some(result) = results.iter_mut().find(|result| result.asked == told.asked) {
                *result = told;
            }
        }
    }
    access.write(move |_, _| Ok(results)).await
}

pub(super) fn check_count(limits: &Limits, count: usize, min: usize) -> Result<()> {
    let max = limits.group_members_per_request as usize;
    if count < min || count > max {
        return Err(Error::invalid("participants", format!("must name {min} to {max} people")));
    }
    Ok(())
}

/// Reads people as callers write them, each once.
fn named(field: &'static str, members: Vec<String>) -> Result<Vec<Named>> {
    let mut named: Vec<Named> = Vec::with_capacity(members.len());
    for (at, text) in members.into_iter().enumerate() {
        let field = format!("{field}[{at}]");
        let who = Recipient::parse(&field, &text)?;
        if !matches!(who, Recipient::Number(_) | Recipient::Lid(_)) {
            return Err(Error::invalid(
                field,
                "must be a person: a phone number, or a JID ending in @s.whatsapp.net or @lid",
            ));
        }
        if named.iter().all(|earlier| earlier.who != who) {
            named.push(Named { text, who, party: None });
        }
    }
    Ok(named)
}

/// Those of `members` who are on WhatsApp, and for everybody a result that says who is not.
pub(super) async fn on_whatsapp(
    access: &DeviceAccess<'_>,
    field: &'static str,
    members: Vec<String>,
) -> Result<(Vec<Named>, Vec<MemberResult>)> {
    let named = named(field, members)?;
    let asked: Vec<_> = named.iter().map(|one| one.who.clone()).collect();
    let found = access.services().sessions.check(&access.id, &asked).await?;
    let (mut kept, mut results) = (Vec::with_capacity(named.len()), Vec::with_capacity(named.len()));
    for (mut one, party) in named.into_iter().zip(found) {
        let refused = party.is_none().then(|| "not_on_whatsapp".to_owned());
        results.push(MemberResult { asked: one.text.clone(), party: party.clone(), refused });
        if party.is_some() {
            one.party = party;
            kept.push(one);
        }
    }
    Ok((kept, results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_named_once_and_groups_are_no_people() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let two = named("members", texts(&["15550100002", "+1 555 010 0002", "77@lid"])).expect("people");
        assert_eq!(two.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["15550100002", "77@lid"]);
        let error = named("members", texts(&["15550100002", "120363000000000001@g.us"])).expect_err("a group");
        assert!(matches!(error, Error::Invalid { field, .. } if field == "members[1]"));
    }
}
