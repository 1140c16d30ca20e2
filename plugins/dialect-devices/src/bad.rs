//! Errors of this API: `{"success": false, "error": …, "code": …, "details": …}`. Its document lists codes and statuses apart from
//! each other; how they go together is decided here.

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::Fault;
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde_json::json;

/// The documented answer where there is no QR code. It is the only one without a code.
const NO_QR: &str = "Device is already connected or QR code not available";

/// Documented errors that the core has no code of its own for.
const NO_MESSAGE: Wording = (404, "MESSAGE_NOT_FOUND", "Message ID not found");
const NO_FILE: Wording = (404, "FILE_NOT_FOUND", "Referenced file doesn't exist");
const FILE_TYPE: Wording = (400, "INVALID_FILE_TYPE", "File type not supported");
const PHONE_NUMBER: Wording = (400, "INVALID_PHONE_NUMBER", "Phone number format invalid");
const ADMIN_TOKEN: Wording = (403, "INVALID_ADMIN_TOKEN", "Admin token is invalid");
const NO_TOKEN: Wording = (401, "MISSING_API_TOKEN", "API token not provided");

/// Status, code and text.
type Wording = (u16, &'static str, &'static str);

/// What this API answers for a device it does not have.
pub(crate) fn no_such_device() -> Fault {
    Fault::new(ProblemCode::DeviceNotFound, "there is no device of this id")
}

/// What this API answers for a message it does not have.
pub(crate) fn no_such_message() -> Fault {
    Fault::says(NO_MESSAGE.0, NO_MESSAGE.2)
}

/// What this API answers for a file it does not have.
pub(crate) fn no_such_file() -> Fault {
    Fault::says(NO_FILE.0, NO_FILE.2)
}

/// What this API answers for a file of a type it does not take.
pub(crate) fn file_type() -> Fault {
    Fault::says(FILE_TYPE.0, FILE_TYPE.2)
}

/// What this API answers when there is no QR code to scan.
pub(crate) fn no_qr() -> Fault {
    Fault::says(400, NO_QR)
}

/// An error of the core about a message.
pub(crate) fn of_message(error: CoreError) -> Fault {
    let fault = Fault::from(error);
    if fault.is_not_found() { no_such_message() } else { fault }
}

/// An error of the core about a file.
pub(crate) fn of_file(error: CoreError) -> Fault {
    let fault = Fault::from(error);
    if fault.is_not_found() { no_such_file() } else { fault }
}

/// An error in this API's words.
pub(crate) fn response(fault: &Fault) -> Response {
    if fault.says == Some(NO_QR) {
        return Response::json(fault.status, &json!({ "success": false, "error": NO_QR }));
    }
    let (status, code, error) = wording(fault);
    let mut body = json!({ "success": false, "error": error, "code": code });
    let is_told = status != 500 && fault.says.is_none() && !fault.detail.is_empty();
    match &fault.field {
        // Documented details are about a field.
        Some(field) if is_told => body["details"] = json!({ "field": theirs(field), "reason": fault.detail }),
        None if is_told => body["error"] = json!(format!("{error}: {}", fault.detail)),
        _ => {}
    }
    Response::json(status, &body)
}

/// What this API calls a field of the core's requests.
fn theirs(field: &str) -> &str {
    match field {
        "to" => "phoneNumber",
        "name" => "alias",
        // The refs of a device are made of it.
        refs if refs.starts_with("refs.") => "alias",
        "url" => "webhookUrl",
        "content.text" => "message",
        "content.caption" => "caption",
        "content.media.upload" => "fileId",
        other => other,
    }
}

fn wording(fault: &Fault) -> Wording {
    if let Some(text) = fault.says {
        let known = [NO_MESSAGE, NO_FILE, FILE_TYPE].into_iter().find(|(_, _, sentence)| *sentence == text);
        return known.unwrap_or((fault.status, "INVALID_REQUEST", text));
    }
    match fault.code {
        ProblemCode::Unauthenticated | ProblemCode::Forbidden => credentials(fault),
        ProblemCode::InvalidRequest => match fault.field.as_deref() {
            Some("to" | "phoneNumber") => PHONE_NUMBER,
            Some("content.media.upload") => NO_FILE,
            _ => of_code(fault.code),
        },
        // Of the preview, whose file the host looks for.
        ProblemCode::NotFound if fault.path.contains("/files/") => NO_FILE,
        code => of_code(code),
    }
}

/// What this API answers for a key that is good and not of the kind that is needed.
pub(crate) fn wrong_key(detail: &str) -> Fault {
    Fault::new(ProblemCode::Unauthenticated, detail)
}

/// Which credentials are meant. The host tells what was missing; of two tokens that came, it does not tell which is wrong.
fn credentials(fault: &Fault) -> Wording {
    let missing = |header: &str| fault.missing.iter().any(|name| name == header);
    if missing("x-api-token") || missing("x-device-api-key") {
        NO_TOKEN
    } else if missing("x-admin-token") || fault.path.contains("/admin/") {
        ADMIN_TOKEN
    } else {
        of_code(fault.code)
    }
}

