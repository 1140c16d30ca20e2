//! Headers of a subscription's own: checked when they are set, sealed at rest, opened only to deliver.
//!
//! Their values are credentials more often than not. Their names are kept beside them in the clear, so that the owner can
//! see what is set.

use std::collections::BTreeMap;

use portico_api::HEADERS_MAX;

use crate::error::{Error, Result};
use crate::header;
use crate::id::WebhookId;
use crate::seal::Sealer;

/// Bytes of a header's name and value together at most.
const HEADER_BYTES_MAX: usize = 1024;

/// Names and values, as they are sent.
pub type Headers = BTreeMap<String, String>;

/// A subscription's headers as they are stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SealedHeaders {
    /// The names, in order.
    pub names: Vec<String>,
    /// Names and values as JSON, sealed; empty when there are none.
    pub sealed: Vec<u8>,
}

/// Shows the names only.
impl std::fmt::Debug for SealedHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl SealedHeaders {
    /// Seals the headers of one subscription.
    ///
    /// # Errors
    /// [`Error::Internal`] when the cipher fails.
    pub fn seal(sealer: &Sealer, webhook: &WebhookId, headers: &Headers) -> Result<Self> {
        if headers.is_empty() {
            return Ok(Self::default());
        }
        let plain = serde_json::to_vec(headers).map_err(|e| Error::internal("writing a webhook's headers", e))?;
        let sealed = sealer.seal(&seal_place(webhook), &plain)?;
        Ok(Self { names: headers.keys().cloned().collect(), sealed })
    }

    /// The headers of the subscription they were sealed for.
    ///
    /// # Errors
    /// [`Error::Internal`] when they were sealed under another master key or for another subscription.
    pub fn open(&self, sealer: &Sealer, webhook: &WebhookId) -> Result<Headers> {
        if self.sealed.is_empty() {
            return Ok(Headers::new());
        }
        let plain = sealer.open(&seal_place(webhook), &self.sealed)?;
        // The parser's complaint could quote a value, so it is not passed on.
        serde_json::from_slice(&plain)
            .map_err(|_| Error::internal("reading a webhook's headers", "they are no JSON object"))
    }
}

/// The place a subscription's headers are bound to.
fn seal_place(webhook: &WebhookId) -> String {
    format!("webhook/{webhook}/headers")
}

/// Headers as a caller wants them set.
pub(crate) fn checked(headers: Headers) -> Result<Headers> {
    if headers.len() > HEADERS_MAX {
        return Err(Error::invalid("headers", format!("must be at most {HEADERS_MAX}")));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in &headers {
        let field = || format!("headers.{name}");
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_printable = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !is_token || !is_printable {
            return Err(Error::invalid(
                field(),
                "must be a name of letters, digits, `-` and `_` with a printable ASCII value",
            ));
        }
        if header::is_of_delivery(name) {
            return Err(Error::invalid(field(), "is set by the gateway or its HTTP client; leave it out"));
        }
        if name.len() + value.len() > HEADER_BYTES_MAX {
            return Err(Error::invalid(
                field(),
                format!("must have at most {HEADER_BYTES_MAX} characters, name and value together"),
            ));
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(Error::invalid(
                field(),
                "is given twice: names of headers are the same in upper and lower case",
            ));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rng::Rng;

    /// Always the same bytes: nothing here depends on chance.
    struct Fixed;

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn headers(list: &[(&str, &str)]) -> Headers {
        list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn sealed_headers_open_for_their_own_webhook_only() {
        let sealer = Sealer::new(&[1; 32], Arc::new(Fixed));
        let (own, other) = (WebhookId::new(1, 1), WebhookId::new(1, 2));
        let plain = headers(&[("Authorization", "Bearer secret-word"), ("X-Shop", "1")]);
        let sealed = SealedHeaders::seal(&sealer, &own, &plain).unwrap();
        assert_eq!(sealed.names, ["Authorization", "X-Shop"]);
        assert!(!sealed.sealed.windows(11).any(|w| w == b"secret-word"));
        assert_eq!(sealed.open(&sealer, &own).unwrap(), plain);
        assert!(sealed.open(&sealer, &other).is_err());
        assert!(sealed.open(&Sealer::new(&[2; 32], Arc::new(Fixed)), &own).is_err());
    }

    #[test]
    fn no_headers_are_stored_as_nothing() {
        let sealer = Sealer::new(&[1; 32], Arc::new(Fixed));
        let sealed = SealedHeaders::seal(&sealer, &WebhookId::new(1, 1), &Headers::new()).unwrap();
        assert_eq!(sealed, SealedHeaders::default());
        assert_eq!(sealed.open(&sealer, &WebhookId::new(1, 1)).unwrap(), Headers::new());
    }

    #[test]
    fn headers_that_are_not_the_subscribers_are_refused() {
        assert!(checked(headers(&[("Authorization", "Bearer x"), ("x_y-Z", "a b")])).is_ok());
        for name in
            ["TE", "Upgrade", "expect", "Trailer", "Host", "Keep-Alive", "Webhook-Id", "content-type", "a b", ""]
        {
            assert!(checked(headers(&[(name, "x")])).is_err(), "{name}");
        }
        assert!(checked(headers(&[("x", "a\r\nb: c")])).is_err());
        assert!(checked(headers(&[("x", "1"), ("X", "2")])).is_err());
        assert!(checked(headers(&[("x", &"a".repeat(HEADER_BYTES_MAX))])).is_err());
        let many: Headers = (0..=HEADERS_MAX).map(|n| (format!("x-{n}"), String::new())).collect();
        assert!(checked(many).is_err());
    }
}
