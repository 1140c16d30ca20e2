//! People as WhatsApp knows them.

use async_trait::async_trait;

use crate::address::{Party, Recipient};
use crate::error::Result;
use crate::id::DeviceId;
use crate::model::contact::{Contact, PictureUrl};

/// Which picture is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureSize {
    /// The whole one.
    Full,
    /// A small one.
    Preview,
}

/// Questions about people. Each waits for WhatsApp's answer, at most as long as the session's limits say.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// The party behind a recipient. A number that is not on WhatsApp is `Refused` with `not_on_whatsapp`. Answers are cached.
    async fn resolve(&self, device: &DeviceId, to: &Recipient) -> Result<Party>;

    /// The parties behind people, all asked for at once; `None`: not on WhatsApp. What is cached is not asked for.
    async fn check(&self, device: &DeviceId, people: &[Recipient]) -> Result<Vec<Option<Party>>>;

    /// What a person shows.
    async fn contact(&self, device: &DeviceId, who: &Party) -> Result<Contact>;

    /// Where the picture of a person or a group is; `None` where there is none, or it is hidden from the account.
    async fn picture(&self, device: &DeviceId, whose: &Party, size: PictureSize) -> Result<Option<PictureUrl>>;

    /// Blocks a person, or takes a block back.
    async fn block(&self, device: &DeviceId, who: &Party, blocked: bool) -> Result<()>;

    /// Who is blocked.
    async fn blocked(&self, device: &DeviceId) -> Result<Vec<Party>>;

    /// Everybody of whom number and LID are known, without asking WhatsApp.
    async fn lids(&self, device: &DeviceId) -> Result<Vec<Party>>;
}
