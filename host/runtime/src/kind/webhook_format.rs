//! The hook `webhook-format`: events in, HTTP parts out.

use portico_core::event::Event;
use portico_core::id::TenantId;
use portico_core::ports::plugins::{
    Formatted, Hook, Parts, Placement, Signing, SigningKey, SigningScheme, Subscription,
};
use wasmtime::Store;

use super::{GuestResult, HookCall, HookKind};
use crate::bindings::types::Context;
use crate::bindings::webhook_format as wit;
use crate::breaker::FailureMode;
use crate::guest::Guest;
use crate::import::log::cut;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, DETAIL_BYTES_MAX, HEADER_BYTES_MAX, HookLimits, Limits, SIGNATURES_MAX,
    WEBHOOK_BODY_BYTES_MAX, WEBHOOK_HEADERS_MAX,
};
use crate::validate::{check_batch, check_delivery_header, check_header, check_headers};

/// The hook.
pub(crate) struct Kind;

impl HookKind for Kind {
    const HOOK: Hook = Hook::WebhookFormat;
    const ON_FAILURE: FailureMode = FailureMode::FailOpen;
    const PURE: bool = true;
    type Export = wit::GuestIndices;
    type Smoke = Format;

    fn limits(limits: &Limits) -> HookLimits {
        limits.webhook_format
    }

    fn smoke() -> Option<Format> {
        Some(Format { to: told(&Subscription::plain(&TenantId::new(0, 0)), ""), events: Vec::new() })
    }
}

/// One batch of events of one subscription.
pub(crate) struct Format {
    to: wit::Subscription,
    events: Vec<wit::Event>,
}

/// Cuts events into batches that one call may carry.
pub(crate) fn batches(to: &Subscription, base_url: &str, events: &[Event]) -> Vec<Format> {
    let subscription = told(to, base_url);
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for event in events.iter().map(|event| to_wit(to, event)) {
        let full = batch.len() >= BATCH_ITEMS_MAX || bytes + event.payload.len() > BATCH_BYTES_MAX;
        if full && !batch.is_empty() {
            batches.push(Format { to: subscription.clone(), events: std::mem::take(&mut batch) });
            bytes = 0;
        }
        bytes += event.payload.len();
        batch.push(event);
    }
    if !batch.is_empty() {
        batches.push(Format { to: subscription, events: batch });
    }
    batches
}

fn told(to: &Subscription, base_url: &str) -> wit::Subscription {
    wit::Subscription {
        id: to.id.clone(),
        data: serde_json::Value::Object(to.data.clone()).to_string(),
        base_url: base_url.to_owned(),
    }
}

fn to_wit(to: &Subscription, event: &Event) -> wit::Event {
    let names = event.device.as_ref().and_then(|device| to.devices.get(device));
    wit::Event {
        id: event.id.to_string(),
        seq: u64::try_from(event.seq).unwrap_or(0),
        name: event.kind.as_str().to_owned(),
        at: u64::try_from(event.timestamp.0).unwrap_or(0),
        device: event.device.as_ref().map(ToString::to_string),
        device_number: names.map(|names| names.number),
        refs: names.map(|names| names.refs.clone()).unwrap_or_default(),
        payload: event.data.to_string(),
        file_link: to.file_links.get(&event.id).cloned(),
    }
}

impl HookCall for Format {
    type Kind = Kind;
    type Raw = Vec<wit::Outcome>;
    type Answer = Vec<Formatted>;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        hook.call_format(store, context, &self.to, &self.events).await
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        check_batch(raw, self.events.len(), formatted)
    }
}

fn formatted(raw: wit::Outcome) -> Result<Formatted, String> {
    Ok(match raw {
        wit::Outcome::Send(parts) => Formatted::Send(checked(parts)?),
        wit::Outcome::Skip(why) => Formatted::Skip(cut(&why, DETAIL_BYTES_MAX).to_owned()),
    })
}

