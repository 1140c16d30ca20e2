//! Recipients as parties: is the number on WhatsApp, under which number, with which LID.
//!
//! WhatsApp's answer may name another number than the one asked for (Brazil's ninth digit). The number in the answer is used from
//! then on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use portico_core::address::{Party, Recipient};
use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::time::UtcMs;
use whatsapp_rust::features::IsOnWhatsAppResult;
use whatsapp_rust::{Client, Jid};

use crate::ask;
use crate::events::party::Names;
use crate::failure;
use crate::session::Session;

/// The party behind a recipient. Groups and newsletters need no question; for people WhatsApp is asked, and the answer cached.
pub(crate) async fn resolve(session: &Session, to: &Recipient) -> Result<Party> {
    let asked = match to {
        Recipient::Group(id) => return Ok(Party::single(Jid::group(id.as_str()).to_string())),
        Recipient::Newsletter(id) => return Ok(Party::single(Jid::newsletter(id.as_str()).to_string())),
        Recipient::Number(number) => Jid::pn(number.digits()),
        Recipient::Lid(lid) => Jid::lid(lid.as_str()),
    };
    let key = asked.to_string();
    let (clock, limits) = (&session.context.clock, &session.context.limits);
    if let Some(known) = session.recipients.get(&key, clock.now()) {
        return known.ok_or_else(absent);
    }
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if client.pn().is_none() {
        return Err(failure::not_ready(DeviceState::Pairing));
    }
    if !client.is_logged_in() && client.wait_for_connected(limits.resolve_timeout).await.is_err() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    let answer = tokio::time::timeout(limits.resolve_timeout, ask(&client, &asked)).await;
    let found = answer.map_err(|_| failure::unreachable("no answer about the recipient"))??;
    let ttl = if found.is_some() { limits.resolve_ttl } else { limits.resolve_absent_ttl };
    session.recipients.put(key, found.clone(), clock.now() + ttl, limits.resolve_cache_max);
    found.ok_or_else(absent)
}

/// The parties behind people, asked for at once; `None`: not on WhatsApp.
pub(crate) async fn check(session: &Session, people: &[Recipient]) -> Result<Vec<Option<Party>>> {
    let (clock, limits) = (&session.context.clock, &session.context.limits);
    let now = clock.now();
    let mut found: Vec<Option<Option<Party>>> =
        people.iter().map(|one| session.recipients.get(&person(one)?.to_string(), now)).collect();
    let asked: Vec<Jid> =
        people.iter().zip(&found).filter(|(_, known)| known.is_none()).filter_map(|(one, _)| person(one)).collect();
    if !asked.is_empty() {
        let client = ask::client(session).await?;
        let answers = ask::in_time(session, async {
            client.contacts().is_on_whatsapp(&asked).await.map_err(|error| failure::of_contact(&error))
        });
        let answers = answers.await?;
        for (one, found) in people.iter().zip(&mut found).filter(|(_, known)| known.is_none()) {
            let Some(jid) = person(one) else { continue };
            let names_it = |answer: &&IsOnWhatsAppResult| {
                let names = [Some(&answer.jid), answer.pn_jid.as_ref(), answer.lid.as_ref()];
                names.into_iter().flatten().any(|name| name.user == jid.user && name.server == jid.server)
            };
            // An answer under another number (Brazil's ninth digit) does not say for which question it is: ask again, alone.
            let Some(answer) = answers.iter().find(names_it) else { continue };
            let party = if answer.is_registered { of_answer(&client, answer).await } else { None };
            let ttl = if party.is_some() { limits.resolve_ttl } else { limits.resolve_absent_ttl };
            session.recipients.put(jid.to_string(), party.clone(), clock.now() + ttl, limits.resolve_cache_max);
            *found = Some(party);
        }
    }
    let mut parties = Vec::with_capacity(people.len());
    for (one, found) in people.iter().zip(found) {
        parties.push(match found {
            Some(party) => party,
            None => match resolve(session, one).await {
                Ok(party) => Some(party),
                Err(Error::Refused { code: "not_on_whatsapp", .. }) => None,
                Err(other) => return Err(other),
            },
        });
    }
    Ok(parties)
}

/// The JID that stands for a person; `None` for what is none.
fn person(recipient: &Recipient) -> Option<Jid> {
    match recipient {
        Recipient::Number(number) => Some(Jid::pn(number.digits())),
        Recipient::Lid(lid) => Some(Jid::lid(lid.as_str())),
        Recipient::Group(_) | Recipient::Newsletter(_) => None,
    }
}

fn absent() -> Error {
    Error::Refused {
        code: "not_on_whatsapp",
        why: "the recipient is not on WhatsApp; check the number, with its country code".to_owned(),
    }
}

/// Asks WhatsApp. `None`: there is no such account.
async fn ask(client: &Client, asked: &Jid) -> Result<Option<Party>> {
    let contacts = client.contacts();
    let answers = contacts.is_on_whatsapp(std::slice::from_ref(asked)).await;
    let answers = answers.map_err(|error| failure::of_contact(&error))?;
    let Some(answer) = answers.into_iter().find(|answer| answer.is_registered) else {
        return Ok(None);
    };
    Ok(of_answer(client, &answer).await)
}

/// The account an answer tells of.
async fn of_answer(client: &Client, answer: &IsOnWhatsAppResult) -> Option<Party> {
    let jids = [Some(&answer.jid), answer.pn_jid.as_ref(), answer.lid.as_ref()];
    let mut names = Names::of(jids.into_iter().flatten());
    let known = client.get_lid_pn_entry(&answer.jid).await;
    if let Ok(Some(entry)) = known {
        names.pn.get_or_insert_with(|| entry.phone_number.to_string());
        names.lid.get_or_insert_with(|| entry.lid.to_string());
    }
    names.party()
}

/// Recently resolved recipients. Bounded; the oldest entry is dropped first.
#[derive(Default)]
pub(crate) struct RecipientCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_key: HashMap<String, (Option<Party>, UtcMs)>,
    order: VecDeque<String>,
}

impl RecipientCache {
    /// The cached answer, if it has not expired. `Some(None)`: not on WhatsApp.
    fn get(&self, key: &str, now: UtcMs) -> Option<Option<Party>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_key.get(key).filter(|(_, until)| now < *until).map(|(party, _)| party.clone())
    }

    fn put(&self, key: String, party: Option<Party>, until: UtcMs, max: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_key.insert(key.clone(), (party, until)).is_none() {
            entries.order.push_back(key);
        }
        while entries.order.len() > max {
            let Some(oldest) = entries.order.pop_front() else {
                break;
            };
            entries.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_expire_and_the_oldest_is_dropped_first() {
        let cache = RecipientCache::default();
        cache.put("a".to_owned(), None, UtcMs(10), 2);
        cache.put("b".to_owned(), Some(Party::single("x@g.us")), UtcMs(20), 2);
        assert_eq!(cache.get("a", UtcMs(9)), Some(None));
        assert_eq!(cache.get("a", UtcMs(10)), None);
        cache.put("c".to_owned(), None, UtcMs(20), 2);
        assert_eq!(cache.get("a", UtcMs(0)), None);
        assert!(cache.get("b", UtcMs(0)).flatten().is_some());
    }
}
