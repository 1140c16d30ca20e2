//! Events about the connection, the login and pairing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portico_core::device::Signal;
use portico_core::ports::whatsapp::Account;
use whatsapp_rust::types::events::{Event, PairError};
use whatsapp_rust::{Client, Jid};

use crate::events::signals::{self, Verdict};
use crate::session::Session;

/// How long telling WhatsApp that we are not online may take.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// The client logged in.
pub(super) async fn connected(session: &Session, client: &Client) {
    session.pairing.hide();
    session.logged_in.store(true, Ordering::Release);
    // The library goes online at each login, and an online companion keeps the phone from notifying.
    let quiet = tokio::time::timeout(PRESENCE_TIMEOUT, client.presence().set_unavailable()).await;
    if !matches!(quiet, Ok(Ok(()))) {
        tracing::debug!(device.id = %session.device, "telling WhatsApp that the session is not online failed");
    }
    let name = client.push_name();
    let account = Account {
        jid: client.pn().as_ref().map(Jid::to_non_ad_string),
        lid: client.lid().as_ref().map(Jid::to_non_ad_string),
        push_name: (!name.is_empty()).then_some(name),
    };
    session.report_signal(Signal::LoggedIn, Some(account)).await;
}

/// How the event ends the session, for reasons of the connection or the account.
pub(super) fn ended(session: &Session, event: &Event) -> Option<Verdict> {
    match event {
        Event::LoggedOut(_) if session.logging_out.load(Ordering::Acquire) => Some(Verdict::Stopped),
        Event::LoggedOut(event) => Some(Verdict::Unlinked(signals::logged_out(event))),
        Event::StreamReplaced(_) => Some(Verdict::Ended(signals::replaced())),
        Event::TemporaryBan(ban) => Some(Verdict::Ended(signals::temporary_ban(ban, session.context.clock.now()))),
        Event::ConnectFailure(failure) if !signals::is_passing(failure) => {
            Some(Verdict::Ended(signals::connect_failure(failure)))
        }
        Event::ClientOutdated(_) => Some(Verdict::Outdated),
        _ => None,
    }
}

/// Handles an event about pairing; the verdict when it ends the session.
pub(super) async fn pairing(session: &Session, event: &Event) -> Option<Verdict> {
    match event {
        Event::PairingQrCode(code) => {
            let is_first = session.pairing.show(code, &*session.context.clock);
            if is_first {
                session.report_signal(Signal::PairingStarted, None).await;
            }
            if let Some(code) = session.pairing.qr()
                && let Err(error) = session.context.inbox.qr(&session.device, &code).await
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(device.id = %session.device, error, "a QR code is not told to event streams");
            }
        }
        Event::PairingQrCodesExhausted(event) => {
            session.pairing.hide();
            // The library stays connected when a pairing code is still good; the core's deadline ends that.
            return event.disconnected.then(|| Verdict::Ended(signals::qr_expired()));
        }
        Event::PairingCodeRefresh(_) => session.pairing.forget_code().await,
        Event::PairSuccess(paired) => {
            session.pairing.hide();
            session.pairing.forget_code().await;
            let account = Account {
                jid: Some(paired.id.to_non_ad_string()),
                lid: Some(paired.lid.to_non_ad_string()),
                push_name: None,
            };
            session.report_signal(Signal::Paired, Some(account)).await;
        }
        Event::PairPasskeyRequest(_) => session.report_signal(Signal::PasskeyRequired, None).await,
        Event::PairError(error) => return pairing_failed(session, Some(error)),
        Event::PairPasskeyError(_) => return pairing_failed(session, None),
        Event::QrScannedWithoutMultidevice(_) => return Some(Verdict::Ended(signals::no_multidevice())),
        _ => {}
    }
    None
}

fn pairing_failed(session: &Session, error: Option<&PairError>) -> Option<Verdict> {
    tracing::warn!(device.id = %session.device, "a pairing failed");
    let failures = session.pairing.failed();
    (failures >= session.context.limits.pairing_attempts_max).then(|| Verdict::Ended(signals::pair_failed(error)))
}
