//! Contents with a form of their own that are sent: what a caller gave, checked.

use portico_api as api;

use crate::address::PhoneNumber;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::model::message::rich::{
    Button, Buttons, CalendarEvent, Contact, ListMenu, ListRow, ListSection, LiveLocation, Location, Poll, Rich,
};
use crate::time::UtcMs;

/// Characters of a name, a heading, a button or a row.
const LINE_CHARS_MAX: usize = 255;
/// Characters of an answer of a poll. WhatsApp's apps stop there.
const OPTION_CHARS_MAX: usize = 100;
/// Bytes of one vCard.
const VCARD_BYTES_MAX: usize = 64 << 10;

/// Checks what a caller gave.
pub(super) fn parse(content: api::NewContent, limits: &Limits) -> Result<Rich> {
    Ok(match content {
        api::NewContent::Location { location } => Rich::Location(place(location)?),
        api::NewContent::LiveLocation { live_location } => Rich::LiveLocation(live_place(live_location, limits)?),
        api::NewContent::Contacts { contacts } => Rich::Contacts { contacts: contacts_of(contacts.into_inner())? },
        api::NewContent::Poll { poll } => Rich::Poll(poll_of(poll)?),
        api::NewContent::List { list } => Rich::List(list_of(list, limits)?),
        api::NewContent::Buttons { buttons } => Rich::Buttons(buttons_of(buttons, limits)?),
        api::NewContent::Event { event } => Rich::Event(event_of(event, limits)?),
        _ => return Err(Error::internal("reading a content", "it has no form of its own")),
    })
}

fn place(place: api::Location) -> Result<Location> {
    let api::Location { latitude, longitude, name, address, url } = place;
    coordinates("content.location", latitude, longitude)?;
    optional("content.location.name", name.as_deref(), LINE_CHARS_MAX)?;
    optional("content.location.address", address.as_deref(), LINE_CHARS_MAX)?;
    optional("content.location.url", url.as_deref(), 2_048)?;
    Ok(Location { latitude, longitude, name, address, url })
}

fn live_place(place: api::LiveLocation, limits: &Limits) -> Result<LiveLocation> {
    let api::LiveLocation { latitude, longitude, accuracy_m, caption } = place;
    coordinates("content.live_location", latitude, longitude)?;
    optional("content.live_location.caption", caption.as_deref(), limits.caption_chars_max)?;
    Ok(LiveLocation { latitude, longitude, accuracy_m, caption })
}

fn coordinates(of: &str, latitude: api::Degrees, longitude: api::Degrees) -> Result<()> {
    for (name, degrees, most) in [("latitude", latitude, 90.0), ("longitude", longitude, 180.0)] {
        if !degrees.0.is_finite() || degrees.0.abs() > most {
            return Err(Error::invalid(format!("{of}.{name}"), format!("must be -{most} to {most} degrees")));
        }
    }
    Ok(())
}

fn contacts_of(contacts: Vec<api::Contact>) -> Result<Vec<Contact>> {
    if contacts.is_empty() {
        return Err(Error::invalid("content.contacts", "must have at least one"));
    }
    contacts.into_iter().enumerate().map(|(place, contact)| contact_of(place, contact)).collect()
}

fn contact_of(place: usize, contact: api::Contact) -> Result<Contact> {
    let field = |member: &str| format!("content.contacts[{place}].{member}");
    let api::Contact { name, vcard, number } = contact;
    line(&field("name"), &name, LINE_CHARS_MAX)?;
    let vcard = match (vcard, number) {
        (Some(vcard), None) => vcard,
        (None, Some(number)) => card(&name, &PhoneNumber::parse(&field("number"), &number)?),
        _ => return Err(Error::invalid(field("vcard"), "must be given, or a `number` instead of it")),
    };
    let is_card = vcard.trim_start().to_ascii_uppercase().starts_with("BEGIN:VCARD");
    if !is_card || vcard.len() > VCARD_BYTES_MAX {
        let why = format!("must be a vCard (`BEGIN:VCARD` …) of at most {VCARD_BYTES_MAX} bytes");
        return Err(Error::invalid(field("vcard"), why));
    }
    Ok(Contact { name, vcard })
}

/// The card of somebody of whom no more is known. Commas, semicolons and the like have a meaning in cards (RFC 6350, 3.4).
fn card(name: &str, number: &PhoneNumber) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, ',' | ';' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    let digits = number.digits();
    format!("BEGIN:VCARD\nVERSION:3.0\nFN:{escaped}\nTEL;type=CELL;waid={digits}:+{digits}\nEND:VCARD")
}

fn poll_of(poll: api::Poll) -> Result<Poll> {
    let api::Poll { question, options, selectable } = poll;
    let options = options.into_inner();
    line("content.poll.question", &question, LINE_CHARS_MAX)?;
    if options.len() < 2 {
        return Err(Error::invalid("content.poll.options", "must have 2 to 12 answers"));
    }
    for (place, option) in options.iter().enumerate() {
        line(&format!("content.poll.options[{place}]"), option, OPTION_CHARS_MAX)?;
        if options[..place].contains(option) {
            return Err(Error::invalid(format!("content.poll.options[{place}]"), "is there already"));
        }
    }
    let most = u32::try_from(options.len()).unwrap_or(u32::MAX);
    if selectable.is_some_and(|count| count == 0 || count > most) {
        return Err(Error::invalid("content.poll.selectable", format!("must be 1 to {most}, as there are answers")));
    }
    Ok(Poll { question, options, selectable: selectable.unwrap_or(0) })
}

