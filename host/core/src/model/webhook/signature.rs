//! Standard Webhooks 1.0 signatures: `v1,<base64 of HMAC-SHA256>` over `{id}.{timestamp}.{body}`.

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::rng::Rng;

/// What a secret starts with when it is shown.
pub const SECRET_PREFIX: &str = "whsec_";
/// Key lengths the specification allows, in bytes.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Characters of a secret that is plain text at most.
pub const SECRET_CHARS_MAX: usize = 256;

/// How a signing key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretForm {
    /// [`SECRET_PREFIX`] and the base64 of the key, as Standard Webhooks has it.
    #[default]
    Whsec,
    /// Any text; the key is its bytes.
    Text,
}

impl SecretForm {
    /// The name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whsec => "whsec",
            Self::Text => "text",
        }
    }

    /// The form of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Whsec, Self::Text].into_iter().find(|form| form.as_str() == name)
    }
}

/// A signing key. Not `Debug`, not serialisable: [`Self::reveal`] is the one way out, for the moment of creation and for
/// signing schemes whose key is the text as written.
#[derive(Clone)]
pub struct Secret {
    key: Zeroizing<Vec<u8>>,
    form: SecretForm,
}

impl Secret {
    /// A fresh key of 32 bytes.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = Zeroizing::new(vec![0; 32]);
        rng.fill(&mut key);
        Self { key, form: SecretForm::Whsec }
    }

    /// Reads `whsec_<base64>`, or any other text as a key that consists of its bytes; `field` names the value in the error.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let Some(encoded) = text.strip_prefix(SECRET_PREFIX) else {
            if !(1..=SECRET_CHARS_MAX).contains(&text.chars().count()) {
                return Err(Error::invalid(field, format!("must have 1 to {SECRET_CHARS_MAX} characters")));
            }
            return Ok(Self { key: text.as_bytes().to_vec().into(), form: SecretForm::Text });
        };
        match BASE64_STANDARD.decode(encoded) {
            Ok(key) if SECRET_BYTES.contains(&key.len()) => Ok(Self { key: key.into(), form: SecretForm::Whsec }),
            _ => Err(Error::invalid(
                field,
                "must be `whsec_` and the base64 of 24 to 64 random bytes, or a text that does not begin with `whsec_`; leave \
                 it out to get one",
            )),
        }
    }

    /// A key from its bytes, as they came out of the seal, and the form it was written in.
    pub fn unsealed(key: Vec<u8>, form: SecretForm) -> Self {
        Self { key: key.into(), form }
    }

    /// How it is written.
    pub fn form(&self) -> SecretForm {
        self.form
    }

    /// The bytes, for sealing.
    pub fn bytes(&self) -> &[u8] {
        &self.key
    }

    /// The key as it is written.
    pub fn reveal(&self) -> String {
        match self.form {
            SecretForm::Whsec => format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(&*self.key)),
            // It was made of a text.
            SecretForm::Text => String::from_utf8_lossy(&self.key).into_owned(),
        }
    }

    /// The value of `webhook-signature` for one attempt; `timestamp` in Unix seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!(
            "v1,{}",
            BASE64_STANDARD.encode(self.hmac(&[id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body]))
        )
    }

    /// HMAC-SHA256 over the parts, one after the other.
    pub fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        Self::hmac_with(&self.key, parts)
    }

    /// The same with the text of [`Self::reveal`] as the key, for receivers that don't decode it.
    pub fn text_hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        Self::hmac_with(Zeroizing::new(self.reveal()).as_bytes(), parts)
    }

    fn hmac_with(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        // A key of any length is accepted by HMAC (RFC 2104).
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
            return [0; 32];
        };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_holds() {
        // From the Standard Webhooks test vectors: key, id, timestamp, body and signature.
        let secret = Secret::parse("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_and_malformed_keys_are_refused() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***", &"x".repeat(SECRET_CHARS_MAX + 1)] {
            assert!(Secret::parse("secret", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_plain_text_is_a_key_of_its_bytes() {
        let secret = Secret::parse("secret", "my secret ä").unwrap();
        assert_eq!((secret.bytes(), secret.form()), ("my secret ä".as_bytes(), SecretForm::Text));
        assert_eq!(secret.reveal(), "my secret ä");
        let encoded = Secret::unsealed("my secret ä".as_bytes().to_vec(), SecretForm::Whsec);
        assert_eq!(encoded.sign("a", 1, b"{}"), secret.sign("a", 1, b"{}"));
        assert_ne!(encoded.reveal(), secret.reveal());
    }
}
