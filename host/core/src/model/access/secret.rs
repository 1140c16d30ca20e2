//! The secret text of a key: how it is made, hashed and, when an operator brings one, judged.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::rng::Rng;

/// Shortest key an operator may preset, in characters.
pub const PRESET_CHARS_MIN: usize = 20;
/// Fewest different characters in a preset key.
const PRESET_DISTINCT_MIN: usize = 8;

/// How a generated key is spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// `portico_` and 43 characters: 256 random bits.
    #[default]
    Portico,
    /// A random UUID: 122 random bits, for clients that insist on one.
    Uuid,
}

/// The text of a key. Wiped when dropped; never `Debug` or `Serialize`.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<String>);

impl KeySecret {
    /// A fresh key.
    pub fn generate(format: KeyFormat, rng: &dyn Rng) -> Self {
        let text = match format {
            KeyFormat::Portico => {
                let mut bytes = Zeroizing::new([0u8; 32]);
                rng.fill(&mut *bytes);
                format!("portico_{}", BASE64_URL_SAFE_NO_PAD.encode(*bytes))
            }
            KeyFormat::Uuid => {
                let mut b = Zeroizing::new([0u8; 16]);
                rng.fill(&mut *b);
                // RFC 9562, version 4: these six bits are fixed.
                b[6] = (b[6] & 0x0f) | 0x40;
                b[8] = (b[8] & 0x3f) | 0x80;
                let hex = hex::encode(*b);
                format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
        };
        Self(text.into())
    }

    /// A key that an operator chose; weak ones are refused. `source` names where it came from.
    pub fn preset(source: &str, text: &str) -> Result<Self> {
        let distinct = text.chars().collect::<std::collections::HashSet<_>>().len();
        let why = if text.chars().count() < PRESET_CHARS_MIN {
            Some(format!("has fewer than {PRESET_CHARS_MIN} characters"))
        } else if distinct < PRESET_DISTINCT_MIN {
            Some(format!("has fewer than {PRESET_DISTINCT_MIN} different characters"))
        } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
            Some("has characters that can't stand in an HTTP header".to_owned())
        } else {
            None
        };
        match why {
            None => Ok(Self(text.to_owned().into())),
            Some(why) => {
                Err(Error::invalid(source, format!("is too weak: it {why}; make one with `openssl rand -hex 32`")))
            }
        }
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a presented key.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_preset_keys_are_refused() {
        for text in [
            "",
            "admin",
            "changeme",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "short-but-mixed-123",
            "has spaces in it, many of them",
        ] {
            assert!(KeySecret::preset("PORTICO_ADMIN_TOKEN", text).is_err(), "{text}");
        }
        assert!(KeySecret::preset("PORTICO_ADMIN_TOKEN", "b7e1c09d53f2486a9c1e5d70").is_ok());
    }
}
