//! Contents with a form of their own, as they are stored: places, contacts, polls, menus, dates.

mod view;

pub use portico_api::Degrees;
use serde::{Deserialize, Serialize};

use crate::time::UtcMs;

/// A content with a form of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Rich {
    /// A place.
    Location(Location),
    /// Where somebody is at the moment.
    LiveLocation(LiveLocation),
    /// Contacts, as cards.
    Contacts {
        /// The contacts.
        contacts: Vec<Contact>,
    },
    /// A question with answers to choose from.
    Poll(Poll),
    /// A menu.
    List(ListMenu),
    /// A text with buttons under it.
    Buttons(Buttons),
    /// A date in the calendar.
    Event(CalendarEvent),
}

/// A place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north of the equator.
    pub latitude: Degrees,
    /// Degrees east of Greenwich.
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
pub struct LiveLocation {
    /// Degrees north of the equator.
    pub latitude: Degrees,
    /// Degrees east of Greenwich.
    pub longitude: Degrees,
    /// How exactly it is known, in metres.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accuracy_m: Option<u32>,
    /// The text under it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
}

/// A contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What the contact is called.
    pub name: String,
    /// The card, a vCard.
    pub vcard: String,
}

/// A question with answers to choose from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers.
    pub options: Vec<String>,
    /// How many answers a person may choose; 0: as many as there are.
    pub selectable: u32,
}

/// A menu.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The rows, in sections.
    pub sections: Vec<ListSection>,
}

/// Rows of a menu under one heading.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSection {
    /// The heading.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// The rows.
    pub rows: Vec<ListRow>,
}

/// A row of a menu.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// What comes back when it is chosen.
    pub id: String,
    /// What it says.
    pub title: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
}

/// A text with buttons under it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buttons {
    /// The text.
    pub text: String,
    /// The small line below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub footer: Option<String>,
    /// The buttons.
    pub buttons: Vec<Button>,
}

/// A button under a text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What comes back when it is pressed.
    pub id: String,
    /// What it says.
    pub text: String,
}

/// A date in the calendar.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub starts_at: UtcMs,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<UtcMs>,
}

impl Rich {
    /// The kind as one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Location(_) => "location",
            Self::LiveLocation(_) => "live_location",
            Self::Contacts { .. } => "contacts",
            Self::Poll(_) => "poll",
            Self::List(_) => "list",
            Self::Buttons(_) => "buttons",
            Self::Event(_) => "event",
        }
    }

    /// Its text, or what comes closest to one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Location(place) => place.name.as_deref(),
            Self::LiveLocation(place) => place.caption.as_deref(),
            Self::Contacts { contacts } => contacts.first().map(|contact| contact.name.as_str()),
            Self::Poll(poll) => Some(&poll.question),
            Self::List(list) => Some(&list.text),
            Self::Buttons(buttons) => Some(&buttons.text),
            Self::Event(event) => Some(&event.name),
        }
    }
}
