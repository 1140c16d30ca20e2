//! Tokens of logins: JSON Web Tokens (RFC 7519) with HMAC-SHA256, signed under a key derived from the master key.
//!
//! Only tokens with exactly the header that is written here are read, so that nobody can choose another algorithm.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::seal::Sealer;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Who signs, and for what.
const ISSUER: &str = "portico";
/// What the signing key is derived for.
const PURPOSE: &str = "login token";
/// Bytes of a token at most; those made here have about 300.
const BYTES_MAX: usize = 1024;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    /// Who logged in.
    #[serde(rename = "sub")]
    pub(super) user: UserId,
    /// The user's tenant.
    pub(super) tenant: TenantId,
    /// The user's logins at that time.
    pub(super) version: i64,
    /// Since when, in Unix seconds.
    #[serde(rename = "iat")]
    pub(super) begins: i64,
    /// Until when, in Unix seconds.
    #[serde(rename = "exp")]
    pub(super) ends: i64,
}

impl Claims {
    pub(super) fn new(tenant: TenantId, user: UserId, version: i64, begins: i64, ends: i64) -> Self {
        Self { iss: ISSUER.to_owned(), user, tenant, version, begins, ends }
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn mac(sealer: &Sealer, signed: &str) -> Hmac<Sha256> {
    let mut mac = sealer.mac(PURPOSE);
    mac.update(signed.as_bytes());
    mac
}

/// A token that says so.
pub(super) fn sign(sealer: &Sealer, claims: &Claims) -> Result<String> {
    let claims = serde_json::to_vec(claims).map_err(|e| Error::internal("writing a token", e))?;
    let signed = format!("{}.{}", encode(HEADER), encode(claims));
    let signature = encode(mac(sealer, &signed).finalize().into_bytes());
    Ok(format!("{signed}.{signature}"))
}

/// What a token says, if it was signed here. Whether it has ended is for the caller to see.
pub(super) fn read(sealer: &Sealer, token: &str) -> Option<Claims> {
    if token.len() > BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    if header != encode(HEADER) {
        return None;
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    mac(sealer, signed).verify_slice(&signature).ok()?;
    let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    (claims.iss == ISSUER).then_some(claims)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rng::Rng;

    struct Fixed;

    impl Rng for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn only_what_was_signed_here_is_read() {
        let (sealer, other) = (Sealer::new(&[1; 32], Arc::new(Fixed)), Sealer::new(&[2; 32], Arc::new(Fixed)));
        let claims = Claims::new(TenantId::new(1, 1), UserId::new(1, 2), 3, 4, 5);
        let token = sign(&sealer, &claims).unwrap();
        assert_eq!(read(&sealer, &token), Some(claims.clone()));
        assert_eq!(read(&other, &token), None);

        let parts: Vec<&str> = token.split('.').collect();
        let forged = Claims { version: 9, ..claims };
        let forged = encode(serde_json::to_vec(&forged).unwrap());
        let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
        for text in [
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{token}x"),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&sealer, &text), None, "{text}");
        }
    }
}
