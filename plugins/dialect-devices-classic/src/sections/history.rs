//! Section "Message history": messages of the token, of a user, of a chat.

mod view;

use portico_sdk::api::{Device, Message, Page};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde_json::{Value, json};

use super::devices::{all_devices, devices_of, found};
use crate::names::{message_of, status_of_message, type_of_message};
use crate::paging::Paging;
use crate::{COMMON, Classic, bad, data};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/messages").limits(COMMON).run(of_token),
    get("/api/whatsapp/users/{userId}/messages").limits(COMMON).run(of_user),
    get("/api/whatsapp/devices/{deviceId}/messages/{jid}").limits(COMMON).run(of_chat),
];

/// Messages on one page if the request does not say, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// Requests of the core that one list may take, over all devices: a call may make only so many.
const REQUESTS_MAX: usize = 25;

/// What the query asks for beyond what the core's lists can filter.
struct Wanted<'a> {
    kind: Option<&'a str>,
    status: Option<&'a str>,
    /// Days, both included.
    from: Option<&'a str>,
    to: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(call: &'a Call<Classic>) -> Result<Self, Fault> {
        let asked = |name: &str| call.query(name).filter(|text| !text.is_empty());
        let day = |name: &str| match asked(name).map(day_of) {
            Some(None) => Err(Fault::invalid(name, "must be a day such as 2026-01-31")),
            Some(day) => Ok(day),
            None => Ok(None),
        };
        Ok(Self { kind: asked("type"), status: asked("status"), from: day("dateFrom")?, to: day("dateTo")? })
    }

    fn fits(&self, message: &Message) -> bool {
        let day = day_of(message.timestamp.as_str()).unwrap_or_default();
        self.kind.is_none_or(|kind| type_of_message(message) == kind)
            && self.status.is_none_or(|status| status_of_message(message.status) == status)
            && self.from.is_none_or(|from| day >= from)
            && self.to.is_none_or(|to| day <= to)
    }
}

/// The day of a time, or a day itself.
fn day_of(text: &str) -> Option<&str> {
    let day = text.get(..10)?;
    let is_digit = |at: usize| day.as_bytes()[at].is_ascii_digit();
    let fits = (0..10).all(|at| if at == 4 || at == 7 { day.as_bytes()[at] == b'-' } else { is_digit(at) });
    fits.then_some(day)
}

/// The newest messages of devices, as many as [`REQUESTS_MAX`] requests give; newest first.
fn newest<'d>(
    call: &Call<Classic>,
    devices: &'d [Device],
    filter: &str,
    wanted: &Wanted,
) -> Result<Vec<(Message, &'d Device)>, Fault> {
    if devices.len() > REQUESTS_MAX {
        return Err(bad::unsupported("userId", "these are too many devices to be asked at once; ask for one chat"));
    }
    let requests = REQUESTS_MAX / devices.len().max(1);
    let mut all = Vec::new();
    for device in devices {
        let path = format!("/v1/devices/{}/messages{filter}", device.id);
        let newest: Vec<Message> = call.gateway.first(&path, requests)?;
        all.extend(newest.into_iter().filter(|message| wanted.fits(message)).map(|message| (message, device)));
    }
    all.sort_by(|(a, _), (b, _)| b.created_at.cmp(&a.created_at));
    Ok(all)
}

fn of_token(call: &Call<Classic>) -> Result<Response, Fault> {
    let paging = Paging::of(call, PAGE, PAGE_MAX)?;
    if let Some(id) = call.query("messageId").filter(|id| !id.is_empty()) {
        let (message, device) = one(call, id)?;
        return Ok(listed(paging, &[(message, &device)]));
    }
    let wanted = Wanted::of(call)?;
    let devices = all_devices(call)?;
    Ok(listed(paging, &newest(call, &devices, "", &wanted)?))
}

/// One message of whichever device.
fn one(call: &Call<Classic>, id: &str) -> Result<(Message, Device), Fault> {
    let id = message_of(id).ok_or_else(bad::no_such_message)?;
    let answer = call.gateway.get(&format!("/v1/messages/{id}")).map_err(|error| {
        let fault = Fault::from(error);
        if fault.is_not_found() { bad::no_such_message() } else { fault }
    });
    let message: Message = answer?.json()?;
    let device = found(call, &message.device)?;
    Ok((message, device))
}

fn of_user(call: &Call<Classic>) -> Result<Response, Fault> {
    let paging = Paging::of(call, PAGE, PAGE_MAX)?;
    let filter = match call.query("contactId").filter(|contact| !contact.is_empty()) {
        Some(contact) => format!("?chat={}", segment(&chat_of(contact))),
        None => String::new(),
    };
    let wanted = Wanted::of(call)?;
    let devices = devices_of(call, call.raw("userId"))?;
    Ok(listed(paging, &newest(call, &devices, &filter, &wanted)?))
}

/// Messages of one device and chat: the core pages these itself.
fn of_chat(call: &Call<Classic>) -> Result<Response, Fault> {
    let paging = Paging::of(call, PAGE, PAGE_MAX)?;
    let device = found(call, &call.param("deviceId")?)?;
    let chat = segment(&chat_of(call.raw("jid")));
    let (limit, offset) = (paging.limit(), paging.offset());
    let path = format!("/v1/devices/{}/messages?chat={chat}&limit={limit}&offset={offset}&total=true", device.id);
    let page: Page<Message> = call.gateway.get(&path)?.json()?;
    let total = usize::try_from(page.total.unwrap_or_default()).unwrap_or(usize::MAX);
    let shown: Vec<Value> = page.items.iter().map(|message| view::message(message, &device)).collect();
    Ok(data(json!({ "messages": shown, "pagination": paging.shown(total) })))
}

/// A chat's JID; of a number, that of the person.
fn chat_of(contact: &str) -> String {
    let digits = contact.strip_prefix('+').unwrap_or(contact);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("{digits}@s.whatsapp.net") } else { contact.to_owned() }
}

/// One page, with figures over all that were found.
fn listed(paging: Paging, all: &[(Message, &Device)]) -> Response {
    let shown: Vec<Value> = paging.cut(all).iter().map(|(message, device)| view::message(message, device)).collect();
    data(json!({ "messages": shown, "pagination": paging.shown(all.len()), "statistics": view::statistics(all) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_from_other_texts() {
        assert_eq!(day_of("2026-01-31"), Some("2026-01-31"));
        assert_eq!(day_of("2026-01-31T12:00:00.000Z"), Some("2026-01-31"));
        for text in ["", "2026", "2026/01/31", "yesterday!", "ää-01-31"] {
            assert_eq!(day_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_a_chat_too() {
        assert_eq!(chat_of("+15550100002"), "15550100002@s.whatsapp.net");
        assert_eq!(chat_of("1203630@g.us"), "1203630@g.us");
    }
}
