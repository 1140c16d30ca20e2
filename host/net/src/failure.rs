//! Turns errors of the HTTP client into texts for the owner of the URL: they name no address behind a name and no URL, and say what
//! to do.

use std::error::Error;
use std::time::Duration;

use portico_core::ports::outbound::OutboundError;

use crate::dns::Unresolved;

/// Characters of an error text of the HTTP client that are shown at most.
const DETAIL_CHARS_MAX: usize = 200;

/// The error of the port for an error of the HTTP client.
pub(crate) fn of_request(error: &reqwest::Error, connect_timeout: Duration) -> OutboundError {
    if let Some(unresolved) = find::<Unresolved>(error) {
        return match unresolved {
            Unresolved::Denied(host) => OutboundError::DeniedAddress(host.clone()),
            Unresolved::Lookup(_) | Unresolved::Empty => OutboundError::Dns,
        };
    }
    if error.is_connect() && error.is_timeout() {
        let text = format!("nobody answered within {connect_timeout:?}; check host, port and firewall of the receiver");
        return OutboundError::Connect(text);
    }
    let detail = innermost(error);
    if error.is_builder() {
        OutboundError::Invalid(detail)
    } else if error.is_connect() {
        OutboundError::Connect(format!("{detail}; check host, port and certificate of the receiver"))
    } else {
        OutboundError::Other(format!("the exchange broke off: {detail}; check the receiver"))
    }
}

/// The first error of type `E` in the chain.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The text of the innermost cause. The texts around it repeat the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string().chars().take(DETAIL_CHARS_MAX).collect()
}
