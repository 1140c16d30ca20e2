//! Errors of this API: `{"success": false, "error": …}` with the statuses its document lists, and `message` with what
//! happened where that says more.

use portico_sdk::api::ProblemCode;
use portico_sdk::dialect::Fault;
use portico_sdk::http::Response;
use portico_sdk::time::iso;
use serde_json::json;

/// The only sentence that the document has for 403.
const NOT_YOURS: &str = "Access denied: You can only access your own data";

/// What this API answers for a file that is not there, or not any more.
const NO_MEDIA: &str = "Media not found or expired. Media is only available for 24 hours.";

/// Where the files of messages are.
const MEDIA: &str = "/api/media/";

/// What this API answers when somebody asks for what belongs to somebody else.
pub(crate) fn not_yours() -> Fault {
    Fault::says(403, NOT_YOURS)
}

/// What this API answers for what it does not have.
pub(crate) fn no_such_resource() -> Fault {
    Fault::says(404, "Resource not found")
}

/// What this API answers for a file of a message that it does not have.
pub(crate) fn no_such_media() -> Fault {
    Fault::says(404, NO_MEDIA)
}

/// What this API answers to credentials that are good and of the wrong kind.
pub(crate) fn wrong_credentials() -> Fault {
    Fault::says(401, "Invalid API Key or Account Token")
}

/// An error in this API's words.
pub(crate) fn response(fault: &Fault) -> Response {
    let is_missing = matches!(fault.code, ProblemCode::NotFound | ProblemCode::MediaGone);
    if fault.says == Some(NO_MEDIA) || (is_missing && fault.path.starts_with(MEDIA)) {
        return Response::json(404, &json!({ "success": false, "error": NO_MEDIA }));
    }
    let (status, error) = match fault.says {
        Some(text) => (fault.status, text),
        None => wording(fault.code),
    };
    let mut body = json!({ "success": false, "error": error });
    if status == 404 {
        body["path"] = json!(fault.path);
    }
    if status == 429 {
        let wait_ms = u64::from(fault.retry_after.unwrap_or(60)) * 1_000;
        body["resetTime"] = json!(iso(fault.at_ms.saturating_add(wait_ms)));
    }
    let says_more = matches!(status, 400 | 403 | 413 | 501) && fault.says.is_none();
    if says_more && !fault.detail.is_empty() {
        body["message"] = json!(fault.detail);
    }
    Response::json(status, &body)
}

/// The documented status and text of each kind of error.
fn wording(code: ProblemCode) -> (u16, &'static str) {
    use ProblemCode as P;
    match code {
        P::Unauthenticated => (401, "Invalid API Key or Account Token"),
        P::Forbidden => (403, NOT_YOURS),
        P::NotFound | P::DeviceNotFound | P::MediaGone => (404, "Resource not found"),
        P::MethodNotAllowed => (405, "Method not allowed"),
        P::DeviceNotReady => (400, "Account not connected"),
        P::NotOnWhatsapp | P::RefusedByWhatsapp | P::NotGroupMember | P::NotGroupAdmin | P::InviteInvalid => {
            (400, "Message sending failed")
        }
        // The document has no conflict: the request can't be served as things stand.
        P::InvalidRequest
        | P::MalformedJson
        | P::BodyIncomplete
        | P::BodyTooSlow
        | P::AlreadyPaired
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
        | P::PairingCodeRefused => (400, "Request validation failed"),
        P::TooLarge => (413, "Request is too large"),
        P::Busy | P::RateLimited => (429, "Rate limit exceeded. Please try again later."),
        P::Internal => (500, "Internal server error"),
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

    fn body(fault: &Fault) -> serde_json::Value {
        let Body::Bytes(body) = response(fault).body else { panic!("bytes") };
        serde_json::from_slice(&body).expect("JSON")
    }

    #[test]
    fn an_internal_error_tells_nothing_of_its_cause() {
        let expected = json!({ "success": false, "error": "Internal server error" });
        assert_eq!(body(&Fault::new(ProblemCode::Internal, "a path")), expected);
    }

    #[test]
    fn a_spent_limit_tells_when_it_ends_and_a_missing_route_its_path() {
        let spent =
            Fault { retry_after: Some(30), at_ms: 1_767_225_600_000, ..Fault::new(ProblemCode::RateLimited, "") };
        assert_eq!(body(&spent)["resetTime"], "2026-01-01T00:00:30.000Z");
        let missing = Fault { path: "/api/no-such-route".into(), ..Fault::new(ProblemCode::NotFound, "") };
        assert_eq!(body(&missing)["path"], "/api/no-such-route");
        let gone = Fault { path: "/api/media/3EB0.x".into(), ..Fault::new(ProblemCode::MediaGone, "") };
        assert_eq!(body(&gone), json!({ "success": false, "error": NO_MEDIA }));
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
