//! Invite links of groups.

use portico_core::error::{Error, Result};
use portico_core::group::{Group, GroupId, JoinedGroup};
use portico_core::ports::whatsapp::Renew;
use whatsapp_rust::features::{GroupError, GroupMetadata, JoinGroupResult};
use whatsapp_rust::{Client, Jid};

use super::{describe, explained, jid_of};
use crate::ask;
use crate::session::Session;

/// What the library puts before the code.
const LINK: &str = "https://chat.whatsapp.com/";

/// The code of a group's invite link.
pub(crate) async fn code(session: &Session, group: &GroupId, renew: Renew) -> Result<String> {
    let client = ask::client(session).await?;
    let jid = jid_of(group)?;
    let asked = async {
        match client.groups().get_invite_link(&jid, renew == Renew::Yes).await {
            Ok(link) => Ok(link.strip_prefix(LINK).map_or_else(|| link.clone(), str::to_owned)),
            Err(error) => Err(explained(&client, group, &error).await),
        }
    };
    ask::in_time(session, asked).await
}

/// The group an invite leads to.
pub(crate) async fn preview(session: &Session, code: &str) -> Result<Group> {
    let client = ask::client(session).await?;
    let metadata = ask::in_time(session, info(&client, code)).await?;
    Ok(describe::group(&client, &metadata).await)
}

/// Joins the group an invite leads to. Whoever is in it already has joined.
pub(crate) async fn accept(session: &Session, code: &str) -> Result<JoinedGroup> {
    let client = ask::client(session).await?;
    let joined = async {
        match client.groups().join_with_invite_code(code).await {
            Ok(JoinGroupResult::Joined(group)) => Ok(joined(&group, false)),
            Ok(JoinGroupResult::PendingApproval(group)) => Ok(joined(&group, true)),
            Err(error) if matches!(ask::code(&error), Some(304 | 409)) => {
                Ok(joined(&info(&client, code).await?.id, false))
            }
            Err(error) => Err(refused(&error)),
        }
    };
    ask::in_time(session, joined).await
}

fn joined(group: &Jid, pending: bool) -> JoinedGroup {
    JoinedGroup { group: group.to_non_ad_string(), pending }
}

async fn info(client: &Client, code: &str) -> Result<GroupMetadata> {
    client.groups().get_invite_info(code).await.map_err(|error| refused(&error))
}

/// Why an invite is worth nothing; the codes are those whatsapp-rust 0.7 knows.
fn refused(error: &GroupError) -> Error {
    let why = match ask::code(error) {
        Some(400 | 401 | 404 | 406) => "the invite leads to no group; check its code",
        Some(410) => "the invite was revoked; ask for a new one",
        Some(403 | 405) => "the group does not let this account in by an invite; ask an admin to add it",
        Some(412 | 419) => "the group is full",
        Some(416 | 423 | 436) => "the group lets nobody in by invites at the moment",
        _ => return ask::of_group(error),
    };
    Error::Refused { code: "invite_invalid", why: why.to_owned() }
}
