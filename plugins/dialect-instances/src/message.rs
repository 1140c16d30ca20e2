//! Section "Messages".

use portico_sdk::gateway::Gateway;
use portico_sdk::http::{Request, Response};

use crate::instance::device_path;
use crate::reply::{Refusal, data};
use crate::wire::{core, ours};

/// `POST /api/message/send/text`
pub(crate) fn send_text(request: &Request, gateway: &Gateway) -> Result<Response, Refusal> {
    let body: ours::SendText = request.json()?;
    let path = format!("{}/messages", device_path(&body.instance_id)?);
    let message = core::NewMessage { to: &body.to, content: core::Content::Text { text: &body.message } };
    let sent: core::Message = gateway.post(&path, &message)?.json()?;
    Ok(data(ours::Sent {
        message_id: sent.whatsapp_id,
        id: sent.id,
        to: sent.chat.id,
        status: sent.status,
        timestamp: sent.created_at,
    }))
}
