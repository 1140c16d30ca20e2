//! A phone writes to many: one ciphertext under its sender key, and the key itself for each device that lacks it.

use std::sync::Arc;

use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::libsignal::protocol::ProtocolAddress;
use whatsapp_rust::wacore::messages::MessageUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::SenderKeyDistributionMessage;

use super::send::encrypt;
use super::signal::{Signal, address};
use crate::Error;
use crate::account::{Account, PHONE};
use crate::groups::Group;
use crate::network::Network;

/// A message that carries the phone's sender key for a chat, beside whatever else it holds.
pub(super) fn with_key(mut message: wa::Message, chat: &str, key: Vec<u8>) -> wa::Message {
    message.sender_key_distribution_message = MessageField::some(SenderKeyDistributionMessage {
        group_id: Some(chat.to_owned()),
        axolotl_sender_key_distribution_message: Some(key),
    });
    message
}

/// The children of a group message: keys for the devices that lack them, then the ciphertext for all.
pub(super) async fn seal(
    network: &Network,
    account: &Arc<Account>,
    group: &Group,
    signal: &mut Signal,
    message: &wa::Message,
) -> Result<Vec<Node>, Error> {
    let chat = group.jid().to_string();
    let own = address(account, PHONE);
    let mut devices: Vec<(ProtocolAddress, Arc<Account>, u16)> = Vec::new();
    for member in group.members().into_iter().filter_map(|number| network.directory.find(&number)) {
        let numbers = member.device_numbers();
        let others = numbers.into_iter().filter(|device| !(Arc::ptr_eq(&member, account) && *device == PHONE));
        devices.extend(others.map(|device| (address(&member, device), Arc::clone(&member), device)));
    }
    let addresses: Vec<ProtocolAddress> = devices.iter().map(|(address, _, _)| address.clone()).collect();
    let missing = signal.sender_keys.missing(&chat, &own, &addresses);
    let mut inside = Vec::new();
    let key = signal.sender_keys.own(&chat, &own).await?;
    if !missing.is_empty() {
        let plain = MessageUtils::encode_and_pad(&with_key(wa::Message::default(), &chat, key));
        let mut entries = Vec::new();
        for (address, member, device) in devices.iter().filter(|(address, _, _)| missing.contains(address)) {
            if let Some(enc) = encrypt(network, signal, member, *device, &plain).await? {
                signal.sender_keys.gave(&chat, address);
                entries
                    .push(NodeBuilder::new("to").attr("jid", member.lid_jid(*device)).children([enc.build()]).build());
            }
        }
        inside.push(NodeBuilder::new("participants").children(entries).build());
    }
    let plain = MessageUtils::encode_and_pad(message);
    let sealed = signal.sender_keys.encrypt(&chat, &own, &plain).await?;
    inside.push(NodeBuilder::new("enc").attr("v", 2u8).attr("type", "skmsg").bytes(sealed).build());
    Ok(inside)
}
