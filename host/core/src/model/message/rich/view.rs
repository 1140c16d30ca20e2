//! Contents with a form of their own as the REST core shows them.

use portico_api as api;

use super::{
    Button, Buttons, CalendarEvent, Contact, ListMenu, ListRow, ListSection, LiveLocation, Location, Poll, Rich,
};

/// Shows a form whose members are the same, or become the shown ones by `into`.
macro_rules! shown {
    ($($stored:ty => $shown:ty { $($member:ident),+ })*) => {$(
        impl From<&$stored> for $shown {
            fn from(stored: &$stored) -> Self {
                let stored = stored.clone();
                Self { $($member: stored.$member.into()),+ }
            }
        }
    )*};
}

shown! {
    Location => api::Location { latitude, longitude, name, address, url }
    LiveLocation => api::LiveLocation { latitude, longitude, accuracy_m, caption }
    ListRow => api::ListRow { id, title, description }
    Button => api::Button { id, text }
}

impl From<&Contact> for api::Contact {
    fn from(contact: &Contact) -> Self {
        Self { name: contact.name.clone(), vcard: Some(contact.vcard.clone()), number: None }
    }
}

impl From<&Poll> for api::Poll {
    fn from(poll: &Poll) -> Self {
        let selectable = (poll.selectable > 0).then_some(poll.selectable);
        Self { question: poll.question.clone(), options: poll.options.clone().into(), selectable }
    }
}

impl From<&ListSection> for api::ListSection {
    fn from(section: &ListSection) -> Self {
        let rows: Vec<_> = section.rows.iter().map(Into::into).collect();
        Self { title: section.title.clone(), rows: rows.into() }
    }
}

impl From<&ListMenu> for api::ListMenu {
    fn from(list: &ListMenu) -> Self {
        let sections: Vec<_> = list.sections.iter().map(Into::into).collect();
        Self {
            title: list.title.clone(),
            text: list.text.clone(),
            button: list.button.clone(),
            footer: list.footer.clone(),
            sections: sections.into(),
        }
    }
}

impl From<&Buttons> for api::Buttons {
    fn from(buttons: &Buttons) -> Self {
        let shown: Vec<_> = buttons.buttons.iter().map(Into::into).collect();
        Self { text: buttons.text.clone(), footer: buttons.footer.clone(), buttons: shown.into() }
    }
}

impl From<&CalendarEvent> for api::CalendarEvent {
    fn from(event: &CalendarEvent) -> Self {
        Self {
            name: event.name.clone(),
            description: event.description.clone(),
            place: event.place.clone(),
            starts_at: event.starts_at.into(),
            ends_at: event.ends_at.map(Into::into),
        }
    }
}

impl From<&Rich> for api::Content {
    fn from(rich: &Rich) -> Self {
        match rich {
            Rich::Location(location) => Self::Location { location: location.into() },
            Rich::LiveLocation(place) => Self::LiveLocation { live_location: place.into() },
            Rich::Contacts { contacts } => Self::Contacts { contacts: contacts.iter().map(Into::into).collect() },
            Rich::Poll(poll) => Self::Poll { poll: poll.into() },
            Rich::List(list) => Self::List { list: list.into() },
            Rich::Buttons(buttons) => Self::Buttons { buttons: buttons.into() },
            Rich::Event(event) => Self::Event { event: event.into() },
        }
    }
}
