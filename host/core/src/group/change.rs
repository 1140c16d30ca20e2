//! Making, changing and leaving groups.

use super::members::{check_count, on_whatsapp};
use super::{Group, GroupChange, GroupId, MadeGroup, MemberAddMode};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::limits::Limits;
use crate::message::file::{self, NewFile};
use crate::ports::whatsapp::NewGroup as Outgoing;

/// A group to make, as a caller wrote it.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// Its name.
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// Seconds after which messages disappear; 0: never.
    pub ephemeral_s: Option<u32>,
    /// Numbers or JIDs.
    pub members: Vec<String>,
}

/// Makes a group. People who are not on WhatsApp, or let only their contacts add them, are told of in the results.
pub async fn create(ctx: &OpContext, device: &DeviceId, new: NewGroup) -> Result<MadeGroup> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let limits = ctx.limits();
    checked_subject(limits, &new.subject)?;
    new.description.as_deref().map(|text| checked_description(limits, text)).transpose()?;
    let ephemeral_s = new.ephemeral_s.unwrap_or(0);
    checked_ephemeral(ephemeral_s)?;
    check_count(limits, new.members.len(), 0)?;
    let (named, mut results) = on_whatsapp(&access, "participants", new.members).await?;
    let members = named.into_iter().filter_map(|one| one.party).collect();
    let description = new.description.filter(|text| !text.is_empty());
    let outgoing = Outgoing { subject: new.subject, description, ephemeral_s, members };
    let group = access.services().sessions.group_create(device, &outgoing).await?;
    for result in results.iter_mut().filter(|result| result.refused.is_none()) {
        let is_in = group.members.iter().any(|member| result.party.as_ref().is_some_and(|p| p.is_same(&member.party)));
        if !is_in {
            result.refused = Some("invite_needed".to_owned());
        }
    }
    let made = MadeGroup { group, results };
    access.write(move |_, _| Ok(made)).await
}

/// Changes of a group, as a caller wrote them; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// Its name.
    pub subject: Option<String>,
    /// What it is about; an empty text takes the description away.
    pub description: Option<String>,
    /// Whether only admins may write.
    pub announce: Option<bool>,
    /// Whether only admins may change it.
    pub locked: Option<bool>,
    /// Seconds after which messages disappear; 0: never.
    pub ephemeral_s: Option<u32>,
    /// Whether an admin has to let in who comes by the invite link.
    pub join_approval: Option<bool>,
    /// Who may add members.
    pub member_add: Option<MemberAddMode>,
}

impl Patch {
    /// The changes, checked, in the order in which they are made.
    fn changes(self, limits: &Limits) -> Result<Vec<GroupChange>> {
        if let Some(subject) = &self.subject {
            checked_subject(limits, subject)?;
        }
        if let Some(description) = &self.description {
            checked_description(limits, description)?;
        }
        self.ephemeral_s.map(checked_ephemeral).transpose()?;
        let description = self.description.map(|text| (!text.is_empty()).then_some(text));
        let changes = [
            self.subject.map(GroupChange::Subject),
            description.map(GroupChange::Description),
            self.announce.map(GroupChange::Announce),
            self.locked.map(GroupChange::Locked),
            self.ephemeral_s.map(GroupChange::Ephemeral),
            self.join_approval.map(GroupChange::JoinApproval),
            self.member_add.map(GroupChange::MemberAdd),
        ];
        let changes: Vec<_> = changes.into_iter().flatten().collect();
        if changes.is_empty() {
            return Err(Error::invalid("subject", "must be there, or another thing to change"));
        }
        Ok(changes)
    }
}

/// Changes a group, one change after the other, and gives it as it is then. WhatsApp knows no change of several things at
/// once: when it refuses one, those before it are made already, and each is told in an event.
pub async fn patch(ctx: &OpContext, device: &DeviceId, group: &GroupId, patch: Patch) -> Result<Group> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    access.ready()?;
    let sessions = &access.services().sessions;
    for change in patch.changes(ctx.limits())? {
        sessions.group_change(device, group, &change).await?;
    }
    access.write(|_, _| Ok(())).await?;
    sessions.group(device, group).await
}

/// Gives a group a picture, or takes it away.
pub async fn picture(ctx: &OpContext, device: &DeviceId, group: &GroupId, file: Option<NewFile>) -> Result<()> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    access.ready()?;
    let picture = match file {
        Some(file) => Some(file::picture(ctx, access.tenant(), file).await?),
        None => None,
    };
    access.services().sessions.group_picture(device, group, picture).await?;
    access.write(|_, _| Ok(())).await
}

/// Leaves a group.
pub async fn leave(ctx: &OpContext, device: &DeviceId, group: &GroupId) -> Result<()> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    access.services().sessions.group_leave(device, group).await?;
    access.write(|_, _| Ok(())).await
}

fn checked_subject(limits: &Limits, subject: &str) -> Result<()> {
    let max = limits.group_subject_chars_max;
    if subject.trim().is_empty() || subject.chars().count() > max {
        return Err(Error::invalid("subject", format!("must have 1 to {max} characters and not only blanks")));
    }
    Ok(())
}

fn checked_description(limits: &Limits, description: &str) -> Result<()> {
    let max = limits.group_description_chars_max;
    if description.chars().count() > max {
        return Err(Error::invalid("description", format!("must have at most {max} characters")));
    }
    Ok(())
}

/// The spans WhatsApp's own clients offer: never, a day, a week, 90 days.
const EPHEMERAL_S: [u32; 4] = [0, 86_400, 604_800, 7_776_000];

fn checked_ephemeral(seconds: u32) -> Result<()> {
    if EPHEMERAL_S.contains(&seconds) {
        return Ok(());
    }
    Err(Error::invalid("ephemeral_s", "must be 0 (never), 86400 (a day), 604800 (a week) or 7776000 (90 days)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_change_is_named_before_anything_is_changed() {
        let limits = Limits::default();
        let field = |patch: Patch| match patch.changes(&limits) {
            Err(Error::Invalid { field, .. }) => field,
            _ => String::new(),
        };
        assert_eq!(field(Patch { subject: Some("  ".to_owned()), ..Patch::default() }), "subject");
        assert_eq!(field(Patch { description: Some("x".repeat(3_000)), ..Patch::default() }), "description");
        assert_eq!(field(Patch::default()), "subject", "nothing to change");
        assert_eq!(field(Patch { ephemeral_s: Some(5), ..Patch::default() }), "ephemeral_s");
        let both = Patch { announce: Some(true), subject: Some("Pier".to_owned()), ..Patch::default() };
        let changes = both.changes(&limits).expect("good");
        assert!(matches!(&changes[..], [GroupChange::Subject(_), GroupChange::Announce(true)]));
    }
}
