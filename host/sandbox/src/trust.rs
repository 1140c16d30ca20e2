//! The server's own keys and the certificate chain it shows in the handshake.
//!
//! Clients check two XEdDSA signatures, from a root over the intermediate and from the intermediate over the leaf. The
//! root here is ours, so a client must be told to trust it; everything else about the chain is as on the real network.
//! The server key has to outlive restarts, because paired clients resume (Noise IK) against the key they remember.

use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, KeyPair};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate::Details};

use crate::identity::{key_pair, public_bytes, sign};

/// Validity of the certificates. Wide on purpose: outside it, clients stop resuming with IK.
const NOT_BEFORE_S: u64 = 1_600_000_000;
const NOT_AFTER_S: u64 = 2_500_000_000;

/// The keys, as kept in the snapshot.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Trust {
    root: KeyPair,
    server: KeyPair,
    #[serde(with = "crate::bytes_text")]
    chain: Vec<u8>,
}

impl Trust {
    /// New keys and a chain for them.
    pub(crate) fn generate() -> Result<Self, CurveError> {
        let (root, server) = (key_pair(), key_pair());
        let chain = chain(&root, &public_bytes(&server))?;
        Ok(Self { root, server, chain })
    }

    /// The static key of the Noise handshake.
    pub(crate) fn server(&self) -> &KeyPair {
        &self.server
    }

    /// The encoded `CertChain`.
    pub(crate) fn chain(&self) -> &[u8] {
        &self.chain
    }

    /// The public key clients have to trust.
    pub(crate) fn root_public(&self) -> [u8; 32] {
        public_bytes(&self.root)
    }
}

fn chain(root: &KeyPair, leaf_key: &[u8; 32]) -> Result<Vec<u8>, CurveError> {
    let intermediate = key_pair();
    let above = details(1, 0, public_bytes(&intermediate).to_vec());
    let below = details(2, 1, leaf_key.to_vec());
    Ok(wa::CertChain {
        intermediate: MessageField::some(NoiseCertificate {
            signature: Some(sign(root, &above)?),
            details: Some(above),
        }),
        leaf: MessageField::some(NoiseCertificate {
            signature: Some(sign(&intermediate, &below)?),
            details: Some(below),
        }),
    }
    .encode_to_vec())
}

fn details(serial: u32, issuer_serial: u32, key: Vec<u8>) -> Vec<u8> {
    Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(key),
        not_before: Some(NOT_BEFORE_S),
        not_after: Some(NOT_AFTER_S),
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::wacore::libsignal::protocol::PublicKey;

    #[test]
    fn both_signatures_of_the_chain_hold() -> Result<(), Box<dyn std::error::Error>> {
        let trust = Trust::generate()?;
        let chain = wa::CertChain::decode_from_slice(trust.chain())?;
        let intermediate = chain.intermediate.into_option().ok_or("no intermediate")?;
        let leaf = chain.leaf.into_option().ok_or("no leaf")?;
        let details = intermediate.details.ok_or("no details")?;
        let root = PublicKey::from_djb_public_key_bytes(&trust.root_public())?;
        assert!(root.verify_signature(&details, &intermediate.signature.ok_or("unsigned")?));
        let key = Details::decode_from_slice(&details)?.key.ok_or("no key")?;
        let above = PublicKey::from_djb_public_key_bytes(&key)?;
        assert!(above.verify_signature(&leaf.details.ok_or("no details")?, &leaf.signature.ok_or("unsigned")?));
        Ok(())
    }
}
