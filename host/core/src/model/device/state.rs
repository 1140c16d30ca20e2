//! The machine of device states: which signal leads where, why, and for how long.
//!
//! Every state except those that may last has a deadline; when it passes, the machine itself says what happens.
//! This file is pure: no clock, no store. [`crate::device::session`] applies its answers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Hint;

/// Connecting a known device, socket and login together.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(60);
/// Waiting for a scan: WhatsApp gives one code 60 s and five more 20 s each; a pairing code lives 180 s.
pub const PAIRING_DEADLINE: Duration = Duration::from_secs(200);
/// Waiting for the passkey on the phone.
pub const PASSKEY_DEADLINE: Duration = Duration::from_secs(300);
/// Reconnecting before the session is thrown away and started afresh.
pub const RECONNECT_DEADLINE: Duration = Duration::from_secs(300);

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// Made, never connected.
    Created,
    /// Dialling and logging in.
    Connecting,
    /// Waiting for a phone to scan the QR code or to enter the pairing code.
    Pairing,
    /// WhatsApp asks for the passkey on the phone before it links.
    PasskeyRequired,
    /// Logged in.
    Connected,
    /// The connection broke; it is being made again. Messages wait.
    Reconnecting,
    /// No session runs.
    Disconnected,
    /// Unlinked; only a new pairing helps.
    LoggedOut,
}

impl DeviceState {
    /// Every state, for tests and documentation.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Connecting,
        Self::Pairing,
        Self::PasskeyRequired,
        Self::Connected,
        Self::Reconnecting,
        Self::Disconnected,
        Self::LoggedOut,
    ];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Connecting => "connecting",
            Self::Pairing => "pairing",
            Self::PasskeyRequired => "passkey_required",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Disconnected => "disconnected",
            Self::LoggedOut => "logged_out",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// What a caller does to get from here to connected.
    pub fn way_to_connected(self) -> Hint {
        match self {
            Self::Created | Self::LoggedOut => Hint::ConnectAndScan,
            Self::Disconnected => Hint::Connect,
            Self::Pairing => Hint::Scan,
            Self::PasskeyRequired => Hint::ConfirmPasskey,
            Self::Connecting | Self::Reconnecting | Self::Connected => Hint::Wait,
        }
    }

    /// How long the state may last.
    pub fn deadline(self) -> Option<Duration> {
        match self {
            Self::Connecting => Some(CONNECT_DEADLINE),
            Self::Pairing => Some(PAIRING_DEADLINE),
            Self::PasskeyRequired => Some(PASSKEY_DEADLINE),
            Self::Reconnecting => Some(RECONNECT_DEADLINE),
            Self::Created | Self::Connected | Self::Disconnected | Self::LoggedOut => None,
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a device is in its state: a stable code, kept with it and told in the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReason {
    /// In snake_case, such as `qr_expired`, `replaced`, `temporary_ban`.
    pub code: String,
    /// For people: what happened and what to do.
    pub text: String,
}

impl StateReason {
    /// A reason.
    pub fn new(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into() }
    }
}

/// What happens to a device.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Somebody asked for a session, or the gateway restores it.
    ConnectRequested,
    /// WhatsApp waits for a scan or for a code.
    PairingStarted,
    /// The phone accepted; WhatsApp restarts the connection now.
    Paired,
    /// WhatsApp asks for a passkey.
    PasskeyRequired,
    /// The session is logged in.
    LoggedIn,
    /// The connection broke and is being made again.
    ConnectionLost(StateReason),
    /// The session ended and won't come back by itself.
    Ended(StateReason),
    /// Somebody asked to stop.
    DisconnectRequested,
    /// The device was unlinked, here or on the phone.
    Unlinked(StateReason),
    /// The state's deadline passed.
    DeadlinePassed,
}

/// What the gateway does about a change, beside recording it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// End the running session.
    Stop,
    /// End the running session and start a new one.
    Restart,
}

/// Where a signal leads.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The new state.
    pub state: DeviceState,
    /// Why.
    pub reason: Option<StateReason>,
    /// What to do.
    pub effect: Effect,
}

