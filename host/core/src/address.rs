//! Who a message goes to or comes from: phone numbers, LIDs, groups, channels.
//!
//! WhatsApp knows a person by two names, a phone number (PN) and a LID. A [`Party`] carries both where both are known, and
//! one canonical chat id: the PN's JID when the number is known, else the LID's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const PN_SERVER: &str = "s.whatsapp.net";
const LID_SERVER: &str = "lid";
const GROUP_SERVER: &str = "g.us";
const NEWSLETTER_SERVER: &str = "newsletter";
const BROADCAST_SERVER: &str = "broadcast";

/// Digits of an international number: at least 7, at most 15 (ITU-T E.164).
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Digits of a LID at most. WhatsApp's have up to 15 today; 20 is what a 64-bit number can have.
const LID_DIGITS_MAX: usize = 20;

/// Digits of one part of a group's or a channel's id at most. WhatsApp's have 18 today.
const CHAT_ID_DIGITS_MAX: usize = 20;

/// A phone number in international form, digits only. `Debug` hides all but the last two digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads `+1 555 010 0002`, `15550100002` and the like; `field` names the value in the error.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let digits: String =
            text.trim().trim_start_matches('+').chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
        let plausible = digits.bytes().all(|b| b.is_ascii_digit())
            && NUMBER_DIGITS.contains(&digits.len())
            && !digits.starts_with('0');
        if plausible {
            Ok(Self(digits))
        } else {
            Err(Error::invalid(
                field,
                "must be a phone number in international form, 7 to 15 digits with the country code and without a leading 0, such as 15550100002",
            ))
        }
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{}", &self.0[self.0.len().saturating_sub(2)..])
    }
}

/// Where a message can be sent, as the caller wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A person by number.
    Number(PhoneNumber),
    /// A person by LID (digits).
    Lid(String),
    /// A group, by the part before `@g.us`.
    Group(String),
    /// A channel, by the part before `@newsletter`.
    Newsletter(String),
}

impl Recipient {
    /// Reads a number or a JID. `field` names the value in the error.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let Some((user, server)) = text.trim().split_once('@') else {
            return PhoneNumber::parse(field, text).map(Self::Number);
        };
        match server {
            PN_SERVER | "c.us" => PhoneNumber::parse(field, user).map(Self::Number),
            LID_SERVER if is_lid(user) => Ok(Self::Lid(user.to_owned())),
            GROUP_SERVER if is_group_id(user) => Ok(Self::Group(user.to_owned())),
            NEWSLETTER_SERVER if is_chat_number(user) => Ok(Self::Newsletter(user.to_owned())),
            _ => Err(Error::invalid(
                field,
                "must be a phone number, or a JID ending in @s.whatsapp.net, @lid, @g.us or @newsletter",
            )),
        }
    }
}

/// Whether `text` is a decimal number of at most `digits_max` digits that does not begin with 0.
fn is_number(text: &str, digits_max: usize) -> bool {
    (1..=digits_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
}

fn is_lid(text: &str) -> bool {
    is_number(text, LID_DIGITS_MAX)
}

fn is_chat_number(text: &str) -> bool {
    is_number(text, CHAT_ID_DIGITS_MAX)
}

/// Group ids are numbers. Those of older groups are the phone number of the creator and the time, joined by a dash.
fn is_group_id(text: &str) -> bool {
    match text.split_once('-') {
        Some((creator, time)) => is_chat_number(creator) && is_chat_number(time),
        None => is_chat_number(text),
    }
}

/// What kind of chat an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// One person.
    Direct,
    /// A group.
    Group,
    /// A broadcast list or the status.
    Broadcast,
    /// A channel.
    Newsletter,
}

/// A person, group or channel under all names known. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The canonical chat id: a JID.
    pub id: String,
    /// The JID with the phone number, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pn: Option<String>,
    /// The JID with the LID, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(…)")
    }
}

impl Party {
    /// A person, from digits of the number and of the LID. `None` when neither is given.
    pub fn person(pn: Option<&str>, lid: Option<&str>) -> Option<Self> {
        let pn = pn.map(|digits| format!("{digits}@{PN_SERVER}"));
        let lid = lid.map(|digits| format!("{digits}@{LID_SERVER}"));
        let id = pn.clone().or_else(|| lid.clone())?;
        Some(Self { id, pn, lid })
    }

    /// Anything that has one JID only: a group, a channel, a broadcast list.
    pub fn single(jid: impl Into<String>) -> Self {
        Self { id: jid.into(), pn: None, lid: None }
    }

    /// Whether both are one person or chat: any name of the one is a name of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let known = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        self.id == other.id
            || known(&self.pn, &other.pn)
            || known(&self.lid, &other.lid)
            || other.names(&self.id)
            || self.names(&other.id)
    }

    fn names(&self, jid: &str) -> bool {
        [&self.pn, &self.lid].into_iter().flatten().any(|name| name == jid)
    }

    /// The kind of chat this is.
    pub fn kind(&self) -> ChatKind {
        match self.id.rsplit_once('@').map(|(_, server)| server) {
            Some(GROUP_SERVER) => ChatKind::Group,
            Some(NEWSLETTER_SERVER) => ChatKind::Newsletter,
            Some(BROADCAST_SERVER) => ChatKind::Broadcast,
            _ => ChatKind::Direct,
        }
    }

    /// The phone number's digits, if known.
    pub fn number(&self) -> Option<&str> {
        self.pn.as_deref()?.split('@').next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_the_ways_people_write_them() {
        for text in ["15550100002", "+1 555 010-0002", " +1 (555) 010 0002"] {
            assert_eq!(PhoneNumber::parse("to", text).unwrap().digits(), "15550100002");
        }
    }

    #[test]
    fn what_cannot_be_a_number_is_refused() {
        for text in ["", "123", "0155501000", "1555010000212345", "abc", "1555x100002"] {
            assert!(PhoneNumber::parse("to", text).is_err(), "{text}");
        }
    }

    #[test]
    fn jids_tell_their_kind() {
        assert!(matches!(Recipient::parse("to", "15550100002@s.whatsapp.net"), Ok(Recipient::Number(_))));
        assert!(matches!(Recipient::parse("to", "120363000000000001@g.us"), Ok(Recipient::Group(_))));
        assert!(Recipient::parse("to", "15550100002@example.com").is_err());
        assert_eq!(Party::single("120363000000000001@g.us").kind(), ChatKind::Group);
    }

    #[test]
    fn the_part_before_the_server_has_the_form_whatsapp_uses() {
        for good in [
            "100000000000001@lid",
            "1@lid",
            "120363000000000001@g.us",
            "15550100001-1600000000@g.us",
            "120363000000000001@newsletter",
        ] {
            assert!(Recipient::parse("to", good).is_ok(), "{good}");
        }
        for bad in [
            "-@lid",
            "0@lid",
            "@lid",
            "012345@lid",
            "1-2@lid",
            "123456789012345678901@lid",
            "-@g.us",
            "0@g.us",
            "-1600000000@g.us",
            "15550100001-@g.us",
            "1-2-3@g.us",
            "1-2@newsletter",
            "-@newsletter",
            "0@newsletter",
            "１@lid",
        ] {
            assert!(Recipient::parse("to", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_number() {
        assert_eq!(format!("{:?}", PhoneNumber::parse("to", "15550100002").unwrap()), "…02");
    }
}
