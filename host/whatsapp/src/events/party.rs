//! JIDs of the library as parties of the core, with both names of a person where both are known.

use portico_core::address::Party;
use whatsapp_rust::types::message::MessageSource;
use whatsapp_rust::{Client, Jid, Server};

/// The two names of a person, as digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) pn: Option<String>,
    pub(crate) lid: Option<String>,
}

impl Names {
    /// The names in `jids`. Where two are of one kind, the first one counts.
    pub(crate) fn of<'a>(jids: impl IntoIterator<Item = &'a Jid>) -> Self {
        let mut names = Self::default();
        for jid in jids {
            let name = match jid.server {
                server if server.is_pn_family() || server == Server::Legacy => &mut names.pn,
                server if server.is_lid_family() => &mut names.lid,
                _ => continue,
            };
            if !jid.user.is_empty() {
                name.get_or_insert_with(|| jid.user.to_string());
            }
        }
        names
    }

    /// Adds what the client has learned, when one name is missing. Looks into its memory and its store, never the network.
    pub(crate) async fn complete(mut self, client: &Client) -> Self {
        let known = match (&self.pn, &self.lid) {
            (Some(pn), None) => Jid::pn(pn.as_str()),
            (None, Some(lid)) => Jid::lid(lid.as_str()),
            _ => return self,
        };
        if let Ok(Some(entry)) = client.get_lid_pn_entry(&known).await {
            self.pn.get_or_insert_with(|| entry.phone_number.to_string());
            self.lid.get_or_insert_with(|| entry.lid.to_string());
        }
        self
    }

    /// The person; `None` without any name.
    pub(crate) fn party(&self) -> Option<Party> {
        Party::person(self.pn.as_deref(), self.lid.as_deref())
    }
}

/// The party behind a JID; `others` are JIDs known to be the same one.
pub(crate) async fn party(client: &Client, jid: &Jid, others: &[Option<&Jid>]) -> Party {
    let names = Names::of(std::iter::once(jid).chain(others.iter().copied().flatten()));
    let is_person = Names::of([jid]) != Names::default();
    let person = if is_person { names.complete(client).await.party() } else { None };
    person.unwrap_or_else(|| Party::single(jid.to_non_ad_string()))
}

/// The chat of a message. In a chat of two it is the other one, also for messages of the own account.
pub(crate) async fn chat(client: &Client, source: &MessageSource, peer_pn: Option<&Jid>) -> Party {
    let other =
        if source.is_from_me { [source.recipient_alt.as_ref(), peer_pn] } else { [source.sender_alt.as_ref(), None] };
    party(client, &source.chat, &other).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().expect("a JID")
    }

    #[test]
    fn both_names_are_taken_without_the_device_part() {
        let names = Names::of([&jid("15550100001:7@s.whatsapp.net"), &jid("100000000000001:7@lid")]);
        let party = names.party().expect("a person");
        assert_eq!(party.id, "15550100001@s.whatsapp.net");
        assert_eq!(party.lid.as_deref(), Some("100000000000001@lid"));
    }

    #[test]
    fn a_group_has_no_names_of_a_person() {
        assert_eq!(Names::of([&jid("120363000000000001@g.us")]), Names::default());
    }
}
