//! What can go wrong, as one closed enum of kinds.
//!
//! It knows no status code: each API turns a kind into its own answer as one of the last steps, with one exhaustive match.
//! The public text says what to do; what only an operator may see travels in the source of `Unavailable` and `Internal`.

use std::fmt;
use std::time::Duration;

/// The result of every operation of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was not done. Nothing has changed when one of these comes back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing for this tenant.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// The noun, as the API names it: `device`, `message`, …
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The thing exists already, or is being changed by somebody else.
    #[error("{why}")]
    Conflict {
        /// A stable code in snake_case, such as `idempotency_key_reused`.
        code: &'static str,
        /// What is in the way and what to do.
        why: String,
    },
    /// A value can't be used.
    #[error("`{field}`: {why}")]
    Invalid {
        /// The field, header or parameter, as the caller wrote it.
        field: String,
        /// What is wrong with it and what would be right.
        why: String,
    },
    /// No usable credentials came with the request.
    #[error("{why}")]
    Unauthenticated {
        /// What is missing.
        why: &'static str,
    },
    /// The credentials are good, but not for this.
    #[error("{why}")]
    Forbidden {
        /// What is missing, such as the name of a scope.
        why: String,
    },
    /// The device can't do this in its present state.
    #[error("the device is {state}; {hint}")]
    NotReady {
        /// The name of the state it is in.
        state: &'static str,
        /// What to do first.
        hint: Hint,
    },
    /// WhatsApp or the protocol library can't do it at all.
    #[error("{why}")]
    Unsupported {
        /// The reason.
        why: String,
    },
    /// Something is larger than its limit.
    #[error("{what} is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A limit on the rate or on work under way is reached.
    #[error("{why}")]
    Busy {
        /// Which limit.
        why: String,
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// WhatsApp said no.
    #[error("{why}")]
    Refused {
        /// A stable code in snake_case, such as `not_on_whatsapp`.
        code: &'static str,
        /// What was refused, and what helps.
        why: String,
    },
    /// A thing was there and is not any more.
    #[error("{why}")]
    Gone {
        /// A stable code in snake_case, such as `media_gone`.
        code: &'static str,
        /// What is gone, and what helps.
        why: String,
    },
    /// WhatsApp gave no answer in time; what was asked may still happen.
    #[error("{why}")]
    Timeout {
        /// What was waited for, and what helps.
        why: String,
    },
    /// Something this needs is down; the same request may work later.
    #[error("{what} is not available at the moment; try again")]
    Unavailable {
        /// What is down, for the caller.
        what: &'static str,
        /// What happened, for the operator.
        #[source]
        source: Source,
    },
    /// A fault of the gateway.
    #[error("the gateway failed while {doing}; the log has the reason")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// What happened, for the operator.
        #[source]
        source: Source,
    },
}

/// What leads a device to `connected`, as data: each API says in its own words how that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Connect it and scan its QR code.
    ConnectAndScan,
    /// Connect it.
    Connect,
    /// Scan its QR code, or enter the pairing code on the phone.
    Scan,
    /// Confirm the passkey on the phone.
    ConfirmPasskey,
    /// Wait for its next state.
    Wait,
}

same_variants!(Hint, portico_api::problem::Hint: ConnectAndScan, Connect, Scan, ConfirmPasskey, Wait);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectAndScan => "connect it and scan its QR code",
            Self::Connect => "connect it",
            Self::Scan => "scan its QR code, or enter the pairing code on the phone",
            Self::ConfirmPasskey => "confirm the passkey on the phone",
            Self::Wait => "wait for its next state",
        })
    }
}

/// An error of another crate, kept for the log.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// A value that can't be used.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }

    /// A thing that is not there.
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    /// A fault of the gateway.
    pub fn internal(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Internal { doing, source: source.into() }
    }

    /// Something that is down.
    pub fn unavailable(what: &'static str, source: impl Into<Source>) -> Self {
        Self::Unavailable { what, source: source.into() }
    }

    /// A stable code in snake_case, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { what: "device", .. } => "device_not_found",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { code, .. } | Self::Refused { code, .. } | Self::Gone { code, .. } => code,
            Self::Invalid { .. } => "invalid_request",
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Forbidden { .. } => "forbidden",
            Self::NotReady { .. } => "device_not_ready",
            Self::Unsupported { .. } => "unsupported",
            Self::TooLarge { .. } => "too_large",
            Self::Busy { .. } => "busy",
            Self::Timeout { .. } => "timeout",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal { .. } => "internal",
        }
    }
}
