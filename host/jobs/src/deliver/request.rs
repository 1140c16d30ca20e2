//! The HTTP request of an attempt: its headers, and which of them win, and its signatures.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use portico_core::event::Event;
use portico_core::header;
use portico_core::ports::outbound::OutboundRequest;
use portico_core::ports::plugins::{Parts, Signing, SigningScheme};
use portico_core::time::UtcMs;
use portico_core::webhook::signature::Secret;
use portico_core::webhook::{Headers, Webhook};

/// Says that the body is the gateway's own because the format plugin failed.
const FORMAT_HEADER: &str = "x-portico-format";
/// What [`FORMAT_HEADER`] and the attempt's `format` say then.
pub(super) const DEFAULT_BODY: &str = "default";

/// Whether the body has the format the webhook asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has, as its plugin made it.
    Wanted,
    /// It has the gateway's default format, because the plugin failed.
    Default,
}

/// What a subscription keeps sealed, open while its deliveries are tried.
pub(super) struct Opened {
    /// Signs.
    pub(super) secret: Secret,
    /// The subscription's own headers.
    pub(super) headers: Headers,
}

/// Puts a request together. The gateway's own headers win over the plugin's, those over the subscription's.
pub(super) fn build(
    webhook: &Webhook,
    opened: &Opened,
    event: &Event,
    shaped: (Parts, Shape),
    sent: (UtcMs, Duration),
) -> OutboundRequest {
    let ((parts, shape), (at, timeout)) = (shaped, sent);
    let secret = &opened.secret;
    let mut headers = BTreeMap::new();
    let offered = opened.headers.iter().map(|(n, v)| (n.clone(), v.clone())).chain(parts.headers);
    for (name, value) in offered {
        let name = name.to_ascii_lowercase();
        if !header::is_of_delivery(&name) {
            headers.insert(name, value);
        }
    }
    if let Some((name, value)) = parts.signing.as_ref().and_then(|s| extra_signature(s, secret, &parts.body)) {
        headers.insert(name, value);
    }
    headers.insert("content-type".to_owned(), parts.content_type);
    headers.insert("webhook-id".to_owned(), event.id.to_string());
    headers.insert("webhook-timestamp".to_owned(), at.seconds().to_string());
    headers.insert("webhook-signature".to_owned(), secret.sign(event.id.as_str(), at.seconds(), &parts.body));
    headers.remove(FORMAT_HEADER);
    if shape == Shape::Default {
        headers.insert(FORMAT_HEADER.to_owned(), DEFAULT_BODY.to_owned());
    }
    OutboundRequest {
        method: parts.method,
        url: webhook.url.clone(),
        headers: headers.into_iter().collect(),
        body: parts.body,
        timeout,
    }
}

fn extra_signature(signing: &Signing, secret: &Secret, body: &[u8]) -> Option<(String, String)> {
    let value = match signing.scheme {
        SigningScheme::HmacSha256Hex => hex::encode(secret.hmac(&[body])),
        SigningScheme::HmacSha256Base64 => BASE64_STANDARD.encode(secret.hmac(&[body])),
        SigningScheme::StandardWebhooks => return None,
    };
    Some((signing.header.to_ascii_lowercase(), format!("{}{value}", signing.prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const AT: UtcMs = UtcMs(1_767_225_600_123);

    fn parts() -> Parts {
        Parts {
            method: "PUT".into(),
            headers: vec![
                ("X-Kind".into(), "plugin".into()),
                ("User-Agent".into(), "other".into()),
                ("Expect".into(), "100-continue".into()),
            ],
            content_type: "application/json".into(),
            body: b"{}".to_vec(),
            signing: None,
        }
    }

    fn built(parts: Parts, shape: Shape) -> (OutboundRequest, BTreeMap<String, String>) {
        let mut own = Headers::new();
        for (name, value) in
            [("x-kind", "subscription"), ("X-Token", "t"), ("webhook-id", "forged"), ("TE", "trailers")]
        {
            own.insert(name.into(), value.into());
        }
        let secret = Secret::parse("secret", SECRET).expect("a key");
        let opened = Opened { secret, headers: own };
        let request =
            build(&testing::webhook(1), &opened, &testing::event(1), (parts, shape), (AT, Duration::from_secs(20)));
        let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
        assert_eq!(headers.len(), request.headers.len(), "each header once");
        (request, headers)
    }

    #[test]
    fn the_gateways_headers_win_over_the_plugins_and_those_over_the_subscriptions() {
        let (request, headers) = built(parts(), Shape::Wanted);
        assert_eq!((request.method.as_str(), request.body.as_slice()), ("PUT", b"{}".as_slice()));
        assert_eq!(headers["x-kind"], "plugin");
        assert_eq!(headers["x-token"], "t");
        assert_eq!(headers["webhook-id"], testing::event(1).id.to_string());
        assert_eq!(headers["webhook-timestamp"], "1767225600");
        let secret = Secret::parse("secret", SECRET).expect("a key");
        assert_eq!(headers["webhook-signature"], secret.sign(&headers["webhook-id"], 1_767_225_600, b"{}"));
        for name in ["user-agent", "te", "expect"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert!(!headers.contains_key(FORMAT_HEADER));
    }

    #[test]
    fn a_default_body_says_so() {
        assert_eq!(built(parts(), Shape::Default).1[FORMAT_HEADER], "default");
    }

    #[test]
    fn a_plugin_may_ask_for_one_more_signature() {
        let signing = |scheme| Some(Signing { scheme, header: "X-Signature".into(), prefix: "sha256=".into() });
        let secret = Secret::parse("secret", SECRET).expect("a key");
        let with = |scheme| built(Parts { signing: signing(scheme), ..parts() }, Shape::Wanted).1;
        let expected = format!("sha256={}", hex::encode(secret.hmac(&[b"{}"])));
        assert_eq!(with(SigningScheme::HmacSha256Hex)["x-signature"], expected);
        assert!(with(SigningScheme::HmacSha256Base64)["x-signature"].ends_with('='));
        assert!(!with(SigningScheme::StandardWebhooks).contains_key("x-signature"));
    }
}
