//! Sealing of secrets at rest: AES-256-GCM under the gateway's master key.
//!
//! A sealed value is bound to the place it is stored at (the associated data): moved to another row it does not open.

use std::sync::Arc;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::rng::Rng;

/// Bytes of a master key.
pub const MASTER_KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Bytes of a block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// Opens and closes sealed values. Cheap to clone; never prints its key.
#[derive(Clone)]
pub struct Sealer {
    cipher: Arc<Aes256Gcm>,
    derivation: Arc<Hmac<Sha256>>,
    rng: Arc<dyn Rng>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// HMAC fills a key up with zeros to a whole block of the hash; here it is done before, as a key of that length always fits.
fn hmac_under(key: &[u8; MASTER_KEY_BYTES]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    block[..MASTER_KEY_BYTES].copy_from_slice(key);
    <Hmac<Sha256> as KeyInit>::new(&(*block).into())
}

impl Sealer {
    /// A sealer under `key`.
    pub fn new(key: &[u8; MASTER_KEY_BYTES], rng: Arc<dyn Rng>) -> Self {
        let derivation = hmac_under(key);
        Self { cipher: Arc::new(Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key))), derivation: Arc::new(derivation), rng }
    }

    /// HMAC-SHA256 under a key of its own for `purpose`, always the same under one master key.
    pub fn mac(&self, purpose: &str) -> Hmac<Sha256> {
        let mut derivation = Hmac::clone(&self.derivation);
        derivation.update(purpose.as_bytes());
        hmac_under(&Zeroizing::new(derivation.finalize().into_bytes().into()))
    }

    /// 32 bytes that nobody can tell without the master key, the same each time for a purpose and a name.
    pub fn derive(&self, purpose: &str, name: &str) -> [u8; 32] {
        let mut mac = self.mac(purpose);
        mac.update(name.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Seals `plain` for the place named by `place`; the answer is nonce ‖ ciphertext ‖ tag.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_BYTES];
        self.rng.fill(&mut nonce);
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::internal("sealing a secret", "the cipher refused the value"))?;
        let mut out = Vec::with_capacity(NONCE_BYTES + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Self::seal`] closed for the same place. Fails under another master key.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let opened = sealed.split_first_chunk::<NONCE_BYTES>().and_then(|(nonce, rest)| {
            let payload = Payload { msg: rest, aad: place.as_bytes() };
            self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
        });
        opened.ok_or_else(|| {
            Error::internal(
                "opening a sealed secret",
                "it does not open: is this the master key the data was written with?",
            )
        })
    }
}
