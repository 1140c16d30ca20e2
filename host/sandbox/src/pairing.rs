//! Linking companions: which clients wait for a phone, and the messages that link them.
//!
//! The phone's side of the cryptography is in [`qr`] and [`code`]. Invariant: a device exists only after the client
//! has signed its new identity and the server has verified that signature.

pub(crate) mod code;
pub(crate) mod qr;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::PublicKey;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Node, Server};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::Error;
use crate::account::{Account, Companion, Device};
use crate::clock::now_s;
use crate::connection::{Ended, Session, Standing};
use crate::identity::random_hex;
use crate::network::Network;
use crate::phone::companions::announce;
use crate::stanza::{child_content, leaf, request};
use crate::sync::held;

/// QR texts handed to one connection; the client shows them one after the other.
const REFS_PER_CONNECTION: usize = 6;
/// Prefix of the bytes an account signs over a companion's identity.
const ACCOUNT_SIGNATURE_PREFIX: [u8; 2] = [6, 0];
/// Prefix of the bytes a companion signs.
const DEVICE_SIGNATURE_PREFIX: [u8; 2] = [6, 1];

/// A client that wants to be linked.
pub(crate) struct Applicant {
    pub(crate) id: u64,
    pub(crate) noise: [u8; 32],
    /// The identity key it registered in the handshake.
    pub(crate) identity: [u8; 32],
    /// The name its user goes by, when it says so.
    pub(crate) push_name: Option<String>,
    pub(crate) outgoing: mpsc::Sender<Arc<Node>>,
}

/// A finished linking.
#[derive(Debug, Clone, Serialize)]
pub struct Paired {
    /// The phone's number.
    pub phone: String,
    /// The account's LID, digits only.
    pub lid: String,
    /// The new device's number.
    pub device: u16,
    /// The new device's JID, `number:device@s.whatsapp.net`.
    pub jid: String,
}

/// A device that has been offered to a client and is not signed yet.
struct Awaiting {
    account: Arc<Account>,
    device: u16,
    applicant: Arc<Applicant>,
    done: oneshot::Sender<Result<Paired, Error>>,
}

#[derive(Default)]
struct State {
    /// Connections showing a QR, by each ref of theirs.
    refs: HashMap<String, Arc<Applicant>>,
    /// Connections showing a code, by the phone number they asked for.
    codes: HashMap<String, code::PendingCode>,
    /// Offers waiting for the client's signature, by request id.
    awaiting: HashMap<String, Awaiting>,
}

/// All linking in progress. Bounded by the number of connections.
#[derive(Default)]
pub(crate) struct Pairing {
    state: Mutex<State>,
}

impl Pairing {
    /// Registers a connection and returns the request that makes it show QR texts.
    pub(crate) fn offer(&self, network: &Network, applicant: &Arc<Applicant>) -> Node {
        let refs: Vec<String> = (0..REFS_PER_CONNECTION).map(|_| format!("2@{}", random_hex::<16>())).collect();
        let nodes = refs.iter().map(|one| leaf("ref", one.as_bytes())).collect::<Vec<_>>();
        let mut state = held(&self.state);
        for one in refs {
            state.refs.insert(one, Arc::clone(applicant));
        }
        let offer = NodeBuilder::new("pair-device").children(nodes).build();
        request(&network.stanza_id(), "md", offer)
    }

    /// Forgets a connection that ended; a scan waiting for it fails at once.
    pub(crate) fn withdraw(&self, applicant: &Applicant) {
        let mut state = held(&self.state);
        state.refs.retain(|_, other| other.id != applicant.id);
        state.codes.retain(|_, pending| pending.applicant.id != applicant.id);
        let broken: Vec<_> = state
            .awaiting
            .iter()
            .filter(|(_, awaiting)| awaiting.applicant.id == applicant.id)
            .map(|(id, _)| id.clone())
            .collect();
        for id in broken {
            if let Some(awaiting) = state.awaiting.remove(&id) {
                // Nobody waits any more when the scan has timed out.
                let _ = awaiting.done.send(Err(Error::PairingFailed { why: "it closed the connection" }));
            }
        }
    }

    /// The push name of the connection that shows this ref.
    pub(crate) fn push_name(&self, reference: &str) -> Option<String> {
        held(&self.state).refs.get(reference)?.push_name.clone()
    }

    /// Finds the connection that shows this ref and takes all its refs away.
    fn take_applicant(&self, reference: &str) -> Option<Arc<Applicant>> {
        let mut state = held(&self.state);
        let applicant = state.refs.remove(reference)?;
        state.refs.retain(|_, other| other.id != applicant.id);
        Some(applicant)
    }

    /// Remembers a connection that shows a code for this number, in place of an earlier one.
    pub(crate) fn show_code(&self, number: &str, pending: code::PendingCode) {
        held(&self.state).codes.insert(number.to_owned(), pending);
    }

    fn pending_code<T>(&self, number: &str, action: impl FnOnce(&mut code::PendingCode) -> T) -> Option<T> {
        held(&self.state).codes.get_mut(number).map(action)
    }
}

