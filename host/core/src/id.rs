//! Ids: prefixed text, sortable by time of creation.
//!
//! An id is `<prefix>_<ULID>`; the ULID's 128 bits come from the caller's clock and randomness, so tests can fix them.
//! Dialects that promise UUIDs show the same 128 bits in the other spelling and need no table for it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::Error;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// What every id of this kind starts with, underscore included.
            pub const PREFIX: &'static str = concat!($prefix, "_");

            /// An id made at `at_ms` (Unix milliseconds) from 80 random bits.
            pub fn new(at_ms: i64, random: u128) -> Self {
                let ulid = Ulid::from_parts(at_ms.unsigned_abs(), random);
                Self(format!(concat!($prefix, "_{}"), ulid.to_string().to_ascii_lowercase()).into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                check(text, Self::PREFIX)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

    )*};
}

ids! {
    /// A customer: the owner of devices, keys and webhooks.
    TenantId = "ten";
    /// One linked companion device.
    DeviceId = "dev";
    /// One stored file.
    MediaId = "med";
    /// One message, in or out.
    MessageId = "msg";
    /// One access key (not the secret itself).
    KeyId = "key";
    /// One person who logs in.
    UserId = "usr";
    /// One entry of the audit log.
    AuditId = "aud";
    /// One webhook subscription.
    WebhookId = "wh";
    /// One event; the same for every repetition of the same fact.
    EventId = "evt";
    /// One event on its way to one subscription.
    DeliveryId = "dlv";
    /// What a tenant decided about a plugin, for itself or for one device.
    EnablementId = "enb";
}

impl EventId {
    /// The id of a fact that may be told more than once: equal parts give an equal id.
    pub fn of_fact(parts: &[&str]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut bits = [0u8; 16];
        bits.copy_from_slice(&digest[..16]);
        Self(format!("evt_{}", Ulid(u128::from_be_bytes(bits)).to_string().to_ascii_lowercase()).into())
    }
}

fn check(text: &str, prefix: &str) -> Result<(), Error> {
    let body = text.strip_prefix(prefix).filter(|b| b.len() == 26 && b.bytes().all(|c| c.is_ascii_alphanumeric()));
    match body {
        Some(_) => Ok(()),
        None => Err(Error::invalid("id", format!("`{}` is not an id of the form {prefix}…", shorten(text)))),
    }
}

/// At most 40 characters of text that came from outside, for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_way_through_text() {
        let id = DeviceId::new(1_700_000_000_000, 7);
        assert_eq!(id.as_str().parse::<DeviceId>().unwrap(), id);
        assert!(id.as_str().starts_with("dev_"));
    }

    #[test]
    fn another_kinds_id_is_refused() {
        let key = KeyId::new(1, 1);
        assert!(key.as_str().parse::<DeviceId>().is_err());
        assert!("dev_../../etc".parse::<DeviceId>().is_err());
    }

    #[test]
    fn equal_facts_have_equal_ids() {
        assert_eq!(EventId::of_fact(&["a", "bc"]), EventId::of_fact(&["a", "bc"]));
        assert_ne!(EventId::of_fact(&["a", "bc"]), EventId::of_fact(&["ab", "c"]));
    }
}
