//! Asking WhatsApp and waiting for its answer: the client that can, the deadline, and what refusals of groups mean.

use std::sync::Arc;

use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use whatsapp_rust::features::{GroupError, MexError};
use whatsapp_rust::{Client, IqError};

use crate::failure;
use crate::session::Session;

/// The client of a linked session, logged in. Waits for a login that is under way.
pub(crate) async fn client(session: &Session) -> Result<Arc<Client>> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if client.pn().is_none() {
        return Err(failure::not_ready(DeviceState::Pairing));
    }
    if !client.is_logged_in() && client.wait_for_connected(session.context.limits.ask_timeout).await.is_err() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    Ok(client)
}

/// What `asked` comes to, unless WhatsApp's answer takes longer than `ask_timeout`.
pub(crate) async fn in_time<T>(session: &Session, asked: impl Future<Output = Result<T>>) -> Result<T> {
    let timed = tokio::time::timeout(session.context.limits.ask_timeout, asked).await;
    timed.unwrap_or_else(|_| Err(too_late()))
}

/// WhatsApp did not answer.
pub(crate) fn too_late() -> Error {
    Error::Timeout {
        why: "WhatsApp gave no answer in time; what was asked may still happen: look before you repeat it".to_owned(),
    }
}

/// A refusal by WhatsApp's server, by its code.
pub(crate) fn refused(code: u16) -> Error {
    Error::Refused { code: "refused_by_whatsapp", why: format!("WhatsApp's server refused it (code {code})") }
}

/// Why a question was not answered, where its code has no meaning of its own.
pub(crate) fn of_iq(error: &IqError) -> Error {
    match error {
        IqError::Timeout => too_late(),
        IqError::ServerError { code: 429, backoff, .. } => Error::Busy {
            why: "WhatsApp limits how often this may be asked; wait".to_owned(),
            retry_after: std::time::Duration::from_secs(backoff.unwrap_or(60).into()),
        },
        IqError::ServerError { code: code @ 400..=499, .. } => refused(*code),
        IqError::ServerError { code, .. } => failure::unreachable(format!("the server failed (code {code})")),
        _ => failure::unreachable("a request failed"),
    }
}

/// The code of a refusal by WhatsApp's server.
pub(crate) fn code(error: &GroupError) -> Option<u16> {
    match error {
        GroupError::Iq(IqError::ServerError { code, .. }) => Some(*code),
        _ => None,
    }
}

/// Why a question about a group was not answered, where its code has no meaning of its own.
pub(crate) fn of_group(error: &GroupError) -> Error {
    match error {
        GroupError::Iq(error) | GroupError::Mex(MexError::Request(error)) => of_iq(error),
        GroupError::DescriptionConflict => Error::Conflict {
            code: "conflict",
            why: "another device changed the group's description at the same moment; look at it and try again"
                .to_owned(),
        },
        GroupError::InvalidRequest(_) => Error::invalid("group", "WhatsApp can't do this with this group"),
        _ => failure::unreachable("a request about a group failed"),
    }
}
