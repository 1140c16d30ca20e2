//! Who a request comes from: keys in headers, and callers that the gateway itself vouches for.
//!
//! A caller is made from a good key or handed over in process as [`Injected`], a private type that nothing from a socket
//! can carry. There is no cache: a revoked key stops working with the very next request.

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderName};
use portico_core::access::{Caller, keys};
use portico_core::{Error, Ports};

use crate::problem::Problem;

/// The other header a key may come in.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Browsers can't set headers on a WebSocket; they offer the key as a subprotocol that starts so.
pub(crate) const PROTOCOL_KEY_PREFIX: &str = "portico.key.";

/// Put into requests that come from within the process, with the caller they are made for.
#[derive(Clone, Debug)]
pub(crate) struct Injected(pub(crate) Option<Caller>);

/// What came of looking at a request's credentials.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// None came.
    Nobody,
    /// They are no good; what to answer where some are needed.
    Refused(&'static str),
    /// They are good.
    Known(Caller),
}

const NO_KEY: &str = "no key came with this request; send one as `Authorization: Bearer …` or `X-API-Key`";

impl Identity {
    /// The caller, if there is one.
    pub(crate) fn caller(self) -> Option<Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Nobody | Self::Refused(_) => None,
        }
    }

    /// The caller, where one is needed.
    pub(crate) fn required(&self) -> Result<&Caller, Error> {
        self.optional()?.ok_or(Error::Unauthenticated { why: NO_KEY })
    }

    /// The caller, where it goes without credentials too; bad ones are refused.
    pub(crate) fn optional(&self) -> Result<Option<&Caller>, Error> {
        match self {
            Self::Known(caller) => Ok(Some(caller)),
            Self::Refused(why) => Err(Error::Unauthenticated { why }),
            Self::Nobody => Ok(None),
        }
    }
}

/// Looks up who presents `key`. Only a failing store is an error.
pub(crate) async fn identify(ports: &Ports, key: Option<&str>) -> Result<Identity, Problem> {
    let Some(key) = key else { return Ok(Identity::Nobody) };
    match keys::authenticate(ports, key).await {
        Ok(caller) => Ok(Identity::Known(caller)),
        Err(Error::Unauthenticated { why }) => Ok(Identity::Refused(why)),
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
        assert!(Identity::Nobody.optional().is_ok_and(|caller| caller.is_none()));
        assert!(Identity::Nobody.required().map_err(why).is_err_and(|why| why.contains("Authorization")));
        for refused in [Identity::Refused("bad").optional().err(), Identity::Refused("bad").required().err()] {
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
