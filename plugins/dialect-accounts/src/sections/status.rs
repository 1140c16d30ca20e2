//! Section "Account": how one account fares, and its messages.

use portico_sdk::api::{Content, Device, Direction, Message, MessageStatus, Page};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::http::Response;
use serde_json::{Value, json};

use crate::{ACCOUNT, Accounts, account, bad, ok, token};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    get("/api/account/{token}/status").auth(ACCOUNT).run(status),
    get("/api/account/{token}/messages").auth(ACCOUNT).run(messages),
];

const LIMIT_DEFAULT: u32 = 50;

/// The account, if the token of the path is that of the header.
fn own(call: &Call<Accounts>) -> Result<Device, Fault> {
    let presented = token::presented(call)?;
    let device = token::assumed(call, call.raw("token"))?;
    if device.id == presented { Ok(device) } else { Err(bad::not_yours()) }
}

fn status(call: &Call<Accounts>) -> Result<Response, Fault> {
    let device = own(call)?;
    let total = |filter: &str| -> Result<u64, Fault> { Ok(page(call, &device, filter)?.total.unwrap_or_default()) };
    let (all, queued, failed) =
        (total("direction=out&limit=1")?, total("status=queued&limit=1")?, total("status=failed&limit=1")?);
    let received = total("direction=in&limit=1")?;
    let newest = page(call, &device, "limit=1")?.items.into_iter().next();
    let statistics = json!({ "messagesSent": all.saturating_sub(queued + failed), "messagesReceived": received,
        "lastActivity": newest.map(|message| message.created_at) });
    let account = account::shown(&device, call.raw("token"));
    Ok(ok(None, json!({ "account": account, "statistics": statistics })))
}

fn page(call: &Call<Accounts>, device: &Device, filter: &str) -> Result<Page<Message>, Fault> {
    Ok(call.gateway.get(&format!("/v1/devices/{}/messages?{filter}&total=true", device.id))?.json()?)
}

fn messages(call: &Call<Accounts>) -> Result<Response, Fault> {
    let (limit, offset) = (number(call, "limit", LIMIT_DEFAULT)?, number(call, "offset", 0)?);
    let device = own(call)?;
    let found = page(call, &device, &format!("limit={limit}&offset={offset}"))?;
    let own_number = account::phone_number(&device);
    let total = found.total.unwrap_or_default();
    let shown: Vec<Value> = found.items.iter().map(|message| shown(message, own_number.as_deref())).collect();
    let has_more = u64::from(offset) + (shown.len() as u64) < total;
    let pagination = json!({ "total": total, "limit": limit, "offset": offset, "hasMore": has_more });
    Ok(ok(None, json!({ "messages": shown, "pagination": pagination })))
}

fn number(call: &Call<Accounts>, name: &str, default: u32) -> Result<u32, Fault> {
    call.query(name).map_or(Ok(default), |text| text.parse().map_err(|_| Fault::invalid(name, "must be a number")))
}

fn shown(message: &Message, own_number: Option<&str>) -> Value {
    let chat = Some(account::number_of(message.chat.pn.as_deref().unwrap_or(&message.chat.id)));
    let sender = message.sender.as_ref().map(|party| account::number_of(party.pn.as_deref().unwrap_or(&party.id)));
    let own_number = own_number.map(str::to_owned);
    let (from, to, direction) = match message.direction {
        Direction::In => (sender.or(chat), own_number, "inbound"),
        Direction::Out => (own_number, chat, "outbound"),
    };
    let (kind, content) = content(&message.content);
    json!({ "id": message.whatsapp_id, "from": from, "to": to, "content": content, "type": kind,
        "timestamp": message.timestamp, "direction": direction, "status": status_name(message.status) })
}

/// This API's type of a message, and its text or caption.
fn content(content: &Content) -> (&'static str, Option<&str>) {
    match content {
        Content::Text { text } => ("text", Some(text)),
        Content::Image(media) | Content::Sticker(media) => ("image", media.caption.as_deref()),
        Content::Video(media) | Content::VideoNote(media) => ("video", media.caption.as_deref()),
        Content::Audio(media) | Content::Voice(media) => ("audio", media.caption.as_deref()),
        Content::Document(media) => ("document", media.caption.as_deref()),
        Content::Location { location } => ("location", location.name.as_deref()),
        Content::LiveLocation { .. } => ("location", None),
        Content::Contacts { contacts } => ("contact", contacts.first().map(|contact| contact.name.as_str())),
        Content::Poll { poll } => ("text", Some(&poll.question)),
        Content::List { list } => ("text", Some(&list.text)),
        Content::Buttons { buttons } => ("text", Some(&buttons.text)),
        Content::Event { event } => ("text", Some(&event.name)),
        Content::Other { text, .. } => ("text", text.as_deref()),
    }
}

fn status_name(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Queued => "pending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered => "delivered",
        MessageStatus::Read | MessageStatus::Played => "read",
        MessageStatus::Failed => "failed",
        MessageStatus::Received => "received",
    }
}
