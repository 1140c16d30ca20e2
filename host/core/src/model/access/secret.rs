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
    /// `portico_`, or the prefix that was chosen, and 43 characters: 256 random bits.
    #[default]
    Portico,
    /// A random UUID: 122 random bits, for clients that insist on one.
    Uuid,
}

/// The text of a key. Wiped when dropped; never `Debug` or `Serialize`.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<String>);

/// Characters of a key's prefix at most.
pub const PREFIX_CHARS_MAX: usize = 16;

/// How a new key is spelled: what it begins with, and what follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySpelling {
    format: KeyFormat,
    prefix: Option<String>,
}

impl KeySpelling {
    /// Checks a spelling. Without a prefix it is that of the format.
    pub fn new(format: KeyFormat, prefix: Option<String>) -> Result<Self> {
        let is_good = |text: &str| {
            let fits = (1..=PREFIX_CHARS_MAX).contains(&text.len());
            fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        match &prefix {
            Some(text) if !is_good(text) => {
                let why = format!("must have 1 to {PREFIX_CHARS_MAX} letters, digits, `_` and `-`, such as `api_`");
                Err(Error::invalid("prefix", why))
            }
            _ => Ok(Self { format, prefix }),
        }
    }
}

impl From<KeyFormat> for KeySpelling {
    fn from(format: KeyFormat) -> Self {
        Self { format, prefix: None }
    }
}

impl KeySecret {
    /// A fresh key.
    pub fn generate(spelling: &KeySpelling, rng: &dyn Rng) -> Self {
        let prefix = spelling.prefix.as_deref();
        let text = match spelling.format {
            KeyFormat::Portico => {
                let mut bytes = Zeroizing::new([0u8; 32]);
                rng.fill(&mut *bytes);
                format!("{}{}", prefix.unwrap_or("portico_"), BASE64_URL_SAFE_NO_PAD.encode(*bytes))
            }
            KeyFormat::Uuid => {
                let mut b = Zeroizing::new([0u8; 16]);
                rng.fill(&mut *b);
                // RFC 9562, version 4: these six bits are fixed.
                b[6] = (b[6] & 0x0f) | 0x40;
                b[8] = (b[8] & 0x3f) | 0x80;
                let hex = hex::encode(*b);
                let prefix = prefix.unwrap_or_default();
                format!("{prefix}{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
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

    /// A key from its text, as it came out of the seal.
    pub fn unsealed(text: String) -> Self {
        Self(text.into())
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

    /// Counts up, so that nothing depends on chance.
    struct Counting;

    impl Rng for Counting {
        fn fill(&self, out: &mut [u8]) {
            (0..).zip(out).for_each(|(n, byte)| *byte = n);
        }
    }

    #[test]
    fn a_key_begins_with_its_prefix() {
        let spelled = |format, prefix: Option<&str>| {
            let spelling = KeySpelling::new(format, prefix.map(str::to_owned)).unwrap();
            KeySecret::generate(&spelling, &Counting).reveal().to_owned()
        };
        assert!(spelled(KeyFormat::Portico, None).starts_with("portico_AAEC"));
        assert_eq!(spelled(KeyFormat::Portico, Some("api_")).len(), "api_".len() + 43);
        assert_eq!(spelled(KeyFormat::Uuid, Some("acc_")), "acc_00010203-0405-4607-8809-0a0b0c0d0e0f");
        for prefix in ["", "a b", "a.b", "ä", &"x".repeat(PREFIX_CHARS_MAX + 1)] {
            assert!(KeySpelling::new(KeyFormat::Portico, Some(prefix.to_owned())).is_err(), "{prefix:?}");
        }
    }

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
