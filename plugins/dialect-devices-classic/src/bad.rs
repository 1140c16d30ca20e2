//! Errors of this API: `{"success": false, "error": {"code", "message", "details"?, "timestamp", "requestId"}}`.

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::Fault;
use portico_sdk::http::Response;
use portico_sdk::time::iso;
use serde_json::{Value, json};

/// Status, code and text.
type Wording = (u16, &'static str, &'static str);

/// Documented errors that the core has no code of its own for.
const NO_QR: Wording = (400, "INVALID_QR_CODE", "There is no QR code to scan");
const DELIVERY_FAILED: Wording = (500, "WEBHOOK_DELIVERY_FAILED", "Webhook delivery failed");
const PHONE_NUMBER: Wording = (400, "INVALID_PHONE_NUMBER", "Invalid phone number format");
const NO_TEMPLATE: Wording = (404, "TEMPLATE_NOT_FOUND", "There is no template of this name");
const NO_MESSAGE: Wording = (404, "MESSAGE_NOT_FOUND", "There is no message of this id");

/// What the document advises when a device is not connected.
const SOLUTIONS: [&str; 3] =
    ["Connect device using /devices/{id}/connect", "Scan QR code if required", "Check device status"];

/// What this API answers for a device or session it does not have.
pub(crate) fn no_such_device() -> Fault {
    Fault::new(ProblemCode::DeviceNotFound, "there is no device of this id")
}

/// What this API answers for a message it does not have.
pub(crate) fn no_such_message() -> Fault {
    of(NO_MESSAGE)
}

/// What this API answers for a template it does not have.
pub(crate) fn no_such_template() -> Fault {
    of(NO_TEMPLATE)
}

/// What this API answers when there is no QR code to scan.
pub(crate) fn no_qr() -> Fault {
    of(NO_QR)
}

/// What this API answers when the receiver of a webhook did not take a test.
pub(crate) fn delivery_failed() -> Fault {
    of(DELIVERY_FAILED)
}

/// What this API answers for a key that is good and not of the kind that is needed.
pub(crate) fn wrong_key(detail: &str) -> Fault {
    Fault::new(ProblemCode::Unauthenticated, detail)
}

/// What this API answers for something that the gateway can't do.
pub(crate) fn unsupported(field: &str, why: &str) -> Fault {
    Fault { field: Some(field.into()), ..Fault::new(ProblemCode::Unsupported, why) }
}

fn of((status, _, text): Wording) -> Fault {
    Fault::says(status, text)
}

/// An error in this API's words.
pub(crate) fn response(fault: &Fault) -> Response {
    let (status, code, message) = wording(fault);
    let mut error = json!({ "code": code, "message": message });
    if let Some(details) = details(fault, status) {
        error["details"] = details;
    }
    match code {
        "RATE_LIMIT_EXCEEDED" => error["retryAfter"] = json!(fault.retry_after),
        "DEVICE_NOT_CONNECTED" => error["solutions"] = json!(SOLUTIONS),
        _ => {}
    }
    error["timestamp"] = json!(iso(fault.at_ms));
    error["requestId"] = json!(format!("req_{}", fault.call_id));
    Response::json(status, &json!({ "success": false, "error": error }))
}

/// What happened and what to do, with the field it is about. What failed inside is told to nobody.
fn details(fault: &Fault, status: u16) -> Option<Value> {
    if status == 500 || fault.says.is_some() || fault.detail.is_empty() {
        return None;
    }
    Some(match &fault.field {
        Some(field) => json!({ "field": theirs(field), "reason": fault.detail }),
        None => json!({ "reason": fault.detail }),
    })
}

/// What this API calls a field of the core's requests.
fn theirs(field: &str) -> &str {
    match field {
        "to" => "recipient",
        "name" => "alias",
        // The refs of a device are made of it.
        refs if refs.starts_with("refs.") => "alias",
        "content.text" => "message",
        "content.caption" => "caption",
        webhook => webhook.strip_prefix("webhook.").unwrap_or(webhook),
    }
}

fn wording(fault: &Fault) -> Wording {
    if let Some(text) = fault.says {
        let all = [NO_QR, DELIVERY_FAILED, PHONE_NUMBER, NO_TEMPLATE, NO_MESSAGE];
        let known = all.into_iter().find(|(_, _, sentence)| *sentence == text);
        return known.unwrap_or((fault.status, "INVALID_REQUEST", text));
    }
    match (fault.code, fault.field.as_deref()) {
        (ProblemCode::InvalidRequest, Some("to" | "recipient")) => PHONE_NUMBER,
        (code, _) => of_code(code),
    }
}

