//! Sending to many with one request. Messages are queued one after another and the answer does not wait for WhatsApp, so that
//! each is `pending`; what becomes of them is told by lists and webhooks. How far apart they go is the pacing plugin's business.

use portico_sdk::api::Message;
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{of_session, templates, text, view};
use crate::names::status_of_message;
use crate::{Classic, told};

/// Recipients of one request at most: each is a request of the core, and a call may make only so many.
const RECIPIENTS_MAX: usize = 30;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    session_id: String,
    recipients: Vec<Recipient>,
    /// An object; clients also send an empty list or null.
    #[serde(default)]
    options: Value,
}

#[derive(Deserialize)]
struct Recipient {
    phone: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    variables: Map<String, Value>,
}

/// A template that is named stands in for the messages. One recipient that fails does not keep the others from being sent to;
/// if nobody is, the first failure is the answer.
pub(super) fn send_bulk(call: &Call<Classic>) -> Result<Response, Fault> {
    let Bulk { session_id, recipients, options } = call.json()?;
    match recipients.len() {
        0 => return Err(Fault::invalid("recipients", "must not be empty")),
        1..=RECIPIENTS_MAX => {}
        _ => return Err(Fault::invalid("recipients", "may be 30 at most; send several requests")),
    }
    let device = of_session(&session_id)?;
    let template = match options["template"].as_str() {
        Some(name) => Some(templates::named(call, &device, name)?),
        None => None,
    };
    let path = format!("/v1/devices/{device}/messages");
    let (mut results, mut queued, mut first) = (Vec::new(), 0_usize, None);
    for Recipient { phone, message, variables } in recipients {
        let words = template.as_ref().or(message.as_ref()).ok_or_else(|| Fault::invalid("message", "is needed"));
        let sent = words.and_then(|words| {
            let new = json!({ "to": phone, "content": text(&templates::filled(words, &variables)) });
            Ok(call.gateway.post(&path, &new)?.json::<Message>()?)
        });
        match sent {
            Ok(message) => {
                let mut shown = view(&message);
                shown["phone"] = json!(phone);
                shown["status"] = json!(status_of_message(message.status));
                results.push(shown);
                queued += 1;
            }
            Err(fault) => {
                results.push(json!({ "phone": phone, "status": "failed", "error": fault.detail }));
                first = first.or(Some(fault));
            }
        }
    }
    match first {
        Some(fault) if queued == 0 => Err(fault),
        _ => {
            let shown = json!({ "total": results.len(), "queued": queued, "failed": results.len() - queued,
                "results": results });
            Ok(told(shown, Some("Bulk messages queued")))
        }
    }
}
