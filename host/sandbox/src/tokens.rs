//! Privacy tokens: what a stranger needs before a restricted account hears of it.
//!
//! Two kinds. A *trusted-contact token* is issued by the account itself: whoever it wrote to gets one and sends it along
//! (`tctoken`). A *salted token* (`cstoken`) is made by the stranger: HMAC-SHA256 of the recipient's LID under a salt its
//! own phone gave it. A message with neither is refused with 463.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore::iq::abprops::web;
use whatsapp_rust::wacore::iq::tctoken::compute_cs_token;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::account::{Account, PHONE};
use crate::clock::now_s;
use crate::identity::random;
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr, child_content, children, jid_attr, notification};

/// The code of a refusal for want of a token.
pub(crate) const REFUSED: u16 = 463;
/// The only type of token that is issued.
const TRUSTED: &str = "trusted_contact";
/// Bytes of an issued token.
const TOKEN_BYTES: usize = 16;
/// Tokens one account remembers having issued.
const ISSUED_MAX: usize = 5_000;

/// What makes an account different from others; all off for an ordinary one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traits {
    /// Strangers need a token to write to it, to see its picture and to watch it.
    pub restricted: bool,
    /// It takes tokens it issued itself.
    pub accepts_trusted: bool,
    /// It takes tokens strangers made from their salt.
    pub accepts_salted: bool,
    /// Its phone sends no receipts, as if only the companions were there.
    pub silent: bool,
    /// Its companions get its chats when they are linked.
    pub history: bool,
    /// Its companions get their salt with the history.
    pub salt_by_history: bool,
    /// Its companions get their salt with the app state.
    pub salt_by_app_state: bool,
    /// Switches of experiments its companions are told, by code.
    pub props: BTreeMap<u32, String>,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            restricted: false,
            accepts_trusted: true,
            accepts_salted: true,
            silent: false,
            history: false,
            salt_by_history: false,
            salt_by_app_state: false,
            props: BTreeMap::from([(web::PRIVACY_TOKEN_SENDING_ON_ALL_1_ON_1_MESSAGES.code, "1".to_owned())]),
        }
    }
}

impl Traits {
    /// The traits a push name asks for: `restricted:NAME`, or `scenario:FLAG[=0|1],…:NAME`. The phone is silent, because
    /// nobody drives it.
    pub(crate) fn of_name(name: &str) -> Self {
        let mut traits = Self { silent: true, ..Self::default() };
        let flags = match name.split_once(':') {
            Some(("restricted", _)) => "restricted",
            Some(("scenario", rest)) => rest.split(':').next().unwrap_or_default(),
            _ => return traits,
        };
        for flag in flags.split(',') {
            let (flag, value) = flag.split_once('=').unwrap_or((flag, "1"));
            let on = value == "1";
            let mut prop = |code: u32| drop(traits.props.insert(code, value.to_owned()));
            match flag {
                "restricted" => traits.restricted = on,
                "tc_enabled" => traits.accepts_trusted = on,
                "cs_enabled" => traits.accepts_salted = on,
                "nct_history_delivery" => traits.salt_by_history = on,
                "nct_syncd_delivery" => traits.salt_by_app_state = on,
                "nct_send_ab" => prop(web::WA_NCT_TOKEN_SEND_ENABLED.code),
                "nct_history_ab" => prop(web::WA_NCT_TOKEN_HISTORY_SYNC_ENABLED.code),
                "nct_syncd_ab" => prop(web::WA_NCT_TOKEN_SYNCD_ENABLED.code),
                _ => tracing::warn!(flag, "sandbox knows no such trait"),
            }
        }
        traits
    }
}

/// One issued token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Issued {
    #[serde(with = "crate::bytes_text")]
    token: Vec<u8>,
    t_s: u64,
}

