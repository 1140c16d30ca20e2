//! Sending: encrypts a message under the id the core chose before, and writes it to the socket.
//!
//! Messages of one device are sent one after the other (see the port), so nothing here puts them in order.

mod change;
mod context;
pub(crate) mod rich;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::ports::whatsapp::{Outgoing, OutgoingContent};
use whatsapp_rust::wacore_binary::JidExt;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::{Client, Jid, SendOptions};

use crate::session::Session;
use crate::{failure, files};

/// Users remembered one by one in [`UnsavedRatchets`]; with more, everybody counts.
const USERS_MAX: usize = 256;

/// Encrypts and writes one message, its file first. Returns once it is on the wire.
pub(crate) async fn send(session: &Session, out: &Outgoing) -> Result<()> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    let Some(own) = client.pn() else { return Err(failure::not_ready(DeviceState::Pairing)) };
    let to: Jid = out.to.id.parse().map_err(|_| Error::invalid("to", "is not a JID WhatsApp knows"))?;
    // A message written to a socket that is gone would only fail later.
    if !client.is_logged_in() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    let message = match &out.content {
        OutgoingContent::Text { text } => Message { conversation: Some(text.clone()), ..Default::default() },
        OutgoingContent::Media(file) => files::upload::message(session, &client, file).await?,
        OutgoingContent::Rich(form) => {
            let secret = rich::has_secret(form)
                .then(|| rich::secret(&session.context.sealer, &session.device, &out.whatsapp_id));
            rich::message(form, session.context.clock.now(), secret)
        }
        OutgoingContent::Change(changing) => change::message(out, changing, session.context.clock.now()),
    };
    let thumbnail =
        files::preview::of_link(&*session.context.blobs, &session.context.config.staging, &out.context).await;
    let message = context::around(message, &out.context, &own.to_non_ad_string(), thumbnail);
    let sent = async {
        save_ratchets(session, &client, &to, out).await?;
        let options = SendOptions::default().with_message_id(out.whatsapp_id.as_str());
        let written = client.send_message_with_options(to, message, options).await;
        written.map(drop).map_err(|error| failure::of_send(&error))
    };
    let timed = tokio::time::timeout(session.context.limits.send_timeout, sent).await;
    timed.unwrap_or_else(|_| Err(failure::unreachable("writing the message took too long")))
}

/// Has the library store its keys if a message of the recipient was decrypted since it last did.
///
/// The first answer after such a message is encrypted under a new ratchet key. The library stores the key up to 25 ms later;
/// if the process died in between, it could not read what comes back, and the other side would have to send it again.
async fn save_ratchets(session: &Session, client: &Client, to: &Jid, out: &Outgoing) -> Result<()> {
    let unsaved = if to.is_group() {
        // A group's members get its key in messages of their own; who they are is not known here.
        session.unsaved_ratchets.take_all()
    } else {
        let recipient = [Some(to.user.as_str()), user(out.to.pn.as_deref()), user(out.to.lid.as_deref())];
        let (pn, lid) = (client.pn(), client.lid());
        // A message also goes to the other devices of the own account.
        let own = [pn.as_ref(), lid.as_ref()].map(|jid| jid.map(|jid| jid.user.as_str()));
        session.unsaved_ratchets.take_if_any(recipient.into_iter().chain(own).flatten())
    };
    let Some(unsaved) = unsaved else {
        return Ok(());
    };
    let stored = client.flush_pending_signal_state().await;
    stored.map_err(|_| failure::unreachable("the session's keys could not be stored"))?;
    unsaved.saved();
    Ok(())
}

/// The part of a JID that names the user.
fn user(jid: Option<&str>) -> Option<&str> {
    jid.and_then(|jid| jid.split(['@', ':', '.']).next())
}

/// The users whose messages were decrypted since the library's keys were last known to be stored.
#[derive(Default)]
pub(crate) struct UnsavedRatchets(Mutex<Users>);

#[derive(Default)]
struct Users {
    named: HashSet<String>,
    /// More than [`USERS_MAX`] wrote.
    everybody: bool,
}

impl Users {
    fn add(&mut self, user: &str) {
        if self.named.contains(user) || self.everybody {
            return;
        }
        if self.named.len() >= USERS_MAX {
            self.everybody = true;
            self.named = HashSet::new();
        } else {
            self.named.insert(user.to_owned());
        }
    }
}

impl UnsavedRatchets {
    /// Messages of these devices were decrypted.
    pub(crate) fn add<'j>(&self, jids: impl IntoIterator<Item = &'j Jid>) {
        let mut users = self.lock();
        jids.into_iter().for_each(|jid| users.add(&jid.user));
    }

    /// Takes all users out, to store the keys, if one of `users` is among them. They are put back unless
    /// [`Unsaved::saved`] is called.
    fn take_if_any<'u>(&self, mut users: impl Iterator<Item = &'u str>) -> Option<Unsaved<'_>> {
        let mut unsaved = self.lock();
        let found = unsaved.everybody || users.any(|user| unsaved.named.contains(user));
        found.then(|| Unsaved { of: self, users: std::mem::take(&mut *unsaved) })
    }

    /// Takes all users out, if there are any.
    fn take_all(&self) -> Option<Unsaved<'_>> {
        let mut unsaved = self.lock();
        let some = unsaved.everybody || !unsaved.named.is_empty();
        some.then(|| Unsaved { of: self, users: std::mem::take(&mut *unsaved) })
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Users whose keys are being stored.
struct Unsaved<'a> {
    of: &'a UnsavedRatchets,
    users: Users,
}

impl Unsaved<'_> {
    fn saved(mut self) {
        self.users = Users::default();
    }
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        let mut unsaved = self.of.lock();
        unsaved.everybody |= self.users.everybody;
        self.users.named.drain().for_each(|user| unsaved.add(&user));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(unsaved: &UnsavedRatchets, users: impl IntoIterator<Item = String>) {
        let jids: Vec<Jid> = users.into_iter().map(Jid::lid).collect();
        unsaved.add(&jids);
    }

    #[test]
    fn keys_are_stored_before_answering_somebody_who_wrote() {
        let unsaved = UnsavedRatchets::default();
        wrote(&unsaved, ["7".to_owned()]);
        assert!(unsaved.take_if_any(["8"].into_iter()).is_none(), "nothing of theirs was decrypted");
        drop(unsaved.take_if_any(["8", "7"].into_iter()).expect("they wrote"));
        unsaved.take_if_any(["7"].into_iter()).expect("storing failed before").saved();
        assert!(unsaved.take_if_any(["7"].into_iter()).is_none(), "stored");
    }

    #[test]
    fn with_too_many_users_everybody_counts() {
        let unsaved = UnsavedRatchets::default();
        wrote(&unsaved, (0..=USERS_MAX).map(|n| n.to_string()));
        let taken = unsaved.take_if_any(["somebody"].into_iter()).expect("everybody counts");
        assert!(taken.users.named.is_empty(), "no memory for each");
        taken.saved();
        assert!(unsaved.take_if_any(["1"].into_iter()).is_none());
    }

    #[test]
    fn the_user_of_a_jid_has_no_device_and_no_server() {
        assert_eq!(user(Some("15550100002:3@s.whatsapp.net")), Some("15550100002"));
        assert_eq!(user(Some("77@lid")), Some("77"));
        assert_eq!(user(None), None);
    }
}
