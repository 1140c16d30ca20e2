//! What a subscription's owner gives its format plugin along: sealed at rest, opened only to shape its deliveries.
//!
//! It may hold what the receiver is to find in each body, and that may be a credential. So it is never shown again, and not
//! even the names of its members are kept in the clear.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::id::WebhookId;
use crate::seal::Sealer;

/// Bytes of format data as JSON at most: they travel with every event.
const BYTES_MAX: usize = 4 * 1024;

/// A JSON object, as the plugin is told it.
pub type FormatData = Map<String, Value>;

/// A subscription's format data as it is stored: sealed JSON; empty when there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SealedFormatData(pub Vec<u8>);

/// Shows nothing of it.
impl std::fmt::Debug for SealedFormatData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedFormatData(…)")
    }
}

impl SealedFormatData {
    /// Seals the format data of one subscription.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is too large, [`Error::Internal`] when the cipher fails.
    pub fn seal(sealer: &Sealer, webhook: &WebhookId, data: &FormatData) -> Result<Self> {
        if data.is_empty() {
            return Ok(Self::default());
        }
        let plain = serde_json::to_vec(data).map_err(|e| Error::internal("writing format data", e))?;
        if plain.len() > BYTES_MAX {
            return Err(Error::invalid("format_data", format!("must have at most {BYTES_MAX} bytes as JSON")));
        }
        Ok(Self(sealer.seal(&seal_place(webhook), &plain)?))
    }

    /// The format data of the subscription it was sealed for.
    ///
    /// # Errors
    /// [`Error::Internal`] when it was sealed under another master key or for another subscription.
    pub fn open(&self, sealer: &Sealer, webhook: &WebhookId) -> Result<FormatData> {
        if self.0.is_empty() {
            return Ok(FormatData::new());
        }
        let plain = sealer.open(&seal_place(webhook), &self.0)?;
        // The parser's complaint could quote a value, so it is not passed on.
        serde_json::from_slice(&plain)
            .map_err(|_| Error::internal("reading a webhook's format data", "it is no JSON object"))
    }
}

/// The place a subscription's format data is bound to.
fn seal_place(webhook: &WebhookId) -> String {
    format!("webhook/{webhook}/format-data")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::rng::Rng;

    /// Always the same bytes: nothing here depends on chance.
    struct Fixed;

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn data(value: Value) -> FormatData {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn it_opens_for_its_own_webhook_only_and_shows_nothing_before() {
        let sealer = Sealer::new(&[1; 32], Arc::new(Fixed));
        let (own, other) = (WebhookId::new(1, 1), WebhookId::new(1, 2));
        let plain = data(json!({ "token": "secret-word" }));
        let sealed = SealedFormatData::seal(&sealer, &own, &plain).unwrap();
        assert!(!sealed.0.windows(5).any(|w| w == b"token" || w == b"secre"));
        assert!(!format!("{sealed:?}").contains("token"));
        assert_eq!(sealed.open(&sealer, &own).unwrap(), plain);
        assert!(sealed.open(&sealer, &other).is_err());
    }

    #[test]
    fn an_empty_object_is_stored_as_nothing_and_a_large_one_is_refused() {
        let sealer = Sealer::new(&[1; 32], Arc::new(Fixed));
        let id = WebhookId::new(1, 1);
        let none = SealedFormatData::seal(&sealer, &id, &FormatData::new()).unwrap();
        assert_eq!((none.0.len(), none.open(&sealer, &id).unwrap().len()), (0, 0));
        assert!(SealedFormatData::seal(&sealer, &id, &data(json!({ "a": "x".repeat(BYTES_MAX) }))).is_err());
    }
}
