//! What ends, begins and breaks sessions, in the core's words: reasons with a stable code and what to do.

use portico_core::device::StateReason;
use portico_core::time::UtcMs;
use std::time::Duration;
use whatsapp_rust::types::events::{
    ConnectFailure, ConnectFailureReason, LoggedOut, PairError, StreamError, TempBanReason, TemporaryBan,
};

/// How a session ended.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// As asked; whoever asked knows.
    Stopped,
    /// It ended and won't come back by itself.
    Ended(StateReason),
    /// The device was unlinked: its keys are worth nothing any more.
    Unlinked(StateReason),
    /// WhatsApp wants a newer client version; asking for it anew may help.
    Outdated,
}

pub(crate) fn connection_lost() -> StateReason {
    StateReason::new("connection_lost", "the connection broke; it is being made again")
}

/// The reason to give when the connection breaks next. The library reports a stream error while the connection still stands,
/// and one without a code is only a complaint about one stanza.
pub(crate) fn stream_error(error: &StreamError) -> Option<StateReason> {
    (!error.code.is_empty()).then(|| {
        StateReason::new(
            "stream_error",
            format!("WhatsApp closes the connection (code {}); it is being made again", error.code),
        )
    })
}

pub(crate) fn outdated_retry() -> StateReason {
    StateReason::new("client_outdated", "WhatsApp wants a newer client version; it is being asked for and tried")
}

pub(crate) fn outdated() -> StateReason {
    StateReason::new(
        "client_outdated",
        "WhatsApp refuses this client version; set a newer `whatsapp.version` or update the gateway, then connect again",
    )
}

pub(crate) fn qr_expired() -> StateReason {
    StateReason::new("qr_expired", "nobody scanned a QR code before the last one expired; connect again for new ones")
}

pub(crate) fn replaced() -> StateReason {
    StateReason::new(
        "replaced",
        "another session of this device took over; make sure that only one gateway runs it, then connect again",
    )
}

pub(crate) fn run_over() -> StateReason {
    StateReason::new("session_ended", "the session ended without a reason; connect again")
}

pub(crate) fn crashed() -> StateReason {
    StateReason::new(
        "session_crashed",
        "the session failed inside the gateway; connect again and report it with the log",
    )
}

pub(crate) fn start_failed() -> StateReason {
    StateReason::new("start_failed", "the session could not be started again; the log has the reason; connect again")
}

pub(crate) fn pair_failed(error: Option<&PairError>) -> StateReason {
    let what = if error.is_some() { "the phone accepted, but the linking failed" } else { "the linking failed" };
    StateReason::new("pair_failed", format!("{what} too often; connect again and scan a new QR code"))
}

pub(crate) fn no_multidevice() -> StateReason {
    StateReason::new(
        "multidevice_missing",
        "the phone that scanned can't link devices; update WhatsApp on it, then connect again",
    )
}

pub(crate) fn logged_out(event: &LoggedOut) -> StateReason {
    match event.reason {
        ConnectFailureReason::AccountLocked => StateReason::new(
            "account_locked",
            "WhatsApp locked the account; open WhatsApp on the phone, follow what it says, then pair again",
        ),
        _ => StateReason::new("logged_out", "the device was unlinked on the phone or by WhatsApp; pair it again"),
    }
}

pub(crate) fn temporary_ban(ban: &TemporaryBan, now: UtcMs) -> StateReason {
    let seconds = u64::try_from(ban.expire.num_seconds()).unwrap_or(0);
    let until = (now + Duration::from_secs(seconds)).iso();
    let cause = match ban.code {
        TempBanReason::SentToTooManyPeople => "too many messages to people who don't know the number",
        TempBanReason::BlockedByUsers => "too many people blocked the number",
        TempBanReason::CreatedTooManyGroups => "too many groups with people who don't know the number",
        TempBanReason::SentTooManySameMessage => "the same message to too many people",
        TempBanReason::BroadcastList => "too many messages to a broadcast list",
        TempBanReason::Unknown(_) => "a breach of WhatsApp's terms",
    };
    StateReason::new(
        "temporary_ban",
        format!("WhatsApp banned the account until {until}: {cause}; connect again after that"),
    )
}

pub(crate) fn connect_failure(failure: &ConnectFailure) -> StateReason {
    let (code, text) = match failure.reason {
        ConnectFailureReason::TempBanned => ("temporary_ban", "WhatsApp banned the account for a time it did not name"),
        ConnectFailureReason::BadUserAgent | ConnectFailureReason::ClientUnknown => {
            ("client_refused", "WhatsApp refuses this client; update the gateway")
        }
        _ => ("connect_refused", "WhatsApp refused the connection; connect again in some minutes"),
    };
    StateReason::new(code, format!("{text} (code {})", failure.reason.code()))
}

/// A failure after which the library connects again by itself.
pub(crate) fn is_passing(failure: &ConnectFailure) -> bool {
    failure.reason.should_reconnect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_tells_until_when() {
        let ban = TemporaryBan::builder()
            .code(TempBanReason::SentTooManySameMessage)
            .expire(whatsapp_rust::chrono::Duration::seconds(3600))
            .build();
        let reason = temporary_ban(&ban, UtcMs(1_767_225_600_000));
        assert_eq!(reason.code, "temporary_ban");
        assert!(reason.text.contains("2026-01-01T01:00:00.000Z"), "{}", reason.text);
    }

    #[test]
    fn a_complaint_without_a_code_is_no_loss() {
        assert!(stream_error(&StreamError::builder().code(String::new()).build()).is_none());
        assert_eq!(
            stream_error(&StreamError::builder().code("503".to_owned()).build()).expect("a reason").code,
            "stream_error"
        );
    }
}