/// Sends the signed identity to the client and waits until it is linked.
pub(crate) async fn link(
    network: &Arc<Network>,
    account: &Arc<Account>,
    applicant: Arc<Applicant>,
    adv_secret: &[u8],
) -> Result<Paired, Error> {
    let device = account.with(|state| {
        if state.devices.len() > network.limits.companions_max {
            return Err(Error::LimitReached { limit: "companions_max" });
        }
        state.last_device = state.last_device.wrapping_add(1).max(1);
        Ok(state.last_device)
    })?;
    let container = qr::sealed_identity(account, &applicant.identity, device, adv_secret)?;
    let success = NodeBuilder::new("pair-success").children([
        leaf("device-identity", container),
        NodeBuilder::new("platform").attr("name", "android").build(),
        NodeBuilder::new("device").attr("jid", account.pn_jid(device)).attr("lid", account.lid_jid(device)).build(),
    ]);
    let id = network.stanza_id();
    let (done, finished) = oneshot::channel();
    let awaiting = Awaiting { account: Arc::clone(account), device, applicant: Arc::clone(&applicant), done };
    held(&network.pairing.state).awaiting.insert(id.clone(), awaiting);
    let offered = applicant.outgoing.send(Arc::new(request(&id, "md", success.build()))).await;
    let waited = network.limits.pairing_timeout;
    let outcome = match offered {
        Ok(()) => tokio::time::timeout(waited, finished).await,
        Err(_) => Ok(Ok(Err(Error::StaleQr))),
    };
    match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Error::PairingFailed { why: "the sandbox is stopping" }),
        Err(_) => {
            held(&network.pairing.state).awaiting.remove(&id);
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            Err(Error::Timeout { what: "the client's signature", waited_ms })
        }
    }
}

/// Handles the client's answer to `pair-success`; true when the answer belonged to one.
pub(crate) async fn answered(
    network: &Arc<Network>,
    session: &Session,
    id: &str,
    answer: &Node,
) -> Result<bool, Ended> {
    let Standing::Applicant(_) = &session.standing else {
        return Ok(false);
    };
    let Some(awaiting) = held(&network.pairing.state).awaiting.remove(id) else {
        return Ok(false);
    };
    let Awaiting { account, device, applicant, done } = awaiting;
    let linked = register(&account, device, &applicant, answer);
    let paired = linked.map(|()| Paired {
        phone: account.pn.clone(),
        lid: account.lid.clone(),
        device,
        jid: account.pn_jid(device).to_string(),
    });
    let ok = paired.is_ok();
    // The scan may have given up waiting; the device is linked all the same.
    let _ = done.send(paired);
    if ok {
        network.touch();
        announce(network, &account, device);
        session.send(NodeBuilder::new("stream:error").attr("code", 515u16).build()).await?;
    }
    Ok(true)
}

fn register(account: &Account, device: u16, applicant: &Applicant, answer: &Node) -> Result<(), Error> {
    let refused = Error::PairingFailed { why: "it refused the account's signature" };
    let Some(signed) =
        answer.get_optional_child("pair-device-sign").and_then(|sign| child_content(sign, "device-identity"))
    else {
        return Err(refused);
    };
    if !is_signed(account, applicant, signed) {
        return Err(Error::PairingFailed { why: "its device signature does not verify" });
    }
    let companion = Companion {
        noise: applicant.noise,
        keys: None,
        signed_identity: signed.to_vec(),
        key_index: u32::from(device),
        shared_key: false,
        asked_for_keys: false,
    };
    account.with(|state| {
        state.devices.insert(device, Device { companion: Some(companion), ..Device::default() });
    });
    Ok(())
}

fn is_signed(account: &Account, applicant: &Applicant, signed: &[u8]) -> bool {
    let Ok(signed) = wa::ADVSignedDeviceIdentity::decode_from_slice(signed) else {
        return false;
    };
    let (Some(details), Some(signature)) = (signed.details, signed.device_signature) else {
        return false;
    };
    let Ok(identity) = PublicKey::from_djb_public_key_bytes(&applicant.identity) else {
        return false;
    };
    let parts: [&[u8]; 4] = [&DEVICE_SIGNATURE_PREFIX, &details, &applicant.identity, &account.identity_public()];
    identity.verify_signature_for_multipart_message(&parts, &signature)
}

/// `ADVSignedKeyIndexList` of the account: which devices are valid. Without it clients skip companions.
pub(crate) fn key_index_list(account: &Account) -> Option<(u64, Vec<u8>)> {
    let mut valid: Vec<u32> = vec![0];
    valid.extend(account.with(|state| state.companions().map(|(_, one)| one.key_index).collect::<Vec<_>>()));
    if valid.len() == 1 {
        return None;
    }
    let timestamp = now_s();
    let details = wa::ADVKeyIndexList {
        raw_id: Some(account.raw_id),
        timestamp: Some(timestamp),
        current_index: valid.iter().max().copied(),
        valid_indexes: valid,
        ..Default::default()
    }
    .encode_to_vec();
    let mut message = vec![6, 2];
    message.extend_from_slice(&details);
    let signature = crate::identity::sign(&account.identity, &message).ok()?;
    let list = wa::ADVSignedKeyIndexList {
        account_signature: Some(signature),
        account_signature_key: None,
        details: Some(details),
    };
    Some((timestamp, list.encode_to_vec()))
}

/// The digits of a phone-number JID.
pub(crate) fn number_of(jid: &whatsapp_rust::Jid) -> Option<&str> {
    (jid.server == Server::Pn).then_some(jid.user.as_str())
}
