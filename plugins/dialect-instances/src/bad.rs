//! Errors of this API: `{"success": false, "error": …, "details": …}` with the statuses its document lists.

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::Fault;
use portico_sdk::http::Response;
use serde::Serialize;

#[derive(Serialize)]
struct ErrorBody<'a> {
    success: bool,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

/// What this API answers for an instance it does not have.
pub(crate) fn no_such_instance() -> Fault {
    Fault::new(ProblemCode::DeviceNotFound, "there is no instance of this id")
}

/// An error in this API's words.
pub(crate) fn response(fault: &Fault) -> Response {
    let (status, error) = match fault.says {
        Some(text) => (fault.status, text),
        None => wording(fault.code),
    };
    let details = (status != 500 && fault.says.is_none() && !fault.detail.is_empty()).then_some(&*fault.detail);
    Response::json(status, &ErrorBody { success: false, error, details })
}

/// The documented status and text of each kind of error.
fn wording(code: ProblemCode) -> (u16, &'static str) {
    use ProblemCode as P;
    match code {
        P::Unauthenticated => (401, "Missing or invalid API key"),
        P::Forbidden => (403, "Insufficient permissions"),
        P::DeviceNotFound => (404, "Instance not found"),
        P::NotFound | P::MediaGone => (404, "Resource not found"),
        P::MethodNotAllowed => (405, "Method not allowed"),
        // The document has no conflict: the request can't be served as things stand.
        P::DeviceNotReady => (400, "Instance is not connected"),
        P::AlreadyPaired => (400, "Instance is already connected"),
        P::InvalidRequest
        | P::MalformedJson
        | P::BodyIncomplete
        | P::BodyTooSlow
        | P::IdempotencyKeyReused
        | P::IdempotencyKeyExpired
        | P::TooManyDevices
        | P::KeyNotRevealable
        | P::RefTaken
        | P::UserExists
        | P::LastAdmin
        | P::TenantExists
        | P::RevisionConflict
        | P::PluginInUse
        | P::TooManyPlugins
        | P::TooMuchMedia
        | P::RangeNotSatisfiable
        | P::MediaTypeMismatch
        | P::MediaUrlFailed
        | P::TooManyKeys
        | P::TooManyMembers
        | P::TooManyWebhooks
        | P::PresetKeyRevoked
        | P::Conflict
        | P::DeliveryNotReplayable
        | P::MessageNotChangeable
        | P::UnsupportedMediaType
        | P::NotOnWhatsapp
        | P::RefusedByWhatsapp
        | P::NotGroupMember
        | P::NotGroupAdmin
        | P::InviteInvalid
        | P::PairingCodeRefused => (400, "Invalid request parameters"),
        P::TooLarge => (413, "Request is too large"),
        P::Busy | P::RateLimited => (429, "Too many requests, please try again later"),
        P::Internal => (500, "Server error"),
        P::Unsupported => (501, "Feature not supported"),
        P::PluginFailed | P::PluginUnavailable | P::PluginTimeout | P::Overloaded | P::Unavailable | P::Timeout => {
            (503, "Service unavailable")
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::http::Body;

    use super::*;

    #[test]
    fn an_internal_error_tells_nothing_of_its_cause() {
        let Body::Bytes(body) = response(&Fault::new(ProblemCode::Internal, "a path")).body else { panic!("bytes") };
        assert_eq!(String::from_utf8_lossy(&body), r#"{"success":false,"error":"Server error"}"#);
    }

    #[test]
    fn every_status_is_one_a_client_knows() {
        for code in ProblemCode::ALL {
            let (status, text) = wording(*code);
            assert!(matches!(status, 400 | 401 | 403 | 404 | 405 | 413 | 429 | 500 | 501 | 503), "{code}: {status}");
            assert!(!text.is_empty());
        }
    }
}
