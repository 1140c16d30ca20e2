//! Invite links: the code, a fresh one, a look at where one leads, and joining by it.

use super::{Group, GroupId, JoinedGroup};
use crate::access::authorize::Action;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::ports::whatsapp::Renew;

/// How invite links begin.
pub const INVITE_LINK: &str = "https://chat.whatsapp.com/";

/// Characters of an invite code; WhatsApp's have 22.
const CODE_CHARS: std::ops::RangeInclusive<usize> = 4..=64;

/// The code of a group's invite link.
pub async fn code(ctx: &OpContext, device: &DeviceId, group: &GroupId) -> Result<String> {
    // The code lets people in: seeing it takes more than seeing chats.
    let access = ctx.device(device).require(Action::ManageChats).await?;
    access.ready()?;
    access.services().sessions.group_invite(device, group, Renew::No).await
}

/// Makes the invite link anew; the old one is worthless then.
pub async fn renew(ctx: &OpContext, device: &DeviceId, group: &GroupId) -> Result<String> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let code = access.services().sessions.group_invite(device, group, Renew::Yes).await?;
    access.write(move |_, _| Ok(code)).await
}

/// The group an invite leads to.
pub async fn preview(ctx: &OpContext, device: &DeviceId, invite: &str) -> Result<Group> {
    let access = ctx.device(device).require(Action::SeeChats).await?;
    access.ready()?;
    access.services().sessions.invite_preview(device, checked(invite)?).await
}

/// Joins the group an invite leads to, or asks to be let in.
pub async fn accept(ctx: &OpContext, device: &DeviceId, invite: &str) -> Result<JoinedGroup> {
    let access = ctx.device(device).require(Action::ManageChats).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let joined = access.services().sessions.invite_accept(device, checked(invite)?).await?;
    access.write(move |_, _| Ok(joined)).await
}

/// The code in a code or a link.
fn checked(invite: &str) -> Result<&str> {
    let code = invite.trim();
    let code = code.strip_prefix(INVITE_LINK).unwrap_or(code);
    let code = code.split('?').next().unwrap_or_default().trim_end_matches('/');
    let is_code = CODE_CHARS.contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_code { Ok(code) } else { Err(Error::invalid("code", "must be the code of an invite, or its link")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_as_good_as_its_code() {
        let code = "AbCdEfGhIjKlMnOpQrStUv";
        for text in [code, &format!("{INVITE_LINK}{code}"), &format!(" {INVITE_LINK}{code}?mode=x ")] {
            assert_eq!(checked(text).unwrap(), code);
        }
        for text in ["", "a b c d", "https://example.com/AbCdEfGh", "../../x"] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
