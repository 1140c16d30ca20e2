//! Linking by an eight-character code: the phone's half of the key agreement.
//!
//! The client wraps its ephemeral key under the code (`companion_hello`), the phone answers with its own
//! (`primary_hello`), the client returns a sealed bundle (`companion_finish`) and both derive the secret that
//! authenticates the account. Wrapping, agreement and labels are those of the client library's `PairCodeUtils`.

use std::sync::Arc;

use tokio::sync::oneshot;
use whatsapp_rust::wacore::crypto::hkdf_sha256_into;
use whatsapp_rust::wacore::libsignal::crypto::aes_256_gcm_decrypt;
use whatsapp_rust::wacore::libsignal::protocol::{KeyPair, PublicKey};
use whatsapp_rust::wacore::pair_code::PairCodeUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::{Applicant, Paired, link, number_of};
use crate::Error;
use crate::account::Account;
use crate::connection::{Session, Standing};
use crate::identity::{key_pair, public_bytes, random_hex};
use crate::network::Network;
use crate::stanza::{attr, child_content, error, jid_attr, leaf, notification, result, server};

/// The stanza and child that carry every stage.
const STAGE: &str = "link_code_companion_reg";
/// HKDF label of the key that seals the client's bundle.
const BUNDLE_LABEL: &[u8] = b"link_code_pairing_key_bundle_encryption_key";
/// HKDF label of the account-authenticating secret.
const SECRET_LABEL: &[u8] = b"adv_secret";

/// A client that shows a code.
pub(crate) struct PendingCode {
    pub(super) applicant: Arc<Applicant>,
    reference: Vec<u8>,
    /// The client's ephemeral key, wrapped under the code: salt, iv, ciphertext.
    wrapped: Vec<u8>,
    /// Where the sealed bundle goes once the phone has said hello.
    finish: Option<oneshot::Sender<Bundle>>,
}

/// What `companion_finish` brings.
struct Bundle {
    sealed: Vec<u8>,
    identity: [u8; 32],
}

/// Answers the client's half of both stages.
pub(crate) fn answer(network: &Network, session: &Session, id: &str, node: &Node) -> Node {
    let Standing::Applicant(applicant) = &session.standing else {
        return error(id, 403, "forbidden");
    };
    let Some(number) = jid_attr(node, "jid").and_then(|jid| number_of(&jid).map(str::to_owned)) else {
        return error(id, 400, "bad-request");
    };
    match attr(node, "stage").as_deref() {
        Some("companion_hello") => {
            let Some(wrapped) = child_content(node, "link_code_pairing_wrapped_companion_ephemeral_pub") else {
                return error(id, 400, "bad-request");
            };
            let reference = random_hex::<16>().into_bytes();
            let pending = PendingCode {
                applicant: Arc::clone(applicant),
                reference: reference.clone(),
                wrapped: wrapped.to_vec(),
                finish: None,
            };
            network.pairing.show_code(&number, pending);
            let reference = leaf("link_code_pairing_ref", reference);
            result(id, vec![NodeBuilder::new(STAGE).children([reference]).build()])
        }
        Some("companion_finish") => match read_bundle(node) {
            Some(bundle) => {
                let waiting = network.pairing.pending_code(&number, |pending| pending.finish.take()).flatten();
                match waiting.map(|waiting| waiting.send(bundle)) {
                    Some(Ok(())) => result(id, vec![]),
                    _ => error(id, 404, "item-not-found"),
                }
            }
            None => error(id, 400, "bad-request"),
        },
        _ => error(id, 501, "feature-not-implemented"),
    }
}

fn read_bundle(node: &Node) -> Option<Bundle> {
    Some(Bundle {
        sealed: child_content(node, "link_code_pairing_wrapped_key_bundle")?.to_vec(),
        identity: child_content(node, "companion_identity_public")?.try_into().ok()?,
    })
}

/// The phone's user types the code.
pub(crate) async fn enter(network: &Arc<Network>, account: &Arc<Account>, code: &str) -> Result<Paired, Error> {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let ephemeral = key_pair();
    let (finish, bundle) = oneshot::channel();
    let (applicant, reference, wrapped) = network
        .pairing
        .pending_code(&account.pn, |pending| {
            pending.finish = Some(finish);
            (Arc::clone(&pending.applicant), pending.reference.clone(), pending.wrapped.clone())
        })
        .ok_or(Error::NoPendingCode)?;
    let ours = public_bytes(&ephemeral);
    let (theirs, wrapped_ours) = tokio::task::spawn_blocking(move || {
        // Two rounds of PBKDF2, a good 100 ms of work.
        let theirs = PairCodeUtils::decrypt_primary_ephemeral_pub(&wrapped, &code);
        (theirs, PairCodeUtils::encrypt_ephemeral_pub(&ours, &code))
    })
    .await
    .map_err(|_| Error::PairingFailed { why: "the sandbox is stopping" })?;
    let theirs = PublicKey::from_djb_public_key_bytes(&theirs.map_err(|_| Error::WrongCode)?)?;
    let hello = NodeBuilder::new(STAGE).attr("stage", "primary_hello").children([
        leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped_ours),
        leaf("primary_identity_pub", account.identity_public()),
        leaf("link_code_pairing_ref", reference),
    ]);
    let hello = notification(STAGE, server(), &network.stanza_id()).children([hello.build()]).build();
    applicant.outgoing.send(Arc::new(hello)).await.map_err(|_| Error::NoPendingCode)?;
    let waited = network.limits.pairing_timeout;
    let bundle = tokio::time::timeout(waited, bundle)
        .await
        .map_err(|_| Error::timeout("the client's key bundle", waited))?
        .map_err(|_| Error::PairingFailed { why: "it closed the connection or began anew" })?;
    let secret = open(account, &ephemeral, &theirs, &bundle)?;
    if bundle.identity != applicant.identity {
        return Err(Error::PairingFailed { why: "it named another identity than it registered" });
    }
    link(network, account, applicant, &secret).await
}

/// Opens the client's bundle and derives the secret; a wrong code shows here.
fn open(account: &Account, ephemeral: &KeyPair, theirs: &PublicKey, bundle: &Bundle) -> Result<[u8; 32], Error> {
    let agreed = ephemeral.calculate_agreement(theirs)?;
    let (Some(salt), Some(iv), Some(sealed)) =
        (bundle.sealed.get(..32), bundle.sealed.get(32..44), bundle.sealed.get(44..))
    else {
        return Err(Error::WrongCode);
    };
    let mut key = [0; 32];
    hkdf_sha256_into(&agreed, Some(salt), BUNDLE_LABEL, &mut key).map_err(|_| Error::WrongCode)?;
    let iv = iv.try_into().map_err(|_| Error::WrongCode)?;
    let mut opened = Vec::new();
    aes_256_gcm_decrypt(&key, iv, b"", sealed, &mut opened).map_err(|_| Error::WrongCode)?;
    // The bundle: client's identity, our identity, a random value; 32 bytes each.
    let (Some(client), Some(primary), Some(random)) = (opened.get(..32), opened.get(32..64), opened.get(64..96)) else {
        return Err(Error::WrongCode);
    };
    if client != bundle.identity || primary != account.identity_public() {
        return Err(Error::PairingFailed { why: "its bundle names other identities" });
    }
    let identity = account.identity.calculate_agreement(&PublicKey::from_djb_public_key_bytes(client)?)?;
    let mut secret = [0; 32];
    hkdf_sha256_into(&[&agreed[..], &identity, random].concat(), None, SECRET_LABEL, &mut secret)
        .map_err(|_| Error::WrongCode)?;
    Ok(secret)
}
