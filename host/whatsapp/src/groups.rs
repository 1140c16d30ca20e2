//! Groups: looking at them, making, changing and leaving them.

mod describe;
pub(crate) mod invite;
pub(crate) mod members;
pub(crate) mod news;

use std::sync::Arc;

use portico_core::error::{Error, Result};
use portico_core::group::{Group, GroupChange, GroupId, MemberAddMode};
use portico_core::ports::whatsapp::{NewGroup, Picture};
use whatsapp_rust::features::{
    GroupCreateOptions, GroupDescription, GroupError, GroupMetadata, GroupParticipantOptions, GroupSubject,
    MemberAddMode as AddMode, MembershipApprovalMode, PreviousDescription,
};
use whatsapp_rust::{Client, Jid};

use crate::session::Session;
use crate::{ask, files};

/// All groups the account is in.
pub(crate) async fn list(session: &Session) -> Result<Vec<Group>> {
    let client = ask::client(session).await?;
    let asked = async { client.groups().get_participating().await.map_err(|error| ask::of_group(&error)) };
    let all = ask::in_time(session, asked).await?;
    let mut groups = Vec::with_capacity(all.len());
    for metadata in all.values() {
        groups.push(describe::group(&client, metadata).await);
    }
    Ok(groups)
}

/// One group.
pub(crate) async fn get(session: &Session, group: &GroupId) -> Result<Group> {
    let client = ask::client(session).await?;
    let metadata = ask::in_time(session, metadata(&client, group)).await?;
    Ok(describe::group(&client, &metadata).await)
}

/// Makes a group.
pub(crate) async fn create(session: &Session, new: &NewGroup) -> Result<Group> {
    let client = ask::client(session).await?;
    let mut options = GroupCreateOptions::new(new.subject.as_str());
    options.ephemeral_expiration = Some(new.ephemeral_s);
    options.description = new.description.as_deref().map(GroupDescription::new_unchecked);
    for member in &new.members {
        options = options.with_participant(participant(member)?);
    }
    let made = async { client.groups().create_group(options).await.map_err(|error| ask::of_group(&error)) };
    let made = ask::in_time(session, made).await?;
    Ok(describe::group(&client, &made.metadata).await)
}

/// A person as WhatsApp wants members of a new group named: by LID with the number beside it, where both are known.
fn participant(party: &portico_core::address::Party) -> Result<GroupParticipantOptions> {
    let jid =
        |text: &str| text.parse::<Jid>().map_err(|_| Error::invalid("participants", "holds no JID WhatsApp knows"));
    match (&party.lid, &party.pn) {
        (Some(lid), Some(pn)) => Ok(GroupParticipantOptions::new(jid(lid)?).with_phone_number(jid(pn)?)),
        _ => Ok(GroupParticipantOptions::new(jid(&party.id)?)),
    }
}

/// Changes what a group is.
pub(crate) async fn change(session: &Session, group: &GroupId, change: &GroupChange) -> Result<()> {
    let client = ask::client(session).await?;
    let (groups, jid) = (client.groups(), jid_of(group)?);
    let changed = async {
        let done = match change {
            GroupChange::Subject(text) => groups.set_subject(&jid, GroupSubject::new_unchecked(text.as_str())).await,
            GroupChange::Description(text) => {
                let text = text.as_deref().map(GroupDescription::new_unchecked);
                groups.set_description(&jid, text, PreviousDescription::Resolve).await
            }
            GroupChange::Announce(on) => groups.set_announce(&jid, *on).await,
            GroupChange::Locked(on) => groups.set_locked(&jid, *on).await,
            GroupChange::Ephemeral(seconds) => groups.set_ephemeral(&jid, *seconds).await,
            GroupChange::JoinApproval(true) => groups.set_membership_approval(&jid, MembershipApprovalMode::On).await,
            GroupChange::JoinApproval(false) => groups.set_membership_approval(&jid, MembershipApprovalMode::Off).await,
            GroupChange::MemberAdd(MemberAddMode::Admins) => groups.set_member_add_mode(&jid, AddMode::AdminAdd).await,
            GroupChange::MemberAdd(MemberAddMode::Everyone) => {
                groups.set_member_add_mode(&jid, AddMode::AllMemberAdd).await
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(error) => Err(explained(&client, group, &error).await),
        }
    };
    ask::in_time(session, changed).await
}

/// Gives a group a picture, or takes it away.
pub(crate) async fn picture(session: &Session, group: &GroupId, picture: Option<Picture>) -> Result<()> {
    let client = ask::client(session).await?;
    let jid = jid_of(group)?;
    let jpeg = match picture {
        Some(picture) => Some(files::picture::of(session, picture).await?),
        None => None,
    };
    let changed = async {
        let done = match jpeg {
            Some(jpeg) => client.groups().set_profile_picture(&jid, jpeg).await,
            None => client.groups().remove_profile_picture(&jid).await,
        };
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(explained(&client, group, &error).await),
        }
    };
    ask::in_time(session, changed).await
}

/// Leaves a group.
pub(crate) async fn leave(session: &Session, group: &GroupId) -> Result<()> {
    let client = ask::client(session).await?;
    let jid = jid_of(group)?;
    let left = async {
        match client.groups().leave(&jid).await {
            Ok(()) => Ok(()),
            Err(error) => Err(explained(&client, group, &error).await),
        }
    };
    ask::in_time(session, left).await
}

fn jid_of(group: &GroupId) -> Result<Jid> {
    group.as_str().parse().map_err(|_| no_such(group))
}

fn no_such(group: &GroupId) -> Error {
    Error::not_found("group", group.as_str())
}

fn not_member() -> Error {
    let why = "the account is not a member of this group; join it, or have an admin add the account".to_owned();
    Error::Refused { code: "not_group_member", why }
}

fn not_admin() -> Error {
    let why = "only admins of the group may do this; have an admin promote the account".to_owned();
    Error::Refused { code: "not_group_admin", why }
}

/// The group as WhatsApp tells of it now.
async fn metadata(client: &Arc<Client>, group: &GroupId) -> Result<GroupMetadata> {
    let metadata = client.groups().get_metadata(&jid_of(group)?).await;
    metadata.map_err(|error| match ask::code(&error) {
        Some(404) => no_such(group),
        Some(401 | 403) => not_member(),
        _ => ask::of_group(&error),
    })
}

/// What a refusal means. WhatsApp has one code for those who are not in a group and for members who are no admins; who may see
/// the group is a member.
async fn explained(client: &Arc<Client>, group: &GroupId, error: &GroupError) -> Error {
    match ask::code(error) {
        Some(404) => no_such(group),
        Some(401 | 403) => match metadata(client, group).await {
            Ok(_) => not_admin(),
            Err(why) => why,
        },
        _ => ask::of_group(error),
    }
}
