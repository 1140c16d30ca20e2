//! Contents with a form of their own on their way out.

use portico_core::id::DeviceId;
use portico_core::message::rich::{Buttons, CalendarEvent, Contact, ListMenu, LiveLocation, Location, Poll, Rich};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp::message::{
    ButtonsMessage, ContactMessage, ContactsArrayMessage, EventMessage, ListMessage, LiveLocationMessage,
    LocationMessage, PollCreationMessage, buttons_message, list_message, poll_creation_message,
};
use whatsapp_rust::waproto::whatsapp::{Message, MessageContextInfo};

/// The secret of a message of our own. Derived and not drawn, so that a message which is sent again after a crash keeps it.
pub(crate) fn secret(sealer: &Sealer, device: &DeviceId, whatsapp_id: &str) -> [u8; 32] {
    sealer.derive("message-secret", &format!("{device}/{whatsapp_id}"))
}

/// Whether answers to it are encrypted under a secret that goes with it.
pub(super) fn has_secret(rich: &Rich) -> bool {
    matches!(rich, Rich::Poll(_) | Rich::Event(_))
}

/// The message; `secret` goes with it where it has one.
pub(super) fn message(rich: &Rich, now: UtcMs, secret: Option<[u8; 32]>) -> Message {
    let mut message = match rich {
        Rich::Location(place) => location(place),
        Rich::LiveLocation(place) => live_location(place, now),
        Rich::Contacts { contacts } => cards(contacts),
        Rich::Poll(poll) => creation(poll),
        Rich::List(list) => menu(list),
        Rich::Buttons(buttons) => pressed(buttons),
        Rich::Event(event) => date(event),
    };
    if let Some(secret) = secret {
        let info = MessageContextInfo { message_secret: Some(secret.to_vec()), ..Default::default() };
        message.message_context_info = MessageField::some(info);
    }
    message
}

fn location(place: &Location) -> Message {
    let location = LocationMessage {
        degrees_latitude: Some(place.latitude.0),
        degrees_longitude: Some(place.longitude.0),
        name: place.name.clone(),
        address: place.address.clone(),
        url: place.url.clone(),
        ..Default::default()
    };
    Message { location_message: MessageField::some(location), ..Default::default() }
}

fn live_location(place: &LiveLocation, now: UtcMs) -> Message {
    let location = LiveLocationMessage {
        degrees_latitude: Some(place.latitude.0),
        degrees_longitude: Some(place.longitude.0),
        accuracy_in_meters: place.accuracy_m,
        caption: place.caption.clone(),
        sequence_number: Some(now.0),
        ..Default::default()
    };
    Message { live_location_message: MessageField::some(location), ..Default::default() }
}

fn card(contact: &Contact) -> ContactMessage {
    ContactMessage {
        display_name: Some(contact.name.clone()),
        vcard: Some(contact.vcard.clone()),
        ..Default::default()
    }
}

/// Phones show one card and several in different ways, and expect different messages.
fn cards(contacts: &[Contact]) -> Message {
    if let [contact] = contacts {
        return Message { contact_message: MessageField::some(card(contact)), ..Default::default() };
    }
    let contacts = ContactsArrayMessage {
        display_name: Some(format!("{} contacts", contacts.len())),
        contacts: contacts.iter().map(card).collect(),
        ..Default::default()
    };
    Message { contacts_array_message: MessageField::some(contacts), ..Default::default() }
}

/// Phones expect polls with one answer in another field than others (whatsapp-rust 0.7 does the same).
fn creation(poll: &Poll) -> Message {
    let option =
        |name: &String| poll_creation_message::Option { option_name: Some(name.clone()), ..Default::default() };
    let creation = MessageField::some(PollCreationMessage {
        name: Some(poll.question.clone()),
        options: poll.options.iter().map(option).collect(),
        selectable_options_count: Some(poll.selectable),
        ..Default::default()
    });
    if poll.selectable == 1 {
        Message { poll_creation_message_v3: creation, ..Default::default() }
    } else {
        Message { poll_creation_message: creation, ..Default::default() }
    }
}

fn menu(list: &ListMenu) -> Message {
    let row = |row: &portico_core::message::rich::ListRow| list_message::Row {
        title: Some(row.title.clone()),
        description: row.description.clone(),
        row_id: Some(row.id.clone()),
    };
    let section = |section: &portico_core::message::rich::ListSection| list_message::Section {
        title: section.title.clone(),
        rows: section.rows.iter().map(row).collect(),
    };
    let list = ListMessage {
        title: list.title.clone(),
        description: Some(list.text.clone()),
        button_text: Some(list.button.clone()),
        footer_text: list.footer.clone(),
        list_type: Some(list_message::ListType::SINGLE_SELECT),
        sections: list.sections.iter().map(section).collect(),
        ..Default::default()
    };
    Message { list_message: MessageField::some(list), ..Default::default() }
}

fn pressed(buttons: &Buttons) -> Message {
    let button = |button: &portico_core::message::rich::Button| {
        let text = buttons_message::button::ButtonText { display_text: Some(button.text.clone()) };
        buttons_message::Button {
            button_id: Some(button.id.clone()),
            button_text: MessageField::some(text),
            r#type: Some(buttons_message::button::Type::RESPONSE),
            ..Default::default()
        }
    };
    let buttons = ButtonsMessage {
        content_text: Some(buttons.text.clone()),
        footer_text: buttons.footer.clone(),
        buttons: buttons.buttons.iter().map(button).collect(),
        header_type: Some(buttons_message::HeaderType::EMPTY),
        ..Default::default()
    };
    Message { buttons_message: MessageField::some(buttons), ..Default::default() }
}

fn date(event: &CalendarEvent) -> Message {
    let place = event.place.clone().map(|name| LocationMessage { name: Some(name), ..Default::default() });
    let event = EventMessage {
        is_canceled: Some(false),
        name: Some(event.name.clone()),
        description: event.description.clone(),
        location: place.map_or_else(MessageField::none, MessageField::some),
        start_time: Some(event.starts_at.seconds()),
        end_time: event.ends_at.map(UtcMs::seconds),
        ..Default::default()
    };
    Message { event_message: MessageField::some(event), ..Default::default() }
}