/// The status, code and text of each kind of error.
fn of_code(code: ProblemCode) -> Wording {
    use ProblemCode as P;
    match code {
        P::Unauthenticated => (401, "INVALID_API_TOKEN", "Invalid or missing API token"),
        P::Forbidden => (403, "FORBIDDEN", "This token may not do that"),
        P::DeviceNotFound => (404, "DEVICE_NOT_FOUND", "Device ID not found"),
        P::NotFound => (404, "NOT_FOUND", "Not found"),
        P::MethodNotAllowed => (405, "METHOD_NOT_ALLOWED", "Method not allowed"),
        P::DeviceNotReady => (400, "DEVICE_NOT_CONNECTED", "Device is not connected to WhatsApp"),
        P::RefTaken => (409, "DEVICE_ALREADY_EXISTS", "This user has a device with this alias already"),
        P::NotOnWhatsapp => PHONE_NUMBER,
        P::RefusedByWhatsapp | P::NotGroupMember | P::NotGroupAdmin | P::InviteInvalid => {
            (500, "MESSAGE_SEND_FAILED", "Failed to send message")
        }
        P::TooLarge => (413, "FILE_TOO_LARGE", "File size exceeds limit"),
        P::MediaTypeMismatch => (400, "INVALID_MEDIA_TYPE", "Unsupported media type"),
        P::UnsupportedMediaType => (415, "INVALID_REQUEST", "The request has another content type than is taken here"),
        P::InvalidRequest
        | P::MalformedJson
        | P::BodyIncomplete
        | P::BodyTooSlow
        | P::RangeNotSatisfiable
        | P::MediaUrlFailed
        | P::MediaGone => (400, "INVALID_REQUEST", "The request can't be served"),
        P::PairingCodeRefused
        | P::AlreadyPaired
        | P::IdempotencyKeyReused
        | P::IdempotencyKeyExpired
        | P::TooManyDevices
        | P::TooManyKeys
        | P::TooManyMembers
        | P::TooManyWebhooks
        | P::TooManyPlugins
        | P::TooMuchMedia
        | P::KeyNotRevealable
        | P::UserExists
        | P::LastAdmin
        | P::MessageNotChangeable
        | P::TenantExists
        | P::PresetKeyRevoked
        | P::RevisionConflict
        | P::PluginInUse
        | P::DeliveryNotReplayable
        | P::Conflict => (409, "CONFLICT", "The request can't be served as things stand"),
        P::Busy | P::RateLimited => (429, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded"),
        P::Internal => (500, "INTERNAL_ERROR", "An unexpected error occurred"),
        P::Unsupported => (501, "NOT_SUPPORTED", "This gateway does not do that"),
        P::PluginFailed | P::PluginUnavailable | P::PluginTimeout | P::Overloaded | P::Unavailable | P::Timeout => {
            (503, "SERVICE_UNAVAILABLE", "Service unavailable")
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::http::Body;

    use super::*;

    fn body(fault: &Fault) -> Value {
        let Body::Bytes(body) = response(fault).body else { panic!("bytes") };
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn an_error_has_the_documented_members() {
        let fault = Fault { call_id: "7".into(), ..Fault::new(ProblemCode::Internal, "a path") };
        let expected = json!({ "success": false, "error": { "code": "INTERNAL_ERROR",
            "message": "An unexpected error occurred", "timestamp": "1970-01-01T00:00:00.000Z", "requestId": "req_7" } });
        assert_eq!(body(&fault), expected);
    }

    #[test]
    fn a_device_that_is_not_connected_comes_with_advice() {
        let error = &body(&Fault::new(ProblemCode::DeviceNotReady, "scan the code"))["error"];
        assert_eq!(error["solutions"].as_array().map(Vec::len), Some(3));
        assert_eq!(error["details"]["reason"], "scan the code");
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let fault = Fault { retry_after: Some(30), ..Fault::new(ProblemCode::RateLimited, "") };
        assert_eq!(body(&fault)["error"]["retryAfter"], 30);
    }

    #[test]
    fn a_bad_recipient_is_a_bad_number() {
        let shown = body(&Fault::invalid("to", "no number"));
        assert_eq!(shown["error"]["code"], "INVALID_PHONE_NUMBER");
        assert_eq!(shown["error"]["details"]["field"], "recipient");
    }

    #[test]
    fn every_code_has_a_status_and_a_text() {
        for code in ProblemCode::ALL {
            let (status, name, text) = of_code(*code);
            assert!((400..600).contains(&status) && !name.is_empty() && !text.is_empty(), "{code}");
        }
    }
}
