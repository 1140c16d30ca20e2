//! What can go wrong, each with what to do about it. Only the admin API turns these into statuses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use whatsapp_rust::wacore::libsignal::protocol::{CurveError, SignalProtocolError};

/// Why the sandbox could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address outside loopback was configured.
    #[error("the sandbox binds loopback only, and {address} is not loopback: use 127.0.0.1 or [::1]")]
    NotLoopback {
        /// The refused address.
        address: SocketAddr,
    },
    /// A listener could not be opened.
    #[error("cannot listen on {address}: choose a free port, or port 0")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate of the https media host could not be made.
    #[error("cannot make a certificate for the media host: give it a DNS name or an IP address ({why})")]
    Certificate {
        /// The library's words.
        why: String,
    },
    /// The data folder could not be read or written.
    #[error("cannot use {path} for the sandbox's data: check that the folder exists and is writable")]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The snapshot file is not one this version wrote.
    #[error("{path} is not a snapshot this version can read: move it away to start with an empty world")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A phone number is not 7 to 15 digits.
    #[error("a phone number is 7 to 15 digits with country code and nothing else, for example 15550100001")]
    InvalidNumber,
    /// No such phone.
    #[error("no phone has this number: create it with POST /phones")]
    UnknownPhone,
    /// A chat names nobody on this network.
    #[error("nobody on this network has the number or JID of this chat: create that phone first")]
    UnknownRecipient,
    /// A phone with this number exists.
    #[error("a phone with this number exists: use it, or choose another number")]
    PhoneExists,
    /// A limit of [`Limits`](crate::Limits) was reached.
    #[error("{limit} is reached: raise it in the sandbox's limits, or use less")]
    LimitReached {
        /// The limit's name.
        limit: &'static str,
    },
    /// A QR text has the wrong shape.
    #[error("this is not a WhatsApp QR text ({why}): pass the text exactly as the client shows it")]
    InvalidQr {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The QR is not being shown by any connected client.
    #[error("no connected client shows this QR: it was used or has expired, take the current one")]
    StaleQr,
    /// No client waits for a code on this number.
    #[error("no connected client waits for a pairing code on this number: start pairing by code first")]
    NoPendingCode,
    /// The typed code is not the shown one.
    #[error("this pairing code does not open the client's keys: type the code the client shows now")]
    WrongCode,
    /// The client broke off, or refused, the pairing.
    #[error("the client did not finish pairing: {why}")]
    PairingFailed {
        /// What was seen.
        why: &'static str,
    },
    /// The awaited thing did not happen in time.
    #[error("nothing happened within {waited_ms} ms while waiting for {what}")]
    Timeout {
        /// What was awaited.
        what: &'static str,
        /// How long, in milliseconds.
        waited_ms: u64,
    },
    /// The phone is offline.
    #[error("the phone is offline: bring it online first")]
    PhoneOffline,
    /// A message is not in the inbox.
    #[error("no message with this id is in the inbox: it has not arrived, or newer ones pushed it out")]
    UnknownMessage,
    /// A message of the inbox is not there, or carries no media.
    #[error("no media message with this id is in the inbox")]
    UnknownMedia,
    /// The network refused a request, as WhatsApp would refuse a phone.
    #[error("the network refuses this with code {code}: the phone may not do it, or it makes no sense now")]
    Refused {
        /// The code, as a client would see it.
        code: u16,
    },
    /// A message was asked for that makes no sense.
    #[error("{why}")]
    Invalid {
        /// What is wrong and what to do.
        why: &'static str,
    },
    /// Signal refused to encrypt, decrypt or build a session.
    #[error("the Signal protocol refused")]
    Signal(#[from] SignalProtocolError),
    /// A key is malformed.
    #[error("a key is malformed")]
    Key(#[from] CurveError),
    /// Media could not be encrypted or decrypted.
    #[error("media could not be encrypted or decrypted: {why}")]
    Media {
        /// The library's words.
        why: String,
    },
}

impl Error {
    /// A [`Error::Timeout`] after this long.
    pub(crate) fn timeout(what: &'static str, waited: Duration) -> Self {
        Self::Timeout { what, waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
    }
}
