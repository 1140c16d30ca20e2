//! Faults on the way to a device: a stanza is lost, late, comes twice, or changes places with the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use whatsapp_rust::wacore_binary::Node;

use super::{Effect, Place, Victim};
use crate::account::{Account, PHONE};
use crate::network::Network;
use crate::sync::held;

/// Stanzas held back, by number and device.
pub(super) type HeldBack = HashMap<(String, u16), Arc<Node>>;

/// Applies a fault to a stanza for a linked device; the stanzas to queue now, in order. Phones suffer no faults.
pub(crate) fn afflict(network: &Network, account: &Account, device: u16, node: Arc<Node>) -> Vec<Arc<Node>> {
    if device == PHONE {
        return vec![node];
    }
    let key = (account.pn.clone(), device);
    let of = node.tag.to_string();
    let victim = Victim { phone: &account.pn, device, of: &of };
    let faults = &network.faults;
    let mut now = match faults.strike(Place::Deliver, victim) {
        Some(Effect::Drop) => Vec::new(),
        Some(Effect::Duplicate) => vec![Arc::clone(&node), node],
        Some(Effect::Swap) => {
            let earlier = held(&faults.held_back).insert(key, node);
            return earlier.into_iter().collect();
        }
        Some(Effect::DelayMs(delay)) => {
            later(network, account, device, node, Duration::from_millis(delay));
            Vec::new()
        }
        _ => vec![node],
    };
    if !now.is_empty() {
        now.extend(held(&faults.held_back).remove(&key));
    }
    now
}

fn later(network: &Network, account: &Account, device: u16, node: Arc<Node>, delay: Duration) {
    let Some(account) = network.directory.find(&account.pn) else { return };
    let (queue_max, stop) = (network.limits.queue_max, network.stop.clone());
    network.tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            // A device that was unlinked meanwhile gets nothing.
            () = tokio::time::sleep(delay) => drop(account.post(device, node, queue_max)),
        }
    });
}
