//! The self-check of the certificate check.
//!
//! The protocol library trusts one root, a constant, and has one switch that turns the check off for the whole binary: a
//! cargo feature. Features of packages built together are united, so a test crate could switch it on for the gateway
//! unseen. This check finds out at run time what was really built.

use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::noise::HandshakeUtils;
use whatsapp_rust::waproto::whatsapp::CertChain;
use whatsapp_rust::waproto::whatsapp::cert_chain::{NoiseCertificate, noise_certificate::Details};

const SIGNATURE_BYTES: usize = 64;
const ISSUER_KEY: [u8; 32] = [0x11; 32];
const SERVER_KEY: [u8; 32] = [0x22; 32];

/// Whether the protocol library refuses a certificate chain that WhatsApp never signed.
///
/// The chain is right in everything but its signatures, which are zeros under a root of our own. `false` means that any
/// server can pose as WhatsApp to this binary: a production gateway calls this when it starts and stops there. Cheap; no
/// network.
pub fn forged_chain_is_refused() -> bool {
    HandshakeUtils::verify_server_cert(&forged_chain(), &SERVER_KEY).is_err()
}

fn forged_chain() -> Vec<u8> {
    CertChain {
        intermediate: MessageField::some(unsigned(details(1, 0, ISSUER_KEY))),
        leaf: MessageField::some(unsigned(details(2, 1, SERVER_KEY))),
    }
    .encode_to_vec()
}

fn unsigned(details: Vec<u8>) -> NoiseCertificate {
    NoiseCertificate { details: Some(details), signature: Some(vec![0; SIGNATURE_BYTES]) }
}

fn details(serial: u32, issuer_serial: u32, key: [u8; 32]) -> Vec<u8> {
    Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(key.to_vec()),
        not_before: Some(0),
        not_after: Some(u64::from(u32::MAX)),
    }
    .encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the feature the forged chain must pass: were it refused for its form, the check would prove nothing.
    #[test]
    fn a_forged_chain_passes_only_in_a_sandbox_binary() {
        assert_eq!(forged_chain_is_refused(), cfg!(not(feature = "sandbox")));
    }
}
