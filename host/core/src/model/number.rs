//! Numbers: small integers that count up within a tenant, 1, 2, 3 …, for systems that know nothing else.
//!
//! A thing gets its number in the transaction that makes it and keeps it; a number is never given twice.

/// A kind of thing that has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// Devices.
    Device,
    /// Access keys.
    Key,
    /// Users.
    User,
    /// Webhook subscriptions.
    Webhook,
}

impl Numbered {
    /// The name in storage, and the noun of errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Key => "key",
            Self::User => "user",
            Self::Webhook => "webhook",
        }
    }
}
