//! Groups: WhatsApp is asked each time, nothing is kept.

use async_trait::async_trait;

use crate::address::{Party, Recipient};
use crate::error::Result;
use crate::id::DeviceId;
use crate::model::group::{Group, GroupChange, GroupId, JoinRequest, JoinedGroup, MemberAction, MemberResult};
use crate::ports::whatsapp::Picture;

/// A group to make.
#[derive(Clone)]
pub struct NewGroup {
    /// Its name.
    pub subject: String,
    /// What it is about.
    pub description: Option<String>,
    /// Seconds after which messages disappear; 0: never.
    pub ephemeral_s: u32,
    /// Who is in it besides the own account; all of them are on WhatsApp.
    pub members: Vec<Party>,
}

/// A person a caller named.
#[derive(Clone, Debug)]
pub struct Named {
    /// As the caller wrote it.
    pub text: String,
    /// Who that is.
    pub who: Recipient,
    /// Who that is for WhatsApp, where it was asked.
    pub party: Option<Party>,
}

/// Questions about groups and changes of them. Each call waits for WhatsApp's answer, at most as long as the session's limit
/// says: `Timeout` after that. `NotFound` where there is no such group, `Refused` with `not_group_member` or
/// `not_group_admin` where the account may not.
#[async_trait]
pub trait Groups: Send + Sync {
    /// All groups the account is in.
    async fn groups(&self, device: &DeviceId) -> Result<Vec<Group>>;

    /// One group.
    async fn group(&self, device: &DeviceId, group: &GroupId) -> Result<Group>;

    /// Makes a group.
    async fn group_create(&self, device: &DeviceId, new: &NewGroup) -> Result<Group>;

    /// Changes what a group is.
    async fn group_change(&self, device: &DeviceId, group: &GroupId, change: &GroupChange) -> Result<()>;

    /// Gives a group this picture, or none. `Refused` with `media_type_mismatch` for a file that can't be read as a picture.
    async fn group_picture(&self, device: &DeviceId, group: &GroupId, picture: Option<Picture>) -> Result<()>;

    /// Does something to people; tells of each, in their order.
    async fn group_members(
        &self,
        device: &DeviceId,
        group: &GroupId,
        action: MemberAction,
        members: &[Named],
    ) -> Result<Vec<MemberResult>>;

    /// Who asks to be let in.
    async fn group_requests(&self, device: &DeviceId, group: &GroupId) -> Result<Vec<JoinRequest>>;

    /// The code of the group's invite link; a fresh one, which makes the old one worthless, when `renew` is asked for.
    async fn group_invite(&self, device: &DeviceId, group: &GroupId, renew: Renew) -> Result<String>;

    /// The group an invite leads to. `Refused` with `invite_invalid` when it leads nowhere.
    async fn invite_preview(&self, device: &DeviceId, code: &str) -> Result<Group>;

    /// Joins the group an invite leads to, or asks to be let in. `Refused` with `invite_invalid` when it leads nowhere.
    async fn invite_accept(&self, device: &DeviceId, code: &str) -> Result<JoinedGroup>;

    /// Leaves a group.
    async fn group_leave(&self, device: &DeviceId, group: &GroupId) -> Result<()>;
}

/// Whether an invite link is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// The present one is told.
    No,
    /// A fresh one is made.
    Yes,
}
