//! Public key bundles: what a device uploads so that others can write to it, and how it looks in stanzas.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore::libsignal::protocol::{
    CurveError, IdentityKey, PreKeyBundle, PublicKey, SignalProtocolError,
};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::stanza::{child_array, child_content, child_number, children, leaf};

/// The key type byte of Curve25519.
pub(crate) const KEY_TYPE: u8 = 5;

/// A signed pre-key's public half.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    #[serde(with = "crate::bytes_text")]
    pub(crate) public: [u8; 32],
    #[serde(with = "crate::bytes_text")]
    pub(crate) signature: Vec<u8>,
}

/// A one-time pre-key's public half.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OneTimeKey {
    pub(crate) id: u32,
    #[serde(with = "crate::bytes_text")]
    pub(crate) public: [u8; 32],
}

/// Everything the server knows of a device's keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeyBundle {
    pub(crate) registration: u32,
    #[serde(with = "crate::bytes_text")]
    pub(crate) identity: [u8; 32],
    pub(crate) signed: SignedKey,
    pub(crate) one_time: VecDeque<OneTimeKey>,
}

impl KeyBundle {
    /// Reads an upload (`<iq xmlns="encrypt" type="set">`) or the `<keys>` of a retry receipt.
    pub(crate) fn read(node: &Node, registration: u32) -> Option<Self> {
        let one_time = match node.get_optional_child("list") {
            Some(list) => children(list).iter().filter_map(read_one_time).collect(),
            None => node.get_optional_child("key").and_then(read_one_time).into_iter().collect(),
        };
        Some(Self {
            registration,
            identity: child_array(node, "identity")?,
            signed: read_signed(node.get_optional_child("skey")?)?,
            one_time,
        })
    }

    /// The bundle without its one-time keys.
    pub(crate) fn lasting(&self) -> Self {
        Self {
            registration: self.registration,
            identity: self.identity,
            signed: self.signed.clone(),
            one_time: VecDeque::new(),
        }
    }

    /// The bundle Signal wants to begin a session, with the given one-time key.
    pub(crate) fn for_session(
        &self,
        device: u16,
        one_time: Option<&OneTimeKey>,
    ) -> Result<PreKeyBundle, SignalProtocolError> {
        let one_time = one_time.map(|key| public(&key.public).map(|public| (key.id.into(), public))).transpose()?;
        PreKeyBundle::new(
            self.registration,
            u32::from(device).into(),
            one_time,
            self.signed.id.into(),
            public(&self.signed.public)?,
            self.signed.signature.clone(),
            IdentityKey::new(public(&self.identity)?),
        )
    }
}

fn public(bytes: &[u8; 32]) -> Result<PublicKey, CurveError> {
    PublicKey::from_djb_public_key_bytes(bytes)
}

fn read_one_time(node: &Node) -> Option<OneTimeKey> {
    Some(OneTimeKey { id: child_number(node, "id")?, public: child_array(node, "value")? })
}

/// Reads `<skey><id/><value/><signature/></skey>`.
pub(crate) fn read_signed(node: &Node) -> Option<SignedKey> {
    Some(SignedKey {
        id: child_number(node, "id")?,
        public: child_array(node, "value")?,
        signature: child_content(node, "signature")?.to_vec(),
    })
}

/// A key id in the three bytes the protocol uses.
pub(crate) fn id_bytes(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip(1).collect()
}

/// The nodes every bundle begins with.
pub(crate) fn bundle_nodes(bundle: &KeyBundle) -> Vec<Node> {
    vec![
        leaf("registration", bundle.registration.to_be_bytes()),
        leaf("type", [KEY_TYPE]),
        leaf("identity", bundle.identity),
        signed_node(&bundle.signed),
    ]
}

/// `<skey>`.
pub(crate) fn signed_node(key: &SignedKey) -> Node {
    NodeBuilder::new("skey")
        .children([leaf("id", id_bytes(key.id)), leaf("value", key.public), leaf("signature", key.signature.clone())])
        .build()
}

/// `<key>`.
pub(crate) fn one_time_node(key: &OneTimeKey) -> Node {
    NodeBuilder::new("key").children([leaf("id", id_bytes(key.id)), leaf("value", key.public)]).build()
}