impl DeviceState {
    /// Where `signal` leads from here; `None` when it changes nothing.
    pub fn on(self, signal: Signal) -> Option<Transition> {
        use DeviceState as S;
        let to = |state, reason| Some(Transition { state, reason, effect: Effect::None });
        match (self, signal) {
            (
                S::Connected | S::Connecting | S::Reconnecting | S::Pairing | S::PasskeyRequired,
                Signal::ConnectRequested,
            ) => None,
            (_, Signal::ConnectRequested) => to(S::Connecting, None),
            (S::Connecting | S::Reconnecting | S::Pairing, Signal::PairingStarted) => to(S::Pairing, None),
            (S::Pairing | S::Connecting | S::PasskeyRequired, Signal::Paired) => to(S::Connecting, None),
            (S::Pairing | S::Connecting, Signal::PasskeyRequired) => to(
                S::PasskeyRequired,
                Some(StateReason::new("passkey_required", "confirm the linking with the passkey on the phone")),
            ),
            (S::Connecting | S::Reconnecting | S::Pairing | S::PasskeyRequired, Signal::LoggedIn) => {
                to(S::Connected, None)
            }
            (S::Connected | S::Connecting, Signal::ConnectionLost(why)) => to(S::Reconnecting, Some(why)),
            (S::Created | S::Disconnected | S::LoggedOut, Signal::Ended(_) | Signal::DisconnectRequested) => None,
            (_, Signal::Ended(why)) => to(S::Disconnected, Some(why)),
            (_, Signal::DisconnectRequested) => Some(Transition {
                state: S::Disconnected,
                reason: Some(StateReason::new("requested", "disconnected on request")),
                effect: Effect::Stop,
            }),
            (S::LoggedOut, Signal::Unlinked(_)) => None,
            (_, Signal::Unlinked(why)) => {
                Some(Transition { state: S::LoggedOut, reason: Some(why), effect: Effect::Stop })
            }
            (state, Signal::DeadlinePassed) => state.after_deadline(),
            (
                _,
                Signal::PairingStarted
                | Signal::Paired
                | Signal::PasskeyRequired
                | Signal::LoggedIn
                | Signal::ConnectionLost(_),
            ) => None,
        }
    }

    fn after_deadline(self) -> Option<Transition> {
        let end = |code: &str, text: &str| {
            Some(Transition {
                state: Self::Disconnected,
                reason: Some(StateReason::new(code, text)),
                effect: Effect::Stop,
            })
        };
        match self {
            Self::Pairing => end("pairing_expired", "nobody scanned the code in time; connect again for a new one"),
            Self::PasskeyRequired => end("passkey_expired", "the passkey was not confirmed in time; connect again"),
            Self::Connecting | Self::Reconnecting => Some(Transition {
                state: Self::Connecting,
                reason: Some(StateReason::new(
                    "unreachable",
                    "WhatsApp did not answer in time; a fresh session is being tried",
                )),
                effect: Effect::Restart,
            }),
            Self::Created | Self::Connected | Self::Disconnected | Self::LoggedOut => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason() -> StateReason {
        StateReason::new("test", "a test")
    }

    #[test]
    fn a_new_device_gets_connected_by_pairing() {
        let mut state = DeviceState::Created;
        for (signal, next) in [
            (Signal::ConnectRequested, DeviceState::Connecting),
            (Signal::PairingStarted, DeviceState::Pairing),
            (Signal::Paired, DeviceState::Connecting),
            (Signal::LoggedIn, DeviceState::Connected),
        ] {
            state = state.on(signal).expect("a change").state;
            assert_eq!(state, next);
        }
    }

    #[test]
    fn every_state_with_a_deadline_says_what_follows_it() {
        for state in DeviceState::ALL {
            let after = state.on(Signal::DeadlinePassed);
            assert_eq!(after.is_some(), state.deadline().is_some(), "{state}");
            assert!(after.is_none_or(|t| t.reason.is_some()), "{state}");
        }
    }

    #[test]
    fn a_stopped_device_ignores_the_echo_of_its_own_end() {
        assert!(DeviceState::Disconnected.on(Signal::Ended(reason())).is_none());
        assert!(DeviceState::LoggedOut.on(Signal::Ended(reason())).is_none());
        assert!(DeviceState::Disconnected.on(Signal::ConnectionLost(reason())).is_none());
    }

    #[test]
    fn unlinking_stops_the_session_wherever_it_stands() {
        for state in DeviceState::ALL.into_iter().filter(|s| *s != DeviceState::LoggedOut) {
            let next = state.on(Signal::Unlinked(reason())).expect("a change");
            assert_eq!((next.state, next.effect), (DeviceState::LoggedOut, Effect::Stop), "{state}");
        }
    }

    #[test]
    fn names_lead_back_to_their_states() {
        for state in DeviceState::ALL {
            assert_eq!(DeviceState::from_name(state.as_str()), Some(state));
        }
    }
}
