//! A phone's duties towards linked devices: announcing them, sharing the app-state key, unlinking.

use std::sync::Arc;

use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp::message::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId, AppStateSyncKeyShare,
    ProtocolMessage, protocol_message,
};

use super::event::Change;
use super::{history, peer};
use crate::Error;
use crate::account::{Account, PHONE};
use crate::clock::{now_ms, now_s};
use crate::network::Network;
use crate::pairing::key_index_list;
use crate::stanza::notification;

/// Tells the account's contacts and its own other devices about a new device.
pub(crate) fn announce(network: &Network, account: &Account, device: u16) {
    tell(network, account, device, "add");
    account.phone.with_log(|log| log.record(Change::Linked { device }));
}

/// Removes a device, tells everyone who may know it and ends its connection.
pub(crate) fn unlink(network: &Network, account: &Account, device: u16) -> bool {
    if device == PHONE {
        return false;
    }
    let Some(mut gone) = account.with(|state| state.devices.remove(&device)) else {
        return false;
    };
    let conflict = NodeBuilder::new("conflict").attr("type", "device_removed").build();
    gone.mailbox.dismiss(NodeBuilder::new("stream:error").attr("code", 401u16).children([conflict]).build());
    tell(network, account, device, "remove");
    account.phone.with_log(|log| log.record(Change::Unlinked { device }));
    network.touch();
    true
}

fn tell(network: &Network, account: &Account, device: u16, what: &'static str) {
    let (t, list) = key_index_list(account).map_or_else(|| (now_s(), None), |(t, list)| (t, Some(list)));
    let mut index = NodeBuilder::new("key-index-list").attr("ts", t);
    if let Some(list) = list.filter(|_| what == "add") {
        index = index.bytes(list);
    }
    let index = index.build();
    let entry = |jid: Jid| NodeBuilder::new("device").attr("jid", jid).attr("key-index", device);
    let change = NodeBuilder::new(what)
        .children([entry(account.pn_jid(device)).attr("lid", account.lid_jid(device)).build(), index.clone()])
        .build();
    for contact in network.contacts_of(account) {
        for companion in contact.device_numbers().into_iter().filter(|companion| *companion != PHONE) {
            let note = notification("devices", account.pn_jid(PHONE), &network.stanza_id())
                .attr("lid", account.lid_jid(PHONE))
                .children([change.clone()]);
            network.post(&contact, companion, note.build());
        }
    }
    let mut all: Vec<Node> = vec![NodeBuilder::new("device").attr("jid", account.pn_jid(PHONE)).build()];
    let linked = account.with(|state| state.companions().map(|(device, _)| device).collect::<Vec<_>>());
    all.extend(
        linked
            .iter()
            .map(|one| NodeBuilder::new("device").attr("jid", account.pn_jid(*one)).attr("key-index", *one).build()),
    );
    all.push(index);
    for sibling in linked.into_iter().filter(|sibling| *sibling != device) {
        let devices = NodeBuilder::new("devices").children(all.clone()).build();
        let note = notification("account_sync", account.pn_jid(PHONE), &network.stanza_id()).children([devices]);
        network.post(account, sibling, note.build());
    }
}

/// Shares the app-state key with a companion that has just uploaded its keys, once.
pub(crate) async fn share_key(network: &Arc<Network>, account: &Arc<Account>, device: u16) {
    let first = account.with_device(device, |device| {
        device.companion.as_mut().is_some_and(|companion| !std::mem::replace(&mut companion.shared_key, true))
    });
    if first == Some(true) {
        share_key_again(network, account, device).await;
        if let Err(error) = history::first(network, account, device).await {
            tracing::warn!(%error, "sandbox phone cannot send its history");
        }
    }
}

/// Shares the app-state key because the companion asked for it.
pub(crate) async fn share_key_again(network: &Arc<Network>, account: &Arc<Account>, device: u16) {
    if let Err(error) = share(network, account, device).await {
        tracing::warn!(%error, "sandbox phone cannot share its app-state key");
    }
}

async fn share(network: &Arc<Network>, account: &Arc<Account>, device: u16) -> Result<(), Error> {
    peer::send(network, account, device, key_share(account)).await.map(drop)
}

fn key_share(account: &Account) -> ProtocolMessage {
    let indexes = account.with(|state| state.companions().map(|(_, one)| one.key_index).collect::<Vec<_>>());
    let key = &account.phone.app_key;
    let shared = AppStateSyncKey {
        key_id: MessageField::some(AppStateSyncKeyId { key_id: Some(key.id.to_vec()) }),
        key_data: MessageField::some(AppStateSyncKeyData {
            key_data: Some(key.key.to_vec()),
            fingerprint: MessageField::some(AppStateSyncKeyFingerprint {
                raw_id: Some(account.raw_id),
                current_index: Some(0),
                device_indexes: std::iter::once(0).chain(indexes).collect(),
            }),
            timestamp: i64::try_from(now_ms()).ok(),
        }),
    };
    ProtocolMessage {
        r#type: Some(protocol_message::Type::AppStateSyncKeyShare),
        app_state_sync_key_share: MessageField::some(AppStateSyncKeyShare { keys: vec![shared] }),
        ..Default::default()
    }
}
