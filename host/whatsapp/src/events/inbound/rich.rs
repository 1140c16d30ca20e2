//! Messages of the library with a form of their own, as the core's contents.

use portico_core::message::rich::{
    Button, Buttons, CalendarEvent, Contact, Degrees, ListMenu, ListRow, ListSection, LiveLocation, Location, Poll,
    Rich,
};
use portico_core::time::UtcMs;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::waproto::whatsapp::message::{ContactMessage, EventMessage, PollCreationMessage};

use super::content::kept;

/// Contacts, answers, rows or buttons of one message that are kept. Honest apps send far fewer.
const PARTS_MAX: usize = 256;

/// The content, if the message has such a form.
pub(super) fn of(message: &Message) -> Option<Rich> {
    if let Some(m) = message.location_message.as_option() {
        return Some(Rich::Location(Location {
            latitude: Degrees(m.degrees_latitude?),
            longitude: Degrees(m.degrees_longitude?),
            name: text(&m.name),
            address: text(&m.address),
            url: text(&m.url),
        }));
    }
    if let Some(m) = message.live_location_message.as_option() {
        return Some(Rich::LiveLocation(LiveLocation {
            latitude: Degrees(m.degrees_latitude?),
            longitude: Degrees(m.degrees_longitude?),
            accuracy_m: m.accuracy_in_meters,
            caption: text(&m.caption),
        }));
    }
    if let Some(m) = message.contact_message.as_option() {
        return Some(Rich::Contacts { contacts: vec![contact(m)] });
    }
    if let Some(m) = message.contacts_array_message.as_option() {
        return Some(Rich::Contacts { contacts: m.contacts.iter().take(PARTS_MAX).map(contact).collect() });
    }
    if let Some(m) = poll_in(message) {
        return Some(Rich::Poll(poll(m)));
    }
    if let Some(m) = message.event_message.as_option() {
        return date(m).map(Rich::Event);
    }
    menu(message).or_else(|| buttons(message))
}

/// A text that says something, cut where it is too long.
fn text(text: &Option<String>) -> Option<String> {
    text.as_deref().filter(|text| !text.is_empty()).map(kept)
}

fn contact(m: &ContactMessage) -> Contact {
    Contact { name: text(&m.display_name).unwrap_or_default(), vcard: text(&m.vcard).unwrap_or_default() }
}

/// The poll in whichever field of that many it came.
fn poll_in(message: &Message) -> Option<&PollCreationMessage> {
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    polls.into_iter().find_map(|poll| poll.as_option())
}

fn poll(m: &PollCreationMessage) -> Poll {
    let options = m.options.iter().take(PARTS_MAX).filter_map(|option| text(&option.option_name));
    Poll {
        question: text(&m.name).unwrap_or_default(),
        options: options.collect(),
        selectable: m.selectable_options_count.unwrap_or(0),
    }
}

fn date(m: &EventMessage) -> Option<CalendarEvent> {
    let time = |seconds: i64| UtcMs(seconds.saturating_mul(1_000));
    Some(CalendarEvent {
        name: text(&m.name).unwrap_or_default(),
        description: text(&m.description),
        place: m.location.as_option().and_then(|place| text(&place.name)),
        starts_at: time(m.start_time?),
        ends_at: m.end_time.map(time),
    })
}

fn menu(message: &Message) -> Option<Rich> {
    let m = message.list_message.as_option()?;
    let mut sections = Vec::new();
    for section in m.sections.iter().take(PARTS_MAX) {
        let rows = section.rows.iter().take(PARTS_MAX).map(|row| ListRow {
            id: text(&row.row_id).unwrap_or_default(),
            title: text(&row.title).unwrap_or_default(),
            description: text(&row.description),
        });
        sections.push(ListSection { title: text(&section.title), rows: rows.collect() });
    }
    Some(Rich::List(ListMenu {
        title: text(&m.title),
        text: text(&m.description).unwrap_or_default(),
        button: text(&m.button_text).unwrap_or_default(),
        footer: text(&m.footer_text),
        sections,
    }))
}

fn buttons(message: &Message) -> Option<Rich> {
    let m = message.buttons_message.as_option()?;
    let buttons = m.buttons.iter().take(PARTS_MAX).map(|button| Button {
        id: text(&button.button_id).unwrap_or_default(),
        text: button.button_text.as_option().and_then(|label| text(&label.display_text)).unwrap_or_default(),
    });
    let (says, footer) = (text(&m.content_text).unwrap_or_default(), text(&m.footer_text));
    Some(Rich::Buttons(Buttons { text: says, footer, buttons: buttons.collect() }))
}