fn checked(parts: wit::Parts) -> Result<Parts, String> {
    if !matches!(parts.method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err("the method must be POST, PUT or PATCH".into());
    }
    check_headers(&parts.headers, WEBHOOK_HEADERS_MAX, HEADER_BYTES_MAX)?;
    for (name, _) in &parts.headers {
        check_delivery_header(name)?;
    }
    check_header("content-type", &parts.content_type, HEADER_BYTES_MAX)?;
    if parts.content_type.is_empty() {
        return Err("the content type is empty".into());
    }
    if parts.body.len() > WEBHOOK_BODY_BYTES_MAX {
        return Err(format!("the body is larger than {WEBHOOK_BODY_BYTES_MAX} bytes"));
    }
    Ok(Parts {
        method: parts.method,
        headers: parts.headers,
        content_type: parts.content_type,
        body: parts.body,
        signing: signings(parts.signing)?,
    })
}

fn signings(raw: Vec<wit::Signing>) -> Result<Vec<Signing>, String> {
    if raw.len() > SIGNATURES_MAX {
        return Err(format!("{} signatures, at most {SIGNATURES_MAX} are allowed", raw.len()));
    }
    raw.into_iter().map(signing).collect()
}

fn signing(signing: wit::Signing) -> Result<Signing, String> {
    let placement = match signing.placement {
        wit::Placement::Header(name) => {
            check_delivery_header(&name)?;
            check_header(&name, &signing.prefix, HEADER_BYTES_MAX)?;
            Placement::Header(name)
        }
        wit::Placement::BodyField(name) => {
            // Both stand in JSON as they are.
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=.".contains(&b));
            if name.is_empty() || name.len() + signing.prefix.len() > HEADER_BYTES_MAX {
                return Err("the member for a signature has no name, or a very long one".into());
            }
            if !plain(&name) || !plain(&signing.prefix) {
                return Err("a signature's member and prefix in a body are letters, digits and `-_=.`".into());
            }
            Placement::BodyField(name)
        }
    };
    let key = match signing.key {
        wit::Key::Decoded => SigningKey::Decoded,
        wit::Key::Text => SigningKey::Text,
    };
    let scheme = match signing.scheme {
        wit::Scheme::HmacSha256Hex => SigningScheme::HmacSha256Hex,
        wit::Scheme::HmacSha256Base64 => SigningScheme::HmacSha256Base64,
    };
    Ok(Signing { scheme, placement, prefix: signing.prefix, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> wit::Parts {
        wit::Parts {
            method: "POST".into(),
            headers: vec![("x-kind".into(), "a".into())],
            content_type: "application/json".into(),
            body: b"{}".to_vec(),
            signing: vec![wit::Signing {
                scheme: wit::Scheme::HmacSha256Hex,
                placement: wit::Placement::Header("x-signature".into()),
                prefix: "sha256=".into(),
                key: wit::Key::Text,
            }],
        }
    }

    #[test]
    fn good_parts_pass() {
        let parts = checked(parts()).expect("good");
        assert_eq!(parts.signing[0].scheme, SigningScheme::HmacSha256Hex);
    }

    #[test]
    fn parts_that_break_a_rule_are_refused() {
        let breakers: [fn(&mut wit::Parts); 9] = [
            |p| p.method = "GET".into(),
            |p| p.headers = vec![("webhook-id".into(), "forged".into())],
            |p| p.headers = vec![("x".into(), "a\r\nb: c".into())],
            |p| p.content_type = String::new(),
            |p| p.content_type = "a\nb".into(),
            |p| p.body = vec![0; WEBHOOK_BODY_BYTES_MAX + 1],
            |p| p.signing[0].placement = wit::Placement::Header("webhook-signature".into()),
            |p| p.signing[0].placement = wit::Placement::BodyField("a\":1,\"b".into()),
            |p| p.signing = vec![p.signing[0].clone(); 5],
        ];
        for (i, breaks) in breakers.iter().enumerate() {
            let mut parts = parts();
            breaks(&mut parts);
            assert!(checked(parts).is_err(), "rule {i}");
        }
    }

    #[test]
    fn as_many_answers_as_events() {
        assert!(Kind::smoke().expect("a call").check(vec![wit::Outcome::Skip("one too many".into())]).is_err());
    }
}
