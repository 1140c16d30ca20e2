//! Messages between a phone and its companions that no user sees: keys, history, answers to requests for data.

use std::sync::Arc;

use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::messages::MessageUtils;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::peer_data_operation_request_response_message::{
    PeerDataOperationResult, peer_data_operation_result::PlaceholderMessageResendResponse,
};
use whatsapp_rust::waproto::whatsapp::message::{
    PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage, PeerDataOperationRequestType,
    ProtocolMessage, protocol_message,
};

use super::history;
use super::send::encrypt;
use crate::Error;
use crate::account::{Account, PHONE};
use crate::identity::random_hex;
use crate::network::Network;
use crate::relay::{self, Author};

/// Encrypts a message for one companion; false when it has no keys yet.
pub(super) async fn send(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    message: ProtocolMessage,
) -> Result<bool, Error> {
    let message = wa::Message { protocol_message: MessageField::some(message), ..Default::default() };
    let plain = MessageUtils::encode_and_pad(&message);
    let mut signal = account.phone.signal.lock().await;
    let Some(enc) = encrypt(network, &mut signal, account, device, &plain).await? else {
        return Ok(false);
    };
    let node = NodeBuilder::new("message")
        .attr("to", account.pn_jid(device))
        .attr("id", format!("3EB0{}", random_hex::<9>()))
        .attr("type", "text")
        .attr("category", "peer")
        .children([enc.build()])
        .build();
    relay::message(network, &Author { account: Arc::clone(account), device: PHONE }, &node);
    Ok(true)
}

/// Answers a companion's request for data; one the phone cannot serve is answered with no results.
pub(super) async fn answer(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    id: &str,
    request: &PeerDataOperationRequestMessage,
) {
    let answered = match request.history_sync_on_demand_request.as_option() {
        Some(asked) => history::on_demand(network, account, device, id, asked).await,
        None => results(network, account, device, id, request).await,
    };
    if let Err(error) = answered {
        tracing::warn!(%error, "sandbox phone cannot answer a request for data");
    }
}

async fn results(
    network: &Arc<Network>,
    account: &Arc<Account>,
    device: u16,
    id: &str,
    request: &PeerDataOperationRequestMessage,
) -> Result<(), Error> {
    let found = request.placeholder_message_resend_request.iter().filter_map(|asked| {
        let id = asked.message_key.as_option()?.id.clone()?;
        let message = history::find(account, &id)?;
        let bytes = whatsapp_rust::buffa::Message::encode_to_vec(&message);
        Some(PeerDataOperationResult {
            placeholder_message_resend_response: MessageField::some(PlaceholderMessageResendResponse {
                web_message_info_bytes: Some(bytes),
            }),
            ..Default::default()
        })
    });
    let response = PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: request
            .peer_data_operation_request_type
            .or(Some(PeerDataOperationRequestType::PLACEHOLDER_MESSAGE_RESEND)),
        stanza_id: Some(id.to_owned()),
        peer_data_operation_result: found.collect(),
    };
    let message = ProtocolMessage {
        r#type: Some(protocol_message::Type::PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE),
        peer_data_operation_request_response_message: MessageField::some(response),
        ..Default::default()
    };
    send(network, account, device, message).await.map(drop)
}
