//! Errors of this API. The document names some sentences and shows no body, so the sentence stands both in `error` and in
//! `message`, where its good answers have their texts.

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::Fault;
use portico_sdk::http::Response;
use serde::Serialize;

#[derive(Serialize)]
struct ErrorBody<'a> {
    success: bool,
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

/// An error in this API's words.
pub(crate) fn response(fault: &Fault) -> Response {
    let (status, text) = match fault.says {
        Some(text) => (fault.status, text),
        None if fault.code == ProblemCode::Unauthenticated && !fault.missing.is_empty() => (401, "API key required"),
        None => wording(fault.code),
    };
    let details = (status != 500 && fault.says.is_none() && !fault.detail.is_empty()).then_some(&*fault.detail);
    Response::json(status, &ErrorBody { success: false, error: text, message: text, details })
}

/// The status and text of each kind of error.
fn wording(code: ProblemCode) -> (u16, &'static str) {
    use ProblemCode as P;
    match code {
        P::Unauthenticated => (401, "Invalid API key or token"),
        P::Forbidden => (403, "Insufficient permissions"),
        P::DeviceNotFound => (404, "Client not found"),
        P::NotFound | P::MediaGone => (404, "Not found"),
        P::MethodNotAllowed => (405, "Method not allowed"),
        P::DeviceNotReady => (400, "Client not ready"),
        P::AlreadyPaired => (400, "Client is linked already"),
        P::UserExists => (409, "User already exists"),
        P::LastAdmin => (409, "The last admin stays"),
        P::Conflict
        | P::RevisionConflict
        | P::RefTaken
        | P::TenantExists
        | P::IdempotencyKeyReused
        | P::IdempotencyKeyExpired
        | P::PresetKeyRevoked
        | P::KeyNotRevealable
        | P::PluginInUse
        | P::DeliveryNotReplayable
        | P::MessageNotChangeable => (409, "Conflict"),
        P::TooManyDevices
        | P::TooManyKeys
        | P::TooManyMembers
        | P::TooManyWebhooks
        | P::TooManyPlugins
        | P::TooMuchMedia => (409, "Limit of the organization reached"),
        P::InvalidRequest
        | P::MalformedJson
        | P::BodyIncomplete
        | P::BodyTooSlow
        | P::RangeNotSatisfiable
        | P::MediaTypeMismatch
        | P::MediaUrlFailed
        | P::UnsupportedMediaType => (400, "Invalid request"),
        P::NotOnWhatsapp
        | P::RefusedByWhatsapp
        | P::NotGroupMember
        | P::NotGroupAdmin
        | P::InviteInvalid
        | P::PairingCodeRefused => (400, "Message could not be sent"),
        P::TooLarge => (413, "Request is too large"),
        P::Busy | P::RateLimited => (429, "Rate limit exceeded"),
        P::Internal => (500, "Internal server error"),
        P::Unsupported => (501, "Not supported"),
        P::PluginFailed | P::PluginUnavailable | P::PluginTimeout | P::Overloaded | P::Unavailable | P::Timeout => {
            (503, "Service unavailable")
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::http::Body;
    use serde_json::{Value, json};

    use super::*;

    fn body(fault: &Fault) -> Value {
        let Body::Bytes(body) = response(fault).body else { panic!("bytes") };
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn an_internal_error_tells_nothing_of_its_cause() {
        let text = "Internal server error";
        let expected = json!({ "success": false, "error": text, "message": text });
        assert_eq!(body(&Fault::new(ProblemCode::Internal, "a path")), expected);
    }

    #[test]
    fn missing_credentials_and_wrong_ones_are_told_apart() {
        let wrong = Fault::new(ProblemCode::Unauthenticated, "unknown");
        assert_eq!(body(&wrong)["error"], "Invalid API key or token");
        let missing = Fault { missing: ["x-api-key".to_owned()].into(), ..wrong };
        assert_eq!(body(&missing)["error"], "API key required");
    }

    #[test]
    fn every_status_is_one_a_client_knows() {
        for code in ProblemCode::ALL {
            let (status, text) = wording(*code);
            assert!(
                matches!(status, 400 | 401 | 403 | 404 | 405 | 409 | 413 | 429 | 500 | 501 | 503),
                "{code}: {status}"
            );
            assert!(!text.is_empty());
        }
    }
}
