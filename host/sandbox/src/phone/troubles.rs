//! Making trouble for an account's companions: ending links, limiting the account.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::handle::Phone;
use crate::account::PHONE;
use crate::{Restriction, Traits};

/// How the server ends a companion's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkEnd {
    /// Without a word, as a broken network does.
    Cut,
    /// Another client took the device's place (`conflict`, `replaced`).
    Conflict,
    /// The device is asked to connect again (515).
    Restart,
    /// The device is unlinked, as from the phone's settings.
    LoggedOut,
    /// A stream error with this code.
    Code(u16),
}

impl Phone {
    /// Ends the connection of a companion; false when there is no such companion.
    pub fn end_link(&self, device: u16, how: LinkEnd) -> bool {
        if device == PHONE {
            return false;
        }
        let error = |node: NodeBuilder| Some(node.build());
        let last: Option<Node> = match how {
            LinkEnd::LoggedOut => return self.unlink(device),
            LinkEnd::Cut => None,
            LinkEnd::Conflict => {
                let conflict = NodeBuilder::new("conflict").attr("type", "replaced").build();
                error(NodeBuilder::new("stream:error").children([conflict]))
            }
            LinkEnd::Restart => error(NodeBuilder::new("stream:error").attr("code", 515u16)),
            LinkEnd::Code(code) => error(NodeBuilder::new("stream:error").attr("code", code)),
        };
        let ended = self.account.with_device(device, |device| match last {
            Some(last) => device.mailbox.dismiss(last),
            None => device.mailbox.cut(),
        });
        ended.is_some()
    }

    /// What the account is limited by.
    pub fn restriction(&self) -> Restriction {
        self.account.with(|state| state.restriction)
    }

    /// Limits the account, in place of earlier limits. Clients learn it when they ask or when they are refused.
    pub fn restrict(&self, restriction: Restriction) {
        self.account.with(|state| state.restriction = restriction);
        self.network.touch();
    }

    /// What makes the account different from others.
    pub fn traits(&self) -> Traits {
        self.account.with(|state| state.traits.clone())
    }

    /// Changes what makes the account different. Companions learn of `props` at their next login.
    pub fn set_traits(&self, traits: Traits) {
        self.account.with(|state| state.traits = traits);
        self.network.touch();
    }
}
