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

/// A signing key. Not `Debug`, not serialisable: [`Self::reveal`] is the one way out, for the moment of creation.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A fresh key of 32 bytes.
    pub fn generate(rng: &dyn Rng) -> Self {
        let mut key = Zeroizing::new(vec![0; 32]);
        rng.fill(&mut key);
        Self(key)
    }

    /// Reads `whsec_<base64>`; `field` names the value in the error.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let bytes = text.strip_prefix(SECRET_PREFIX).and_then(|b| BASE64_STANDARD.decode(b).ok());
        match bytes {
            Some(key) if SECRET_BYTES.contains(&key.len()) => Ok(Self(key.into())),
            _ => Err(Error::invalid(
                field,
                "must be `whsec_` and the base64 of 24 to 64 random bytes; leave it out to get one",
            )),
        }
    }

    /// A key from its bytes, as they came out of the seal.
    pub fn from_bytes(key: Vec<u8>) -> Self {
        Self(key.into())
    }

    /// The bytes, for sealing.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as shown once, at creation.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(&*self.0))
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
        Self::hmac_with(&self.0, parts)
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
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "plain text", "whsec_***"] {
            assert!(Secret::parse("secret", text).is_err(), "{text}");
        }
    }
}