/// Issues a token for each `<token jid t type/>` and tells the contact's devices; the nodes of the answer.
pub(crate) fn issue(network: &Network, author: &Author, tokens: &Node) -> Vec<Node> {
    let mut issued = Vec::new();
    for asked in children(tokens) {
        let Some(jid) = jid_attr(asked, "jid") else { continue };
        let Some(contact) = network.directory.find_jid(&jid) else { continue };
        let t_s = attr(asked, "t").and_then(|t| t.parse().ok()).unwrap_or_else(now_s);
        let token = author.account.with(|state| {
            if state.issued.len() >= ISSUED_MAX {
                state.issued.pop_first();
            }
            let fresh = || Issued { token: random::<TOKEN_BYTES>().to_vec(), t_s };
            let token = state.issued.entry(contact.pn.clone()).or_insert_with(fresh);
            token.t_s = t_s;
            token.token.clone()
        });
        issued.push(NodeBuilder::new("token").attr("jid", jid).attr("t", t_s).attr("type", TRUSTED).build());
        let node = NodeBuilder::new("token").attr("type", TRUSTED).attr("t", t_s).bytes(token).build();
        let tokens = NodeBuilder::new("tokens").children([node]).build();
        let note = notification("privacy_token", author.account.pn_jid(PHONE), &network.stanza_id())
            .attr("sender_lid", author.account.lid_jid(PHONE))
            .children([tokens])
            .build();
        // A phone needs none: it is let through.
        for device in contact.device_numbers().into_iter().filter(|device| *device != PHONE) {
            network.post(&contact, device, note.clone());
        }
    }
    network.touch();
    issued
}

/// Whether an account takes a message of this author: it is not restricted, knows the author, or got a token.
pub(crate) fn accepts(recipient: &Arc<Account>, author: &Author, message: &Node) -> bool {
    // A phone's own client attaches what is needed, so a phone is let through.
    author.device == PHONE || Arc::ptr_eq(recipient, &author.account) || is_let_in(recipient, author, message)
}

fn is_let_in(recipient: &Account, author: &Author, node: &Node) -> bool {
    let traits = recipient.with(|state| state.traits.clone());
    if !traits.restricted {
        return true;
    }
    let trusted = traits.accepts_trusted && holds_token(recipient, &author.account, node);
    trusted || (traits.accepts_salted && holds_salted(recipient, &author.account, node))
}

fn holds_token(issuer: &Account, holder: &Account, node: &Node) -> bool {
    let Some(token) = child_content(node, "tctoken") else { return false };
    issuer.with(|state| state.issued.get(&holder.pn).is_some_and(|issued| issued.token == token))
}

fn holds_salted(recipient: &Account, holder: &Account, node: &Node) -> bool {
    let Some(token) = child_content(node, "cstoken") else { return false };
    let salt = holder.with(|state| state.salt);
    compute_cs_token(&salt, &recipient.lid_jid(PHONE).to_string()) == token
}

/// Whether a viewer may see what a privacy category of an account covers; `node` carries the viewer's token.
pub(crate) fn may_see(account: &Arc<Account>, viewer: &Arc<Account>, node: Option<&Node>, category: &str) -> bool {
    if Arc::ptr_eq(account, viewer) {
        return true;
    }
    let (restricted, open) = account.with(|state| {
        let open = match state.privacy.get(category).map(String::as_str) {
            Some("none") => false,
            Some("contacts" | "contact_blacklist") => state.contacts.contains(&viewer.pn),
            _ => true,
        };
        (state.traits.restricted, open)
    });
    open && (!restricted || node.is_some_and(|node| holds_token(account, viewer, node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_name_asks_for_traits() {
        assert_eq!(Traits::of_name("Ada"), Traits { silent: true, ..Traits::default() });
        assert!(Traits::of_name("restricted:Ada").restricted);
        let traits = Traits::of_name("scenario:restricted,cs_enabled=0,nct_send_ab=1,nct_syncd_delivery=1:Ada");
        assert!(traits.restricted && !traits.accepts_salted && traits.accepts_trusted && traits.salt_by_app_state);
        assert_eq!(traits.props.get(&web::WA_NCT_TOKEN_SEND_ENABLED.code).map(String::as_str), Some("1"));
    }
}
