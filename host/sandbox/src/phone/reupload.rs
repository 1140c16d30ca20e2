//! A companion cannot fetch a file any more and asks the phone to put it on the media host again.

use std::sync::Arc;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::crypto::hkdf_sha256_into;
use whatsapp_rust::wacore::libsignal::crypto::aes_256_gcm_encrypt;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::media_retry_notification::ResultType;

use crate::account::{Account, PHONE};
use crate::clock::now_s;
use crate::identity::{random, random_hex};
use crate::network::Network;
use crate::stanza::{attr_or_empty, leaf};

/// HKDF label of the key that seals the answer.
const LABEL: &[u8] = b"WhatsApp Media Retry Notification";
/// The code that says the phone has no such file either.
const NOT_FOUND: u8 = 2;

/// Answers a `server-error` receipt of a companion. The phone has every file its account received, also those the media
/// host has lost to a fault.
pub(crate) fn answer(network: &Network, account: &Arc<Account>, device: u16, receipt: &Node) {
    let id = attr_or_empty(receipt, "id");
    let rmr = receipt.get_optional_child("rmr").cloned();
    let sealed = renewed(network, account, &id);
    let mut inside: Vec<Node> = rmr.into_iter().collect();
    inside.push(match sealed {
        Some((sealed, iv)) => NodeBuilder::new("encrypt").children([leaf("enc_p", sealed), leaf("enc_iv", iv)]).build(),
        None => NodeBuilder::new("error").attr("code", NOT_FOUND).build(),
    });
    // The notification carries the message's id, by which the companion finds its request.
    let note = NodeBuilder::new("notification")
        .attr("from", account.pn_jid(PHONE))
        .attr("type", "mediaretry")
        .attr("id", id)
        .attr("t", now_s())
        .children(inside)
        .build();
    network.post(account, device, note);
}

/// Puts the file under a new path and seals that path under the file's key.
fn renewed(network: &Network, account: &Account, id: &str) -> Option<(Vec<u8>, [u8; 12])> {
    let media = account.phone.with_log(|log| log.find_media(id))?;
    let bytes = network.media.get(&media.path)?;
    let path = network.media.put(&random_hex::<16>(), bytes);
    let answer = wa::MediaRetryNotification {
        stanza_id: Some(id.to_owned()),
        direct_path: Some(path),
        result: Some(ResultType::SUCCESS),
        ..Default::default()
    };
    let mut key = [0; 32];
    hkdf_sha256_into(&media.key, None, LABEL, &mut key).ok()?;
    let iv: [u8; 12] = random();
    let mut sealed = Vec::new();
    aes_256_gcm_encrypt(&key, &iv, id.as_bytes(), &answer.encode_to_vec(), &mut sealed).ok()?;
    Some((sealed, iv))
}