/// The status, code and text of each kind of error.
fn of_code(code: ProblemCode) -> Wording {
    use ProblemCode as P;
    match code {
        P::Unauthenticated => (401, "INVALID_API_TOKEN", "API token is invalid"),
        P::Forbidden => (403, "FORBIDDEN", "This token may not do that"),
        P::DeviceNotFound => (404, "DEVICE_NOT_FOUND", "Device doesn't exist"),
        P::NotFound => (404, "NOT_FOUND", "Not found"),
        P::MediaGone => NO_FILE,
        P::MethodNotAllowed => (405, "METHOD_NOT_ALLOWED", "Method not allowed"),
        // The document has no 409: the request can't be served as things stand.
        P::DeviceNotReady => (400, "DEVICE_NOT_CONNECTED", "Device not connected to WhatsApp"),
        P::RefTaken => (400, "DEVICE_ALREADY_EXISTS", "Device with this alias already exists"),
        // Nor are these in the document's 5xx: trying again, as its samples do then, would not help.
        P::NotOnWhatsapp | P::RefusedByWhatsapp | P::NotGroupMember | P::NotGroupAdmin | P::InviteInvalid => {
            (400, "MESSAGE_SEND_FAILED", "Failed to send message")
        }
        P::TooLarge => (400, "FILE_TOO_LARGE", "File exceeds size limit"),
        P::MediaTypeMismatch => FILE_TYPE,
        P::TooMuchMedia => (500, "UPLOAD_FAILED", "File upload failed"),
        P::InvalidRequest
        | P::MalformedJson
        | P::BodyIncomplete
        | P::BodyTooSlow
        | P::UnsupportedMediaType
        | P::RangeNotSatisfiable
        | P::MediaUrlFailed
        | P::PairingCodeRefused
        | P::AlreadyPaired
        | P::IdempotencyKeyReused
        | P::IdempotencyKeyExpired
        | P::TooManyDevices
        | P::TooManyKeys
        | P::TooManyMembers
        | P::TooManyWebhooks
        | P::TooManyPlugins
        | P::KeyNotRevealable
        | P::UserExists
        | P::LastAdmin
        | P::TenantExists
        | P::PresetKeyRevoked
        | P::RevisionConflict
        | P::PluginInUse
        | P::DeliveryNotReplayable
        | P::MessageNotChangeable
        | P::Conflict => (400, "INVALID_REQUEST", "The request can't be served"),
        P::Busy | P::RateLimited => (429, "RATE_LIMIT_EXCEEDED", "Too many requests"),
        P::Internal => (500, "INTERNAL_ERROR", "Internal server error"),
        P::Unsupported => (501, "NOT_SUPPORTED", "This gateway does not do that"),
        P::PluginFailed | P::PluginUnavailable | P::PluginTimeout | P::Overloaded | P::Unavailable | P::Timeout => {
            (503, "SERVICE_UNAVAILABLE", "Service unavailable")
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::http::Body;
    use serde_json::Value;

    use super::*;

    fn body(fault: &Fault) -> Value {
        let Body::Bytes(body) = response(fault).body else { panic!("bytes") };
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn an_internal_error_tells_nothing_of_its_cause() {
        let shown = body(&Fault::new(ProblemCode::Internal, "a path"));
        assert_eq!(shown, json!({ "success": false, "error": "Internal server error", "code": "INTERNAL_ERROR" }));
    }

    #[test]
    fn every_status_is_one_a_client_knows() {
        for code in ProblemCode::ALL {
            let (status, name, text) = of_code(*code);
            assert!(matches!(status, 400 | 401 | 403 | 404 | 405 | 429 | 500 | 501 | 503), "{code}: {status}");
            assert!(!name.is_empty() && !text.is_empty());
        }
    }

    #[test]
    fn credentials_that_are_missing_and_wrong_ones_are_told_apart() {
        let fault = |missing: &[&str], path: &str| Fault {
            missing: missing.iter().map(|name| (*name).to_owned()).collect(),
            path: path.into(),
            ..Fault::new(ProblemCode::Unauthenticated, "")
        };
        let (stats, admin) = ("/api/whatsapp/server/stats", "/api/whatsapp/admin/ai/models");
        for (missing, path, code) in [
            (&["x-api-token"] as &[&str], stats, "MISSING_API_TOKEN"),
            (&[], stats, "INVALID_API_TOKEN"),
            (&["x-device-api-key"], "/api/whatsapp/device/send", "MISSING_API_TOKEN"),
            (&["x-api-token", "x-admin-token"], admin, "MISSING_API_TOKEN"),
            (&["x-admin-token"], admin, "INVALID_ADMIN_TOKEN"),
            (&[], admin, "INVALID_ADMIN_TOKEN"),
        ] {
            assert_eq!(body(&fault(missing, path))["code"], code, "{missing:?} {path}");
        }
    }
}
