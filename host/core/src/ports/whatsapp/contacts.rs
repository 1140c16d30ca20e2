//! People as WhatsApp knows them.

use async_trait::async_trait;

use crate::address::{Party, Recipient};
use crate::error::Result;
use crate::id::DeviceId;

/// Questions about people.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// The party behind a recipient. A number that is not on WhatsApp is `Refused` with `not_on_whatsapp`. Answers are cached.
    async fn resolve(&self, device: &DeviceId, to: &Recipient) -> Result<Party>;
}
