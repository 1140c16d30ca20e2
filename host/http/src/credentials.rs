//! Who sends a request: keys in headers, and callers that the gateway itself hands over.
//!
//! A caller comes from a valid key, or in process as an [`InProcessCaller`], a private type that no request from a socket can
//! carry. A revoked key stops working with the next request.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderName};
use portico_core::access::{Caller, keys};
use portico_core::{Error, Ports};

use crate::problem::Problem;

/// The other header a key may come in.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Browsers can't set headers on a WebSocket; they offer the key as a subprotocol that starts so.
pub(crate) const PROTOCOL_KEY_PREFIX: &str = "portico.key.";

/// The extension that marks a request from within the process, with the caller for whom it is made.
#[derive(Clone, Debug)]
pub(crate) struct InProcessCaller(pub(crate) Option<Caller>);

/// Who sends a request, as far as its credentials tell.
#[derive(Clone, Debug)]
pub(crate) enum Principal {
    /// It came without credentials.
    Anonymous,
    /// Its credentials are not valid; the text is the answer to it.
    Invalid(&'static str),
    /// Its credentials are valid.
    Authenticated(Authenticated),
}

/// A caller whose key was found valid.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated {
    pub(crate) caller: Caller,
    /// The key it presented; `None` when the gateway itself vouches for the caller.
    pub(crate) presented: Option<PresentedKey>,
    /// When the key was found valid.
    pub(crate) at: Instant,
}

/// The text of a key, kept to look it up again. `Debug` hides it.
#[derive(Clone)]
pub(crate) struct PresentedKey(Arc<str>);

impl PresentedKey {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey(…)")
    }
}

const NO_KEY: &str = "no key came with this request; send one as `Authorization: Bearer …` or `X-API-Key`";

impl Principal {
    /// A caller that the gateway itself vouches for.
    pub(crate) fn vouched(caller: Caller) -> Self {
        Self::Authenticated(Authenticated { caller, presented: None, at: Instant::now() })
    }

    /// The caller, if there is one.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Authenticated(key) => Some(&key.caller),
            Self::Anonymous | Self::Invalid(_) => None,
        }
    }

    /// The caller, where one is needed.
    pub(crate) fn required(&self) -> Result<&Caller, Error> {
        self.optional()?.ok_or(Error::Unauthenticated { why: NO_KEY })
    }

    /// The caller, where it goes without credentials too; bad ones are refused.
    pub(crate) fn optional(&self) -> Result<Option<&Caller>, Error> {
        match self {
            Self::Authenticated(key) => Ok(Some(&key.caller)),
            Self::Invalid(why) => Err(Error::Unauthenticated { why }),
            Self::Anonymous => Ok(None),
        }
    }
}

/// Looks up who presents `key`. Only a failing store is an error.
pub(crate) async fn identify(ports: &Ports, key: &str) -> Result<Principal, Problem> {
    match keys::authenticate(ports, key).await {
        Ok(caller) => {
            let presented = Some(PresentedKey(key.into()));
            Ok(Principal::Authenticated(Authenticated { caller, presented, at: Instant::now() }))
        }
        Err(Error::Unauthenticated { why }) => Ok(Principal::Invalid(why)),
        Err(other) => Err(other.into()),
    }
}

/// The key a request of the REST core came with: `Authorization: Bearer`, else `X-API-Key`, else a WebSocket subprotocol.
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| text(headers, &API_KEY)).or_else(|| subprotocol_key(headers))
}

/// The key in a header that a dialect named. The word `Bearer` before it is passed over.
pub(crate) fn presented_in<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    let key = strip_bearer(value).unwrap_or(value);
    (!key.is_empty()).then_some(key)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, &AUTHORIZATION).and_then(strip_bearer)
}

fn strip_bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|v| !v.is_empty())
}

fn subprotocol_key(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .find_map(|p| p.trim().strip_prefix(PROTOCOL_KEY_PREFIX))
        .filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_key_is_found_where_it_may_stand() {
        assert_eq!(presented(&headers(&[("authorization", "bearer abc")])), Some("abc"));
        assert_eq!(presented(&headers(&[("x-api-key", "abc")])), Some("abc"));
        let both = headers(&[("authorization", "Bearer one"), ("x-api-key", "two")]);
        assert_eq!(presented(&both), Some("one"));
        let browser = headers(&[("sec-websocket-protocol", "portico.events, portico.key.abc")]);
        assert_eq!(presented(&browser), Some("abc"));
    }

    #[test]
    fn bad_credentials_are_refused_also_where_none_are_needed() {
        let why = |refused: Error| refused.to_string();
        assert!(Principal::Anonymous.optional().is_ok_and(|caller| caller.is_none()));
        assert!(Principal::Anonymous.required().map_err(why).is_err_and(|why| why.contains("Authorization")));
        for refused in [Principal::Invalid("bad").optional().err(), Principal::Invalid("bad").required().err()] {
            assert!(refused.map(why).is_some_and(|why| why.contains("bad")));
        }
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        assert_eq!(presented(&headers(&[])), None);
        assert_eq!(presented(&headers(&[("authorization", "Basic YTpi")])), None);
        assert_eq!(presented(&headers(&[("authorization", "Bearer ")])), None);
        let proxied = headers(&[("authorization", "Basic YTpi"), ("x-api-key", "abc")]);
        assert_eq!(presented(&proxied), Some("abc"));
    }

    #[test]
    fn a_dialects_header_takes_the_key_with_or_without_bearer() {
        assert_eq!(presented_in(&headers(&[("x-api-token", "abc")]), "x-api-token"), Some("abc"));
        assert_eq!(presented_in(&headers(&[("authorization", "Bearer abc")]), "authorization"), Some("abc"));
        assert_eq!(presented_in(&headers(&[]), "x-api-token"), None);
    }
}
