//! Passwords: Argon2id, computed off the async threads.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use zeroize::Zeroizing;

use crate::context::Ports;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Characters of a password at most.
const CHARS_MAX: usize = 256;
/// Random bytes of a salt.
const SALT_BYTES: usize = 16;
/// The salt of hashes whose result nobody looks at.
const NO_SALT: [u8; SALT_BYTES] = [0; SALT_BYTES];

/// The text of a password. Wiped when dropped; never `Debug` or `Serialize`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Password {
    /// Refuses a password that is too short to be set, or absurdly long.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        let least = limits.password_chars_min;
        if (least..=CHARS_MAX).contains(&self.0.chars().count()) {
            return Ok(());
        }
        Err(Error::invalid("password", format!("must have {least} to {CHARS_MAX} characters")))
    }

    fn is_absurd(&self) -> bool {
        self.0.len() > CHARS_MAX * 4
    }
}

/// The hash of a password, with a salt of its own. The parameters are those that the crate takes from OWASP's advice: 19 MiB,
/// two passes, one lane.
pub(super) async fn hash(ports: &Ports, password: &Password) -> Result<String> {
    let mut salt = [0; SALT_BYTES];
    ports.rng.fill(&mut salt);
    let password = password.clone();
    let hashed = ports.compute.give(move || computed(&password, &salt)).await?;
    hashed.map_err(|e| Error::internal("hashing a password", e.to_string()))
}

/// Whether a password has this hash. Takes as long where there is no hash to compare with, so that the time does not tell
/// whether there is such an account.
pub(super) async fn verify(ports: &Ports, password: &Password, hash: Option<String>) -> Result<bool> {
    if password.is_absurd() {
        return Ok(false);
    }
    let password = password.clone();
    let verify = move || match hash {
        Some(hash) => Argon2::default().verify_password(password.0.as_bytes(), hash.as_str()).is_ok(),
        None => {
            let _ = computed(&password, &NO_SALT);
            false
        }
    };
    ports.compute.give(verify).await
}

fn computed(password: &Password, salt: &[u8]) -> argon2::password_hash::Result<String> {
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.0.as_bytes(), salt)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_argon2id_and_fits_its_password_only() {
        let password = Password::from("correct horse".to_owned());
        let hash = computed(&password, &[7; SALT_BYTES]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let fits = |text: &str| Argon2::default().verify_password(text.as_bytes(), hash.as_str()).is_ok();
        assert!(fits("correct horse") && !fits("correct horsf"));
    }

    #[test]
    fn passwords_are_bounded() {
        let limits = Limits::default();
        assert!(Password::from("eight ch".to_owned()).check(&limits).is_ok());
        for text in ["", "7 chars", &"x".repeat(CHARS_MAX + 1)] {
            assert!(Password::from(text.to_owned()).check(&limits).is_err(), "{text}");
        }
    }
}
