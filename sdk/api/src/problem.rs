//! Errors: the body of every answer that is not a success (RFC 9457), and the closed set of its codes.

mod codes;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use codes::ProblemCode;

use crate::DeviceState;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    /// What kind of problem it is, for people.
    pub title: Cow<'a, str>,
    /// The HTTP status.
    pub status: u16,
    /// A stable code in snake_case, for programs.
    pub code: ProblemCode,
    /// What happened here and what to do.
    pub detail: Cow<'a, str>,
    /// The field, header or parameter it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<Cow<'a, str>>,
    /// The device's state, when that is what is in the way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<DeviceState>,
    /// What to do first, when the device's state is in the way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<Hint>,
    /// Also in `X-Request-Id` and in the log.
    pub request_id: Cow<'a, str>,
}

/// What leads a device to `connected`. Each API says in its own words how that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
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
