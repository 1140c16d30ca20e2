//! Key pairs and random choices, in one place.

use rand::Rng;
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, KeyPair};

/// A cryptographic generator seeded by the system.
pub(crate) fn rng() -> rand::rngs::StdRng {
    rand::make_rng::<rand::rngs::StdRng>()
}

/// A fresh key pair.
pub(crate) fn key_pair() -> KeyPair {
    KeyPair::generate(&mut rng())
}

/// The 32 public bytes, without the type byte.
pub(crate) fn public_bytes(pair: &KeyPair) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(pair.public_key.public_key_bytes());
    bytes
}

/// An XEdDSA signature.
pub(crate) fn sign(pair: &KeyPair, message: &[u8]) -> Result<Vec<u8>, CurveError> {
    Ok(pair.calculate_signature(message, &mut rng())?.to_vec())
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rng().fill_bytes(&mut bytes);
    bytes
}

/// Random upper-case hexadecimal text of `2 * N` characters.
pub(crate) fn random_hex<const N: usize>() -> String {
    random::<N>().iter().map(|byte| format!("{byte:02X}")).collect()
}
