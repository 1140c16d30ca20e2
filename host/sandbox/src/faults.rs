//! Faults a test switches on: what the network does wrong, to whom, where and how often.
//!
//! Each place that can go wrong asks [`Faults::strike`]; the answer is the effect to apply there. Without a fault the
//! question costs one atomic read. [`restriction`] holds what WhatsApp itself limits an account by.

pub(crate) mod deliver;
pub(crate) mod restriction;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::sync::held;

/// Faults that may be switched on at once.
const FAULTS_MAX: usize = 1_000;
/// Longest delay, in milliseconds.
const DELAY_MS_MAX: u64 = 10 * 60 * 1_000;

/// Where something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A message a client hands to the server.
    Send,
    /// A stanza on its way to a device; `of` names its tag (`message`, `receipt`, `notification`).
    Deliver,
    /// A request of a client; `of` names its namespace (`w:g2`, `usync`, …).
    Request,
    /// A client that logs in.
    Login,
    /// A file fetched from the media host.
    MediaGet,
    /// A file brought to the media host.
    MediaPut,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Refused with this code: the acknowledgement's `error`, the request's error, or the HTTP status.
    Refuse(u16),
    /// Lost without a word.
    Drop,
    /// Late by this many milliseconds.
    DelayMs(u64),
    /// Comes twice.
    Duplicate,
    /// Comes after the next one.
    Swap,
    /// The login is refused as WhatsApp refuses it.
    Fail {
        /// 401 logged out, 402 banned for a time, 403 banned, 405 client too old, 503 try again.
        reason: u16,
        /// The ban's code.
        #[serde(default)]
        code: Option<u16>,
        /// Seconds until a ban ends.
        #[serde(default)]
        expire_s: Option<u64>,
    },
}

impl Effect {
    /// Whether this can happen at a place.
    fn fits(self, place: Place) -> bool {
        match (place, self) {
            (Place::Login, effect) => matches!(effect, Self::Fail { .. } | Self::DelayMs(_)),
            (_, Self::Fail { .. }) => false,
            (Place::Deliver, effect) => !matches!(effect, Self::Refuse(_)),
            (Place::Send, effect) => effect != Self::Swap,
            (_, effect) => matches!(effect, Self::Refuse(_) | Self::Drop | Self::DelayMs(_)),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where.
    pub at: Place,
    /// What.
    #[serde(rename = "do")]
    pub effect: Effect,
    /// Whose clients suffer, by number; without it everyone's. The media host knows no accounts.
    #[serde(default)]
    pub phone: Option<String>,
    /// Which device of it; without it every linked one.
    #[serde(default)]
    pub device: Option<u16>,
    /// Which stanzas or requests; without it all.
    #[serde(default)]
    pub of: Option<String>,
    /// How often; without it until it is switched off.
    #[serde(default)]
    pub times: Option<u32>,
}

/// A switched-on fault with its number and how often it struck.
#[derive(Debug, Clone, Serialize)]
pub struct ActiveFault {
    /// Names it when it is switched off.
    pub id: u64,
    /// How often it struck.
    pub struck: u32,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
}

/// All faults.
#[derive(Default)]
pub(crate) struct Faults {
    active: Mutex<Vec<ActiveFault>>,
    /// How many there are, for places that ask often.
    count: AtomicUsize,
    /// Stanzas held back until the next one to the same device has gone.
    held_back: Mutex<deliver::HeldBack>,
}

/// Who and what is at a place.
#[derive(Clone, Copy)]
pub(crate) struct Victim<'a> {
    pub(crate) phone: &'a str,
    pub(crate) device: u16,
    pub(crate) of: &'a str,
}

impl Faults {
    /// Switches a fault on; its number.
    pub(crate) fn add(&self, id: u64, fault: Fault) -> Result<u64, Error> {
        if !fault.effect.fits(fault.at) {
            return Err(Error::Invalid { why: "this effect cannot happen at this place: see the table in the README" });
        }
        if matches!(fault.effect, Effect::DelayMs(delay) if delay > DELAY_MS_MAX) {
            return Err(Error::Invalid { why: "a delay is at most 600000 ms" });
        }
        let mut active = held(&self.active);
        if active.len() >= FAULTS_MAX {
            return Err(Error::LimitReached { limit: "faults (1000)" });
        }
        active.push(ActiveFault { id, struck: 0, fault });
        self.count.store(active.len(), Ordering::Release);
        Ok(id)
    }

