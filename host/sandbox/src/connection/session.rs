//! Who a connection is: a device that logged in, or a client that wants to be linked.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;

use super::Ended;
use crate::clock::now_s;
use crate::faults::{self, Effect, Place, Victim};
use crate::mailbox::drain;
use crate::network::Network;
use crate::pairing::Applicant;
use crate::relay::{Author, presence};

/// What a connection may do.
pub(crate) enum Standing {
    /// Linked and logged in.
    Device(Author),
    /// Shows QR texts or a pairing code.
    Applicant(Arc<Applicant>),
    /// Refused; the goodbye is on its way.
    Nobody,
}

/// The server's end of one connection.
pub(crate) struct Session {
    /// Names this connection among all of this process.
    pub(crate) id: u64,
    pub(crate) standing: Standing,
    pub(crate) outgoing: mpsc::Sender<Arc<Node>>,
}

impl Session {
    /// Decides who the client is and greets it; `None` when the payload makes no sense.
    pub(super) async fn open(
        network: &Arc<Network>,
        outgoing: mpsc::Sender<Arc<Node>>,
        cut: CancellationToken,
        client_static: [u8; 32],
        payload: wa::ClientPayload,
    ) -> Option<Self> {
        let id = network.next();
        if let Some(data) = payload.device_pairing_data.as_option() {
            let identity = data.e_ident.as_deref()?.try_into().ok()?;
            let push_name = payload.push_name.filter(|name| !name.is_empty());
            let applicant =
                Arc::new(Applicant { id, noise: client_static, identity, push_name, outgoing: outgoing.clone() });
            let session = Self { id, standing: Standing::Applicant(Arc::clone(&applicant)), outgoing };
            session.send(network.pairing.offer(network, &applicant)).await.ok()?;
            return Some(session);
        }
        let device = u16::try_from(payload.device.unwrap_or(0)).ok()?;
        let author = network
            .directory
            .find(&payload.username?.to_string())
            .map(|account| Author { account, device })
            .filter(|author| proves(author, &client_static));
        let fault = match &author {
            Some(author) => {
                let victim = Victim { phone: &author.account.pn, device, of: "" };
                faults::delayed(network.faults.strike(Place::Login, victim)).await
            }
            None => None,
        };
        let (standing, greeting) = match author {
            Some(_) if matches!(fault, Some(Effect::Fail { .. })) => (Standing::Nobody, failure(fault)),
            Some(author) => {
                let lid = author.account.lid_jid(device);
                author.account.with_device(device, |device| {
                    device.mailbox.attach(id, outgoing.clone(), cut);
                    device.counters.logins += 1;
                });
                let success = NodeBuilder::new("success")
                    .attr("t", now_s())
                    .attr("props", "27")
                    .attr("companion_enc_static", "")
                    .attr("lid", lid)
                    .attr("location", "sandbox");
                (Standing::Device(author), success.build())
            }
            None => (Standing::Nobody, failure(None)),
        };
        let session = Self { id, standing, outgoing };
        session.send(greeting).await.ok()?;
        Some(session)
    }

    /// Writes a stanza, waiting for room.
    pub(crate) async fn send(&self, node: Node) -> Result<(), Ended> {
        self.outgoing.send(Arc::new(node)).await.map_err(|_| Ended::Cut)
    }

    /// Begins sending what waited for the device, then everything new.
    pub(crate) fn activate(&self, network: &Network) {
        if let Standing::Device(author) = &self.standing {
            let drain = drain(Arc::clone(&author.account), author.device, self.id, self.outgoing.clone());
            network.tasks.spawn(drain);
        }
    }

    /// Detaches whatever this connection was.
    pub(super) fn close(self, network: &Network) {
        match &self.standing {
            Standing::Device(author) => {
                let ours = author.account.with_device(author.device, |device| device.mailbox.detach(self.id));
                // A replaced connection must not hide the one that replaced it.
                if ours != Some(false) {
                    presence::show(network, author, false);
                }
            }
            Standing::Applicant(applicant) => network.pairing.withdraw(applicant),
            Standing::Nobody => {}
        }
    }
}

/// The refusal of a login: what a fault says, or that the device is not linked.
fn failure(fault: Option<Effect>) -> Node {
    let node = NodeBuilder::new("failure").attr("location", "sandbox");
    let Some(Effect::Fail { reason, code, expire_s }) = fault else {
        return node.attr("reason", 401u16).build();
    };
    let mut node = node.attr("reason", reason);
    if let Some(code) = code {
        node = node.attr("code", code);
    }
    if let Some(expire_s) = expire_s {
        node = node.attr("expire", expire_s);
    }
    node.build()
}

/// True when the device is linked with this very Noise key.
fn proves(author: &Author, client_static: &[u8; 32]) -> bool {
    author
        .account
        .with_device(author.device, |device| {
            device.companion.as_ref().is_some_and(|companion| companion.noise == *client_static)
        })
        .unwrap_or(false)
}
