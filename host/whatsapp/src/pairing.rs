//! Pairing: the QR code to scan now and the code to type. Both are secrets and live in memory only.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use portico_core::address::PhoneNumber;
use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::ports::Clock;
use portico_core::ports::whatsapp::{PairingCode, QrCode};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::types::events::PairingQrCode;

use crate::failure;
use crate::session::Session;

/// How long WhatsApp accepts a pairing code.
const CODE_LIFE: Duration = Duration::from_secs(180);
/// How long a code given out before must still live to be given out again.
const CODE_LIFE_LEFT: Duration = Duration::from_secs(30);

/// Where a session stands with pairing.
#[derive(Default)]
pub(crate) struct Pairing {
    qr: Mutex<Option<QrCode>>,
    /// The code given out and for which number. One request at a time: asking for a second code spoils the first.
    code: tokio::sync::Mutex<Option<(PhoneNumber, PairingCode)>>,
    failures: AtomicU32,
}

impl Pairing {
    pub(crate) fn qr(&self) -> Option<QrCode> {
        self.lock().clone()
    }

    /// Shows a new QR code; says whether it is the first of its round.
    pub(crate) fn show(&self, code: &PairingQrCode, clock: &dyn Clock) -> bool {
        let shown = QrCode { text: code.code.clone(), expires_at: clock.now() + code.timeout };
        self.lock().replace(shown).is_none()
    }

    /// Takes the QR code away.
    pub(crate) fn hide(&self) {
        *self.lock() = None;
    }

    /// Forgets the code to type: WhatsApp accepts it no more.
    pub(crate) async fn forget_code(&self) {
        *self.code.lock().await = None;
    }

    /// Counts a pairing that failed; says how many did.
    pub(crate) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<QrCode>> {
        self.qr.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A code to type on the phone with this number; the one given out before as long as it lives.
pub(crate) async fn code(session: &Session, phone: &PhoneNumber) -> Result<PairingCode> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if client.pn().is_some() {
        return Err(Error::Conflict {
            code: "already_paired",
            why: "the device is linked already; log it out first to link another account".to_owned(),
        });
    }
    let Ok(mut held) = session.pairing.code.try_lock() else {
        let why = "a pairing code of this device is being asked for already; wait for it".to_owned();
        return Err(Error::Busy { why, retry_after: Duration::from_secs(2) });
    };
    let now = session.context.clock.now();
    match &*held {
        Some((number, code)) if number == phone && now + CODE_LIFE_LEFT < code.expires_at => {
            return Ok(code.clone());
        }
        Some(_) => client.cancel_pair_code().await,
        None => {}
    }
    *held = None;
    let limit = session.context.limits.pairing_code_timeout;
    let options = PairCodeOptions { phone_number: phone.digits().to_owned(), ..Default::default() };
    let asked = async {
        client.wait_for_socket(limit).await.map_err(|_| failure::unreachable("the socket is not connected"))?;
        client.pair_with_code(options).await.map_err(|error| failure::of_pairing(&error))
    };
    let answer = tokio::time::timeout(limit, asked).await;
    let text = answer.map_err(|_| failure::unreachable("no answer to the request for a pairing code"))??;
    let code = PairingCode { code: text, expires_at: now + CODE_LIFE };
    *held = Some((phone.clone(), code.clone()));
    Ok(code)
}