    /// Switches one off, or all; how many were on.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut active = held(&self.active);
        let before = active.len();
        active.retain(|one| id.is_some_and(|id| one.id != id));
        self.count.store(active.len(), Ordering::Release);
        before - active.len()
    }

    /// The faults that are on, also those that have struck as often as they should.
    pub(crate) fn all(&self) -> Vec<ActiveFault> {
        held(&self.active).clone()
    }

    /// What goes wrong here now, if anything; the first fitting fault counts it.
    pub(crate) fn strike(&self, place: Place, victim: Victim<'_>) -> Option<Effect> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut active = held(&self.active);
        let one = active.iter_mut().find(|one| {
            let fault = &one.fault;
            fault.at == place
                && fault.phone.as_deref().is_none_or(|phone| phone == victim.phone)
                && fault.device.is_none_or(|device| device == victim.device)
                && fault.of.as_deref().is_none_or(|of| of == victim.of)
                && fault.times.is_none_or(|times| one.struck < times)
        })?;
        one.struck += 1;
        Some(one.fault.effect)
    }

    /// As [`Self::strike`] on the media host, which knows nobody.
    pub(crate) fn strike_media(&self, place: Place) -> Option<Effect> {
        self.strike(place, Victim { phone: "", device: 0, of: "" })
    }
}

/// Waits as long as an effect delays; what is left of the effect.
pub(crate) async fn delayed(effect: Option<Effect>) -> Option<Effect> {
    match effect {
        Some(Effect::DelayMs(delay)) => {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            None
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at: Place, effect: Effect) -> Fault {
        Fault { at, effect, phone: None, device: None, of: None, times: None }
    }

    #[test]
    fn strikes_the_named_victim_as_often_as_asked() {
        let faults = Faults::default();
        let one =
            Fault { phone: Some("15550100001".into()), times: Some(2), ..fault(Place::Send, Effect::Refuse(463)) };
        assert!(faults.add(7, one).is_ok());
        let strike = |phone| faults.strike(Place::Send, Victim { phone, device: 1, of: "message" });
        assert_eq!(strike("15550100002"), None);
        assert_eq!(strike("15550100001"), Some(Effect::Refuse(463)));
        assert_eq!(strike("15550100001"), Some(Effect::Refuse(463)));
        assert_eq!(strike("15550100001"), None);
        assert_eq!(faults.all().first().map(|one| one.struck), Some(2));
        assert_eq!((faults.remove(Some(8)), faults.remove(Some(7))), (0, 1));
    }

    #[test]
    fn refuses_what_cannot_happen() {
        let faults = Faults::default();
        for (at, effect) in [
            (Place::Login, Effect::Drop),
            (Place::Deliver, Effect::Refuse(404)),
            (Place::MediaGet, Effect::Duplicate),
            (Place::Send, Effect::DelayMs(DELAY_MS_MAX + 1)),
        ] {
            assert!(faults.add(1, fault(at, effect)).is_err(), "{at:?} {effect:?}");
        }
    }

    #[test]
    fn reads_as_json() {
        let text = r#"{"at": "login", "do": {"fail": {"reason": 402, "expire_s": 60}}, "phone": "15550100001"}"#;
        let read: Fault = serde_json::from_str(text).expect("a fault");
        assert_eq!(read.effect, Effect::Fail { reason: 402, code: None, expire_s: Some(60) });
        let read: Fault = serde_json::from_str(r#"{"at": "deliver", "do": "swap", "of": "message"}"#).expect("a fault");
        assert_eq!(read.effect, Effect::Swap);
    }
}
