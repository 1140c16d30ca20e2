//! Telling members what changed: one `w:gp2` notification per device, kept in its queue like a message.

use std::collections::BTreeSet;
use std::sync::Arc;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::Group;
use super::describe::{ADDRESSING, names, participant};
use crate::network::Network;
use crate::stanza::notification;

/// A change that members are to hear of. It is told after the request that made it was answered.
pub(crate) struct News {
    group: Arc<Group>,
    /// Who made the change, by number.
    author: String,
    change: Node,
    /// Who hears of it besides the members, such as one that was removed.
    also: Vec<String>,
    /// True when only admins hear of it.
    admins_only: bool,
}

impl News {
    pub(crate) fn new(group: &Arc<Group>, author: &str, change: Node) -> Self {
        Self { group: Arc::clone(group), author: author.to_owned(), change, also: Vec::new(), admins_only: false }
    }

    /// Tells these numbers too.
    pub(crate) fn also(mut self, numbers: Vec<String>) -> Self {
        self.also = numbers;
        self
    }

    /// Tells admins only.
    pub(crate) fn only_admins(mut self) -> Self {
        self.admins_only = true;
        self
    }

    /// Queues the notification for every device of everyone concerned.
    pub(crate) fn tell(self, network: &Network) {
        let mut hearers: BTreeSet<String> = self.group.with(|state| {
            let all = state.members.keys();
            all.filter(|number| !self.admins_only || state.is_admin(number)).cloned().collect()
        });
        hearers.extend(self.also);
        let (lid, pn) = names(network, &self.author);
        let name = network.directory.find(&self.author).map(|account| account.name()).unwrap_or_default();
        let note = notification("w:gp2", self.group.jid(), &network.stanza_id())
            .attr("participant", lid)
            .attr("participant_pn", pn)
            .attr("addressing_mode", ADDRESSING)
            .attr("notify", name)
            .children([self.change])
            .build();
        for account in hearers.iter().filter_map(|number| network.directory.find(number)) {
            for device in account.device_numbers() {
                network.post(&account, device, note.clone());
            }
        }
        network.touch();
    }
}

/// `<add>`, `<remove>`, … with the changed members inside.
pub(crate) fn members_changed(network: &Network, tag: &'static str, numbers: &[String]) -> Node {
    let inside: Vec<Node> = numbers.iter().map(|number| participant(network, number).build()).collect();
    NodeBuilder::new(tag).children(inside).build()
}
