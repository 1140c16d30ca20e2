//! Failures of the protocol library as errors of the core.
//!
//! The library's texts may name numbers and JIDs, and sources of errors end up in logs: what travels on is a description
//! of ours that names neither.

use portico_core::device::DeviceState;
use portico_core::error::Error;
use whatsapp_rust::features::ContactError;
use whatsapp_rust::pair_code::PairError;
use whatsapp_rust::{ClientError, IqError, SendError};

/// What callers read when the connection is the problem.
const WHATSAPP: &str = "WhatsApp";

/// WhatsApp cannot be reached now; `why` is for the operator.
pub(crate) fn unreachable(why: impl Into<String>) -> Error {
    Error::unavailable(WHATSAPP, why.into())
}

/// The device cannot do this in `state`.
pub(crate) fn not_ready(state: DeviceState) -> Error {
    Error::NotReady { state: state.as_str(), hint: state.way_to_connected() }
}

/// Why a message was not written.
pub(crate) fn of_send(error: &SendError) -> Error {
    match error {
        SendError::InvalidRequest(_) => Error::invalid("to", "WhatsApp can't send a message to this kind of chat"),
        SendError::Client(e) => unreachable(of_client(e)),
        SendError::NotLoggedIn => unreachable("the session is not logged in"),
        SendError::Iq(e) => refused(e).unwrap_or_else(|| unreachable(of_iq(e))),
        _ => unreachable("encrypting or preparing the message failed"),
    }
}

/// WhatsApp's server said no, and would say so again: the codes of a wrong request, apart from those that ask to wait.
fn refused(error: &IqError) -> Option<Error> {
    match error {
        IqError::ServerError { code: code @ (400..=428 | 430..=499 | 501), .. } if *code != 408 => {
            Some(Error::Refused {
                code: "refused_by_whatsapp",
                why: format!("WhatsApp's server refused the message (code {code})"),
            })
        }
        _ => None,
    }
}

/// Why a recipient was not resolved.
pub(crate) fn of_contact(error: &ContactError) -> Error {
    match error {
        ContactError::Iq(e) => unreachable(of_iq(e)),
        _ => Error::invalid("to", "WhatsApp can't look this recipient up; give a phone number or a LID"),
    }
}

/// Why there is no pairing code.
pub(crate) fn of_pairing(error: &PairError) -> Error {
    let (throttled, wait) = (error.rejection().is_some_and(|r| r.is_throttled()), error.backoff());
    match error {
        PairError::RequestFailed(_) if throttled => Error::Busy {
            why: "WhatsApp limits how often a number may ask for pairing codes; wait, or scan the QR code".to_owned(),
            retry_after: wait.unwrap_or(std::time::Duration::from_secs(60)),
        },
        PairError::RequestFailed(_) if error.rejection().is_some() => Error::Refused {
            code: "pairing_code_refused",
            why: "WhatsApp refused a pairing code for this number; check it, or scan the QR code".to_owned(),
        },
        PairError::RequestFailed(e) => unreachable(of_iq(e)),
        _ => Error::invalid("phone", "WhatsApp takes no pairing code for this number; check it, or scan the QR code"),
    }
}

fn of_client(error: &ClientError) -> &'static str {
    match error {
        ClientError::NotConnected => "the socket is not connected",
        ClientError::NotLoggedIn => "the session is not logged in",
        ClientError::Socket(_) | ClientError::EncryptSend(_) => "writing to the socket failed",
        ClientError::Iq(e) => of_iq(e),
        _ => "the protocol library failed",
    }
}

fn of_iq(error: &IqError) -> &'static str {
    match error {
        IqError::Timeout => "a request was not answered in time",
        IqError::NotConnected => "the socket is not connected",
        IqError::ServerError { .. } => "the server refused a request",
        _ => "a request failed",
    }
}
