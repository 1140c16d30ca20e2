//! Contents with a form of their own: places, contacts, polls, menus, dates.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use crate::{BoundedVec, Timestamp};

/// Contacts of one message at most.
pub const CONTACTS_MAX: usize = 250;
/// Answers of a poll at most. WhatsApp takes no more.
pub const POLL_OPTIONS_MAX: usize = 12;
/// Sections of a list at most, and rows of all of them together. WhatsApp takes no more.
pub const LIST_ROWS_MAX: usize = 10;
/// Buttons of one message at most.
pub const BUTTONS_MAX: usize = 10;

/// Degrees of latitude or longitude. Compared by their bits, so that contents can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Degrees(pub f64);

impl PartialEq for Degrees {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Degrees {}

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

/// A place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north of the equator, -90 to 90.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, example = 52.52))]
    pub latitude: Degrees,
    /// Degrees east of Greenwich, -180 to 180.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, example = 13.405))]
    pub longitude: Degrees,
    /// What the place is called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// A page about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}

/// Where somebody is at the moment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LiveLocation {
    /// Degrees north of the equator, -90 to 90.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, example = 52.52))]
    pub latitude: Degrees,
    /// Degrees east of Greenwich, -180 to 180.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, example = 13.405))]
    pub longitude: Degrees,
    /// How exactly it is known, in metres.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_m: Option<u32>,
    /// The text under it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
}

/// A contact, as a card.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// What the contact is called.
    #[cfg_attr(feature = "openapi", schema(example = "Ada"))]
    pub name: String,
    /// The card, a vCard. To send one, a `number` is enough.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vcard: Option<String>,
    /// The phone number in international form, to make a card of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub number: Option<String>,
}

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The question.
    #[cfg_attr(feature = "openapi", schema(example = "Which colour?"))]
    pub question: String,
    /// The answers, 2 to 12, each once.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 2, max_items = 12))]
    pub options: BoundedVec<String, POLL_OPTIONS_MAX>,
    /// How many answers a person may choose; without it as many as there are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selectable: Option<u32>,
}

/// A menu: a button that opens rows to choose from. Many of WhatsApp's apps show it only from businesses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListMenu {
    /// The line above the text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// What the button says.
    pub button: String,
    /// The small line below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub footer: Option<String>,
    /// The rows, in sections; at most 10 rows in all.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<ListSection>, min_items = 1, max_items = 10))]
    pub sections: BoundedVec<ListSection, LIST_ROWS_MAX>,
}

/// Rows of a menu under one heading.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// The heading.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// The rows.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<ListRow>, min_items = 1, max_items = 10))]
    pub rows: BoundedVec<ListRow, LIST_ROWS_MAX>,
}

/// A row of a menu.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    /// What comes back when it is chosen.
    pub id: String,
    /// What it says.
    pub title: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
}

/// A text with buttons under it. Many of WhatsApp's apps show them only from businesses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Buttons {
    /// The text.
    pub text: String,
    /// The small line below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub footer: Option<String>,
    /// The buttons, at most 10.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Button>, min_items = 1, max_items = 10))]
    pub buttons: BoundedVec<Button, BUTTONS_MAX>,
}

/// A button under a text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What comes back when it is pressed.
    pub id: String,
    /// What it says.
    pub text: String,
}

/// A date in the calendar that people are asked to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CalendarEvent {
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<String>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
}

/// The members of contents that hold such a form, each read as the type it must have.
#[derive(Default)]
pub(super) struct RichFields {
    pub(super) location: Option<Location>,
    pub(super) live_location: Option<LiveLocation>,
    pub(super) contacts: Option<BoundedVec<Contact, CONTACTS_MAX>>,
    pub(super) poll: Option<Poll>,
    pub(super) list: Option<ListMenu>,
    pub(super) buttons: Option<Buttons>,
    pub(super) event: Option<CalendarEvent>,
}

impl RichFields {
    /// Reads the value of a member if it is one of these.
    pub(super) fn read<'de, A: serde::de::MapAccess<'de>>(
        &mut self,
        name: &str,
        from: &mut A,
    ) -> Result<bool, A::Error> {
        match name {
            "location" => self.location = Some(from.next_value()?),
            "live_location" => self.live_location = Some(from.next_value()?),
            "contacts" => self.contacts = Some(from.next_value()?),
            "poll" => self.poll = Some(from.next_value()?),
            "list" => self.list = Some(from.next_value()?),
            "buttons" => self.buttons = Some(from.next_value()?),
            "event" => self.event = Some(from.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first member that is there.
    pub(super) fn first(&self) -> Option<&'static str> {
        let there = [
            ("location", self.location.is_some()),
            ("live_location", self.live_location.is_some()),
            ("contacts", self.contacts.is_some()),
            ("poll", self.poll.is_some()),
            ("list", self.list.is_some()),
            ("buttons", self.buttons.is_some()),
            ("event", self.event.is_some()),
        ];
        there.into_iter().find(|(_, there)| *there).map(|(name, _)| name)
    }
}

/// Takes a member out that must be there.
pub(super) fn required<T, E: Error>(member: Option<T>, name: &'static str) -> Result<T, E> {
    member.ok_or_else(|| E::missing_field(name))
}
