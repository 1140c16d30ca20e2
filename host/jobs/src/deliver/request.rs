//! The HTTP request of an attempt: its headers, and which of them win, and its signatures.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use portico_core::event::Event;
use portico_core::header;
use portico_core::ports::outbound::OutboundRequest;
use portico_core::ports::plugins::{Parts, Placement, Signing, SigningKey, SigningScheme};
use portico_core::time::UtcMs;
use portico_core::webhook::signature::Secret;
use portico_core::webhook::{FormatData, Headers, Webhook};

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
    /// What the format plugin is told.
    pub(super) format_data: FormatData,
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
    let mut body = parts.body.clone();
    for signing in &parts.signing {
        let value = extra_signature(signing, secret, &parts.body);
        match &signing.placement {
            Placement::Header(name) => drop(headers.insert(name.to_ascii_lowercase(), value)),
            Placement::BodyField(name) => add_member(&mut body, name, &value),
        }
    }
    headers.insert("content-type".to_owned(), parts.content_type);
    headers.insert("webhook-id".to_owned(), event.id.to_string());
    headers.insert("webhook-timestamp".to_owned(), at.seconds().to_string());
    headers.insert("webhook-signature".to_owned(), secret.sign(event.id.as_str(), at.seconds(), &body));
    headers.remove(FORMAT_HEADER);
    if shape == Shape::Default {
        headers.insert(FORMAT_HEADER.to_owned(), DEFAULT_BODY.to_owned());
    }
    OutboundRequest {
        method: parts.method,
        url: webhook.url.clone(),
        headers: headers.into_iter().collect(),
        body,
        timeout,
    }
}

/// The value of one more signature over the body as the plugin made it.
fn extra_signature(signing: &Signing, secret: &Secret, body: &[u8]) -> String {
    let mac = match signing.key {
        SigningKey::Decoded => secret.hmac(&[body]),
        SigningKey::Text => secret.text_hmac(&[body]),
    };
    let value = match signing.scheme {
        SigningScheme::HmacSha256Hex => hex::encode(mac),
        SigningScheme::HmacSha256Base64 => BASE64_STANDARD.encode(mac),
    };
    format!("{}{value}", signing.prefix)
}

/// Adds a member to a JSON object that is written compactly. Name and value need no escapes. A body that is no object stays as
/// it is.
fn add_member(body: &mut Vec<u8>, name: &str, value: &str) {
    if body.first() != Some(&b'{') || body.pop_if(|last| *last == b'}').is_none() {
        return;
    }
    let comma = if body.len() > 1 { "," } else { "" };
    body.extend_from_slice(format!("{comma}\"{name}\":\"{value}\"}}").as_bytes());
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
            signing: Vec::new(),
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
        let opened = Opened { secret, headers: own, format_data: FormatData::new() };
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
        let signing = |scheme, key, placement| Signing { scheme, key, placement, prefix: "sha256=".into() };
        let header = || Placement::Header("X-Signature".into());
        let secret = Secret::parse("secret", SECRET).expect("a key");
        let with = |signing| built(Parts { signing: vec![signing], ..parts() }, Shape::Wanted);
        let hex = with(signing(SigningScheme::HmacSha256Hex, SigningKey::Decoded, header())).1;
        assert_eq!(hex["x-signature"], format!("sha256={}", hex::encode(secret.hmac(&[b"{}"]))));
        let text = with(signing(SigningScheme::HmacSha256Hex, SigningKey::Text, header())).1;
        assert_eq!(text["x-signature"], format!("sha256={}", hex::encode(secret.text_hmac(&[b"{}"]))));
        let base64 = with(signing(SigningScheme::HmacSha256Base64, SigningKey::Decoded, header())).1;
        assert!(base64["x-signature"].ends_with('='));
        let inside = Placement::BodyField("signature".into());
        let (request, headers) = with(signing(SigningScheme::HmacSha256Hex, SigningKey::Text, inside));
        let value = format!("sha256={}", hex::encode(secret.text_hmac(&[b"{}"])));
        assert_eq!(String::from_utf8_lossy(&request.body), format!("{{\"signature\":\"{value}\"}}"));
        assert_eq!(headers["webhook-signature"], secret.sign(&headers["webhook-id"], 1_767_225_600, &request.body));
    }

    #[test]
    fn a_member_is_added_to_objects_only() {
        for (body, expected) in [("{\"a\":1}", "{\"a\":1,\"s\":\"v\"}"), ("[1]", "[1]"), ("", "")] {
            let mut body = body.as_bytes().to_vec();
            add_member(&mut body, "s", "v");
            assert_eq!(String::from_utf8_lossy(&body), expected);
        }
    }
}
