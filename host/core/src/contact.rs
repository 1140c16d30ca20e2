//! People: who is on WhatsApp, what they show, who is blocked, and which number belongs to which LID.

pub use crate::model::contact::*;

use crate::access::authorize::{Action, DeviceAccess};
use crate::address::{Party, Recipient};
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::page::{Page, PageRequest, Total};
use crate::ports::whatsapp::PictureSize;

/// Reads a person as callers write one: a number or a JID.
pub fn person(field: &str, text: &str) -> Result<Recipient> {
    match Recipient::parse(field, text)? {
        person @ (Recipient::Number(_) | Recipient::Lid(_)) => Ok(person),
        Recipient::Group(_) | Recipient::Newsletter(_) => {
            Err(Error::invalid(field, "must be a person: a phone number, or a JID ending in @s.whatsapp.net or @lid"))
        }
    }
}

/// Who of these is on WhatsApp, asked for at once; each once.
pub async fn check(ctx: &OpContext, device: &DeviceId, contacts: Vec<String>) -> Result<Vec<CheckedContact>> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    let max = ctx.limits().contacts_per_check as usize;
    if contacts.is_empty() || contacts.len() > max {
        return Err(Error::invalid("contacts", format!("must name 1 to {max} people")));
    }
    let mut people: Vec<Recipient> = Vec::with_capacity(contacts.len());
    let mut texts = Vec::with_capacity(contacts.len());
    for (at, text) in contacts.into_iter().enumerate() {
        let who = person(&format!("contacts[{at}]"), &text)?;
        if !people.contains(&who) {
            people.push(who);
            texts.push(text);
        }
    }
    let found = access.services().sessions.check(device, &people).await?;
    Ok(texts.into_iter().zip(found).map(|(asked, party)| CheckedContact { asked, party }).collect())
}

/// A person as WhatsApp tells of them now. `Refused` with `not_on_whatsapp` where there is no such account.
pub async fn get(ctx: &OpContext, device: &DeviceId, who: &Recipient) -> Result<Contact> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    let sessions = &access.services().sessions;
    let party = sessions.resolve(device, who).await?;
    sessions.contact(device, &party).await
}

/// Where the picture of a person or a group can be fetched. Not found where there is none, or it is hidden from the account.
pub async fn picture(ctx: &OpContext, device: &DeviceId, whose: &Recipient, size: PictureSize) -> Result<PictureUrl> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    let sessions = &access.services().sessions;
    let party = sessions.resolve(device, whose).await?;
    let picture = sessions.picture(device, &party, size).await?;
    picture.ok_or_else(|| Error::not_found("picture", "of this chat"))
}

/// Blocks a person: what they write does not come any more.
pub async fn block(ctx: &OpContext, device: &DeviceId, who: &Recipient) -> Result<()> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    set_blocked(access, who, true).await
}

/// Takes a block back.
pub async fn unblock(ctx: &OpContext, device: &DeviceId, who: &Recipient) -> Result<()> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    set_blocked(access, who, false).await
}

async fn set_blocked(access: DeviceAccess<'_>, who: &Recipient, blocked: bool) -> Result<()> {
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let sessions = &access.services().sessions;
    let party = sessions.resolve(&access.id, who).await?;
    sessions.block(&access.id, &party, blocked).await?;
    access.write(|_, _| Ok(())).await
}

/// Who is blocked.
pub async fn blocked(ctx: &OpContext, device: &DeviceId) -> Result<Vec<Party>> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    access.services().sessions.blocked(device).await
}

/// The people of whom the device knows both number and LID, by their LIDs, the highest first.
pub async fn lids(ctx: &OpContext, device: &DeviceId, page: PageRequest) -> Result<Page<Party>> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    let mut parties = access.services().sessions.lids(device).await?;
    parties.sort_by(|a, b| lid(b).cmp(lid(a)));
    let count = parties.len() as u64;
    let total = match page.total {
        Total::Unasked => None,
        Total::UpTo(most) => Some(count.min(most.into())),
    };
    let wanted = parties.into_iter().filter(|party| page.before.as_deref().is_none_or(|before| lid(party) < before));
    let rows: Vec<_> = wanted.skip(page.offset as usize).take(page.limit as usize + 1).collect();
    Ok(Page::cut(rows, &page, |party| lid(party).to_owned()).of_total(total))
}

/// The digits of a LID.
fn lid(party: &Party) -> &str {
    party.lid.as_deref().and_then(|lid| lid.split('@').next()).unwrap_or_default()
}

/// A person under both names. Not found where WhatsApp does not tell the other one.
pub async fn both_names(ctx: &OpContext, device: &DeviceId, who: &Recipient) -> Result<Party> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    let party = access.services().sessions.resolve(device, who).await?;
    if party.pn.is_none() || party.lid.is_none() {
        return Err(Error::not_found("other name", &party.id));
    }
    Ok(party)
}
