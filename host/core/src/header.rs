//! HTTP headers that callers and plugins can't set or see, as one closed list for every place that checks a name.
//!
//! Names are compared without regard to case.

/// What concerns one connection only (RFC 9110, section 7.6.1), or says where a message goes and where it ends. The HTTP
/// client and the HTTP server make these themselves; from anybody else they would let one message be read as two.
const CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What belongs to a proxy in between. Passed on, it would tell the next one the credentials of this one.
const PROXY: [&str; 2] = ["proxy-authenticate", "proxy-authorization"];

/// What the gateway writes on every delivery of a webhook, beside the names that begin with [`DELIVERY_PREFIX`].
const DELIVERY: [&str; 2] = ["content-type", "user-agent"];

/// How the headers of Standard Webhooks begin: id, timestamp, signature. Receivers trust them.
const DELIVERY_PREFIX: &str = "webhook-";

/// Where a caller's credentials can stand in a request. The gateway checks them; plugins never see them.
/// `sec-websocket-protocol` carries a key where a browser can send no other header.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "sec-websocket-protocol", "x-api-key"];

/// What the gateway says itself on every answer, and what would act beyond the answer: on cookies and other requests.
const ANSWER: [&str; 9] = [
    "content-security-policy",
    "date",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "server",
    "set-cookie",
    "strict-transport-security",
    "x-request-id",
];

/// How the headers begin that let pages of other origins read an answer: the operator decides that.
const CORS_PREFIX: &str = "access-control-";

fn is_in(set: &[&str], name: &str) -> bool {
    set.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether the header is made by the HTTP client or server alone, in requests and in answers.
pub fn is_of_connection(name: &str) -> bool {
    is_in(&CONNECTION, name) || is_in(&PROXY, name)
}

/// Whether the header of a webhook's delivery is set by the gateway, so that neither a subscription nor a plugin may set it.
pub fn is_of_delivery(name: &str) -> bool {
    begins_with(name, DELIVERY_PREFIX) || is_in(&DELIVERY, name) || is_of_connection(name)
}

/// Whether a dialect is not shown this header of a request.
pub fn is_hidden_from_plugins(name: &str) -> bool {
    is_in(&CREDENTIALS, name) || is_of_connection(name)
}

/// Whether a dialect's answer can't carry this header.
pub fn is_kept_from_answers(name: &str) -> bool {
    is_in(&ANSWER, name) || begins_with(name, CORS_PREFIX) || is_of_connection(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_are_in_every_set() {
        for name in ["TE", "Upgrade", "Expect", "Trailer", "Transfer-Encoding", "Connection", "Keep-Alive", "host"] {
            assert!(is_of_connection(name), "{name}");
            assert!(is_of_delivery(name) && is_hidden_from_plugins(name) && is_kept_from_answers(name), "{name}");
        }
    }

    #[test]
    fn each_set_has_its_own_names_and_no_others() {
        assert!(is_of_delivery("Webhook-Signature") && is_of_delivery("webhook-") && is_of_delivery("User-Agent"));
        assert!(is_hidden_from_plugins("Authorization") && !is_of_delivery("authorization"));
        assert!(is_kept_from_answers("Access-Control-Allow-Origin"));
        assert!(is_kept_from_answers("Set-Cookie") && !is_hidden_from_plugins("set-cookie"));
        for name in ["", "x", "web", "x-webhook-id", "accept", "é-header", "webhooké"] {
            assert!(!is_of_delivery(name) && !is_hidden_from_plugins(name) && !is_kept_from_answers(name), "{name}");
        }
    }
}