fn list_of(list: api::ListMenu, limits: &Limits) -> Result<ListMenu> {
    let api::ListMenu { title, text, button, footer, sections } = list;
    optional("content.list.title", title.as_deref(), LINE_CHARS_MAX)?;
    line("content.list.text", &text, limits.text_chars_max)?;
    line("content.list.button", &button, LINE_CHARS_MAX)?;
    optional("content.list.footer", footer.as_deref(), LINE_CHARS_MAX)?;
    let rows: usize = sections.iter().map(|section| section.rows.len()).sum();
    if rows == 0 || rows > api::LIST_ROWS_MAX {
        let why = format!("must have 1 to {} rows in all", api::LIST_ROWS_MAX);
        return Err(Error::invalid("content.list.sections", why));
    }
    let sections = sections.into_inner().into_iter().enumerate().map(|(place, section)| section_of(place, section));
    Ok(ListMenu { title, text, button, footer, sections: sections.collect::<Result<_>>()? })
}

fn section_of(place: usize, section: api::ListSection) -> Result<ListSection> {
    let of = format!("content.list.sections[{place}]");
    optional(&format!("{of}.title"), section.title.as_deref(), LINE_CHARS_MAX)?;
    let mut rows = Vec::new();
    for (place, row) in section.rows.into_inner().into_iter().enumerate() {
        let api::ListRow { id, title, description } = row;
        line(&format!("{of}.rows[{place}].id"), &id, LINE_CHARS_MAX)?;
        line(&format!("{of}.rows[{place}].title"), &title, LINE_CHARS_MAX)?;
        optional(&format!("{of}.rows[{place}].description"), description.as_deref(), LINE_CHARS_MAX)?;
        rows.push(ListRow { id, title, description });
    }
    Ok(ListSection { title: section.title, rows })
}

fn buttons_of(buttons: api::Buttons, limits: &Limits) -> Result<Buttons> {
    let api::Buttons { text, footer, buttons } = buttons;
    line("content.buttons.text", &text, limits.text_chars_max)?;
    optional("content.buttons.footer", footer.as_deref(), LINE_CHARS_MAX)?;
    if buttons.is_empty() {
        return Err(Error::invalid("content.buttons.buttons", "must have at least one"));
    }
    let mut checked = Vec::new();
    for (place, button) in buttons.into_inner().into_iter().enumerate() {
        line(&format!("content.buttons.buttons[{place}].id"), &button.id, LINE_CHARS_MAX)?;
        line(&format!("content.buttons.buttons[{place}].text"), &button.text, LINE_CHARS_MAX)?;
        checked.push(Button { id: button.id, text: button.text });
    }
    Ok(Buttons { text, footer, buttons: checked })
}

fn event_of(event: api::CalendarEvent, limits: &Limits) -> Result<CalendarEvent> {
    let api::CalendarEvent { name, description, place, starts_at, ends_at } = event;
    line("content.event.name", &name, LINE_CHARS_MAX)?;
    optional("content.event.description", description.as_deref(), limits.text_chars_max)?;
    optional("content.event.place", place.as_deref(), LINE_CHARS_MAX)?;
    let starts_at = UtcMs::parse("content.event.starts_at", starts_at.as_str())?;
    let ends_at = ends_at.map(|at| UtcMs::parse("content.event.ends_at", at.as_str())).transpose()?;
    if ends_at.is_some_and(|end| end < starts_at) {
        return Err(Error::invalid("content.event.ends_at", "must not be before `starts_at`"));
    }
    Ok(CalendarEvent { name, description, place, starts_at, ends_at })
}

/// A text that must be there.
fn line(field: &str, text: &str, chars_max: usize) -> Result<()> {
    if text.trim().is_empty() || text.chars().count() > chars_max {
        return Err(Error::invalid(field, format!("must have 1 to {chars_max} characters and not only blanks")));
    }
    Ok(())
}

fn optional(field: &str, text: Option<&str>, chars_max: usize) -> Result<()> {
    text.map_or(Ok(()), |text| line(field, text, chars_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: serde_json::Value) -> String {
        let content = serde_json::from_value(json).expect("a content");
        match parse(content, &Limits::default()) {
            Err(Error::Invalid { field, .. }) => field,
            other => panic!("{:?}", other.map(|rich| rich.kind())),
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use serde_json::json;
        let poll = |poll: serde_json::Value| refused(json!({ "type": "poll", "poll": poll }));
        assert_eq!(poll(json!({ "question": " ", "options": ["a", "b"] })), "content.poll.question");
        assert_eq!(poll(json!({ "question": "?", "options": ["a"] })), "content.poll.options");
        assert_eq!(poll(json!({ "question": "?", "options": ["a", "b", "a"] })), "content.poll.options[2]");
        assert_eq!(poll(json!({ "question": "?", "options": ["a", "b"], "selectable": 3 })), "content.poll.selectable");
        let place = json!({ "type": "location", "location": { "latitude": 91, "longitude": 0 } });
        assert_eq!(refused(place), "content.location.latitude");
        let card = json!({ "type": "contacts", "contacts": [{ "name": "Ada", "vcard": "Ada" }] });
        assert_eq!(refused(card), "content.contacts[0].vcard");
        let date = json!({ "name": "Party", "starts_at": "2026-12-25T18:00:00Z", "ends_at": "2026-12-25T17:00:00Z" });
        assert_eq!(refused(json!({ "type": "event", "event": date })), "content.event.ends_at");
        let list = json!({ "text": "Choose", "button": "Open", "sections": [] });
        assert_eq!(refused(json!({ "type": "list", "list": list })), "content.list.sections");
    }

    #[test]
    fn a_number_becomes_a_card() {
        let number = PhoneNumber::parse("number", "15550100002").expect("a number");
        let wanted = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\\, Ltd.\nTEL;type=CELL;waid=15550100002:+15550100002\nEND:VCARD";
        assert_eq!(card("Ada, Ltd.", &number), wanted);
    }
}
