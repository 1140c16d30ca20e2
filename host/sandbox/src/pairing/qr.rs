//! The phone scans a QR: what it reads from the text and the signed identity it answers with.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use super::{ACCOUNT_SIGNATURE_PREFIX, Paired, link};
use crate::Error;
use crate::account::Account;
use crate::clock::now_s;
use crate::identity::sign;
use crate::network::Network;

/// What some clients put in front, so that a phone's camera opens the right page.
const URL_PREFIX: &str = "https://wa.me/settings/linked_devices#";
/// Bytes of the secret that authenticates the account to the companion.
const ADV_SECRET: usize = 32;

/// The parts of a QR text the phone needs.
#[derive(Debug, PartialEq, Eq)]
struct QrText<'a> {
    reference: &'a str,
    adv_secret: Vec<u8>,
}

/// Reads `ref,noise,identity,secret[,client type]`, with or without the URL in front.
fn parse(text: &str) -> Result<QrText<'_>, Error> {
    let text = text.trim();
    let text = text.strip_prefix(URL_PREFIX).unwrap_or(text);
    let fields: Vec<&str> = text.split(',').collect();
    let [reference, noise, identity, secret] = match fields.as_slice() {
        [reference, noise, identity, secret] | [reference, noise, identity, secret, _] => {
            [*reference, *noise, *identity, *secret]
        }
        _ => {
            return Err(Error::InvalidQr { why: "it has not 4 or 5 fields" });
        }
    };
    let decode = |field: &str| BASE64_STANDARD.decode(field).ok().filter(|bytes| bytes.len() == ADV_SECRET);
    if decode(noise).is_none() || decode(identity).is_none() {
        return Err(Error::InvalidQr { why: "its keys are not base64 of 32 bytes" });
    }
    let adv_secret = decode(secret).ok_or(Error::InvalidQr { why: "its secret is not base64 of 32 bytes" })?;
    Ok(QrText { reference, adv_secret })
}

/// The push name of the client that shows this QR.
pub(crate) fn push_name(network: &Network, text: &str) -> Option<String> {
    network.pairing.push_name(parse(text).ok()?.reference)
}

/// Links the client that shows this QR to the account.
pub(crate) async fn scan(network: &Arc<Network>, account: &Arc<Account>, text: &str) -> Result<Paired, Error> {
    let qr = parse(text)?;
    let applicant = network.pairing.take_applicant(qr.reference).ok_or(Error::StaleQr)?;
    link(network, account, applicant, &qr.adv_secret).await
}

/// `ADVSignedDeviceIdentityHMAC`: the device's number and identity, signed by the account, sealed with the secret.
pub(super) fn sealed_identity(
    account: &Account,
    companion: &[u8; 32],
    device: u16,
    adv_secret: &[u8],
) -> Result<Vec<u8>, Error> {
    let details = wa::ADVDeviceIdentity {
        raw_id: Some(account.raw_id),
        timestamp: Some(now_s()),
        key_index: Some(u32::from(device)),
        ..Default::default()
    }
    .encode_to_vec();
    let signed_bytes = [&ACCOUNT_SIGNATURE_PREFIX[..], &details, companion].concat();
    let signed = wa::ADVSignedDeviceIdentity {
        details: Some(details),
        account_signature_key: Some(account.identity_public().to_vec()),
        account_signature: Some(sign(&account.identity, &signed_bytes)?),
        device_signature: None,
    }
    .encode_to_vec();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(adv_secret)
        .map_err(|_| Error::InvalidQr { why: "its secret has the wrong length" })?;
    mac.update(&signed);
    Ok(wa::ADVSignedDeviceIdentityHMAC {
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        details: Some(signed),
        ..Default::default()
    }
    .encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: usize) -> String {
        let key = BASE64_STANDARD.encode([1; 32]);
        ["2@ref", &key, &key, &key, "1", "more"].iter().take(fields).copied().collect::<Vec<_>>().join(",")
    }

    #[test]
    fn reads_both_lengths_with_and_without_url() {
        for fields in [4, 5] {
            for prefix in ["", URL_PREFIX] {
                let text = format!("{prefix}{}\n", text(fields));
                assert!(matches!(parse(&text), Ok(QrText { reference: "2@ref", .. })));
            }
        }
    }

    #[test]
    fn refuses_other_texts() {
        for wrong in [text(3), text(6), text(4).replace("AQEB", "!"), String::new()] {
            assert!(matches!(parse(&wrong), Err(Error::InvalidQr { .. })), "{wrong}");
        }
    }
}
