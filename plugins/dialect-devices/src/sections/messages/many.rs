//! Sending several files with one request. They are queued one after another and the answer does not wait for WhatsApp, so that
//! each is `pending`; what becomes of them is told by their status and by webhooks.

use std::collections::BTreeMap;

use portico_sdk::api::{Media, Message};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{file_content, of_session, sent};
use crate::names::media_of;
use crate::{Devices, bad, data};

/// Requests of the core that one request may lead to; a call may make only so many.
const REQUESTS_MAX: usize = 30;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    session_id: String,
    recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    phone_number: String,
    file_id: String,
    #[serde(default)]
    caption: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mixed {
    session_id: String,
    phone_number: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_id: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    caption: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Image,
    Video,
    Document,
    Audio,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
            Self::Audio => "audio",
        }
    }

    /// How a file of a type is shown on the phone. A GIF is no picture to WhatsApp.
    fn of(media_type: &str) -> Self {
        match media_type.split('/').next() {
            Some("image") if media_type != "image/gif" => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::Document,
        }
    }
}

/// One file to one number.
struct Item {
    to: String,
    file: String,
    content: Result<Value, Fault>,
}

/// A request names no kinds, so that each file is looked up.
pub(super) fn bulk(call: &Call<Devices>) -> Result<Response, Fault> {
    let Bulk { session_id, recipients } = call.json()?;
    let mut kinds: BTreeMap<String, Option<Kind>> =
        recipients.iter().map(|recipient| (recipient.file_id.clone(), None)).collect();
    within("recipients", recipients.len() + kinds.len())?;
    for (file, kind) in &mut kinds {
        *kind = kind_of(call, file)?;
    }
    let items = recipients.into_iter().map(|Recipient { phone_number, file_id, caption }| {
        let kind = kinds.get(&file_id).copied().flatten().ok_or_else(bad::no_such_file);
        let content = kind.and_then(|kind| file_content(kind.name(), &file_id, caption));
        Item { to: phone_number, file: file_id, content }
    });
    queue(call, &session_id, items.collect())
}

pub(super) fn mixed(call: &Call<Devices>) -> Result<Response, Fault> {
    let Mixed { session_id, phone_number, files } = call.json()?;
    within("files", files.len())?;
    let items = files.into_iter().map(|File { file_id, kind, caption }| {
        // There is no text under sound.
        let caption = caption.filter(|_| !matches!(kind, Kind::Audio));
        let content = file_content(kind.name(), &file_id, caption);
        Item { to: phone_number.clone(), file: file_id, content }
    });
    queue(call, &session_id, items.collect())
}

fn within(field: &str, requests: usize) -> Result<(), Fault> {
    match requests {
        0 => Err(Fault::invalid(field, "must not be empty")),
        1..=REQUESTS_MAX => Ok(()),
        _ => Err(Fault::invalid(field, "are too many for one request; send them in several")),
    }
}

/// `None`: there is no such file.
fn kind_of(call: &Call<Devices>, file: &str) -> Result<Option<Kind>, Fault> {
    let Some(media) = media_of(file) else { return Ok(None) };
    match call.gateway.get(&format!("/v1/media/{media}")) {
        Ok(answer) => Ok(Some(Kind::of(&answer.json::<Media>()?.media_type))),
        Err(error) => {
            let fault = bad::of_file(error);
            if fault.is_not_found() { Ok(None) } else { Err(fault) }
        }
    }
}

/// One that fails does not keep the others from being sent; if none is sent, the first failure is the answer.
fn queue(call: &Call<Devices>, session: &str, items: Vec<Item>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}/messages", of_session(session)?);
    let (mut results, mut count, mut first) = (Vec::new(), 0_usize, None);
    for Item { to, file, content } in items {
        let queued = content.and_then(|content| {
            let answer = call.gateway.post(&path, &json!({ "to": to, "content": content }))?;
            Ok(answer.json::<Message>()?)
        });
        let mut result = match &queued {
            Ok(message) => sent(message),
            Err(fault) => json!({ "status": "failed", "error": fault.detail }),
        };
        result["phoneNumber"] = json!(to);
        result["fileId"] = json!(file);
        results.push(result);
        match queued {
            Ok(_) => count += 1,
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    match first {
        Some(fault) if count == 0 => Err(fault),
        _ => Ok(data(
            json!({ "total": results.len(), "queued": count, "failed": results.len() - count, "results": results }),
        )),
    }
}
