//! Places, cards, polls and menus.

use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{send, send_message};
use crate::Instances;

/// To whom, and the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressed<T> {
    instance_id: String,
    to: String,
    #[serde(flatten)]
    content: T,
}

fn sent<T: for<'de> Deserialize<'de>>(call: &Call<Instances>, content: fn(T) -> Value) -> Result<Response, Fault> {
    let asked: Addressed<T> = call.json()?;
    send(call, &asked.instance_id, &asked.to, content(asked.content))
}

#[derive(Deserialize, Serialize)]
struct Location {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    address: Option<String>,
}

pub(super) fn send_location(call: &Call<Instances>) -> Result<Response, Fault> {
    sent(call, |location: Location| json!({ "type": "location", "location": location }))
}

#[derive(Deserialize)]
struct Contacts {
    contacts: Vec<Contact>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    display_name: String,
    vcard: String,
}

pub(super) fn send_contact(call: &Call<Instances>) -> Result<Response, Fault> {
    sent(call, |Contacts { contacts }| {
        let cards = contacts.into_iter().map(|card| json!({ "name": card.display_name, "vcard": card.vcard }));
        json!({ "type": "contacts", "contacts": cards.collect::<Vec<_>>() })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Poll {
    question: String,
    options: Vec<String>,
    #[serde(default)]
    selectable_count: Option<u32>,
}

pub(super) fn send_poll(call: &Call<Instances>) -> Result<Response, Fault> {
    sent(call, |Poll { question, options, selectable_count }| {
        let mut poll = json!({ "question": question, "options": options });
        // 0 is how other clients of WhatsApp say "as many as there are".
        if let Some(count) = selectable_count.filter(|count| *count > 0) {
            poll["selectable"] = json!(count);
        }
        json!({ "type": "poll", "poll": poll })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    title: String,
    button_text: String,
    #[serde(default)]
    description: Option<String>,
    sections: Vec<Section>,
}

#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    title: Option<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    row_id: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
}

pub(super) fn send_list(call: &Call<Instances>) -> Result<Response, Fault> {
    sent(call, |List { title, button_text, description, sections }| {
        let row = |row: Row| {
            let mut shown = json!({ "id": row.row_id, "title": row.title });
            if let Some(description) = row.description.filter(|text| !text.is_empty()) {
                shown["description"] = json!(description);
            }
            shown
        };
        let section = |section: Section| {
            let mut shown = json!({ "rows": section.rows.into_iter().map(row).collect::<Vec<_>>() });
            if let Some(title) = section.title.filter(|title| !title.is_empty()) {
                shown["title"] = json!(title);
            }
            shown
        };
        // WhatsApp shows a menu under a text; this API has a title alone.
        let text = description.unwrap_or_else(|| title.clone());
        let sections: Vec<_> = sections.into_iter().map(section).collect();
        json!({ "type": "list", "list": { "title": title, "text": text, "button": button_text, "sections": sections } })
    })
}

#[derive(Deserialize)]
struct Buttons {
    text: String,
    buttons: Vec<Button>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Button {
    button_id: String,
    button_text: String,
}

pub(super) fn send_buttons(call: &Call<Instances>) -> Result<Response, Fault> {
    sent(call, |Buttons { text, buttons }| {
        let buttons = buttons.into_iter().map(|b| json!({ "id": b.button_id, "text": b.button_text }));
        json!({ "type": "buttons", "buttons": { "text": text, "buttons": buttons.collect::<Vec<_>>() } })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    instance_id: String,
    to: String,
    url: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    image: Option<String>,
}

/// A text that is the address alone; without a title the page is asked for one.
pub(super) fn send_link(call: &Call<Instances>) -> Result<Response, Fault> {
    let Link { instance_id, to, url, title, description, image } = call.json()?;
    let mut preview = json!({ "url": url });
    for (member, text) in [("title", title), ("description", description), ("picture", image)] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            preview[member] = json!(text);
        }
    }
    let content = json!({ "type": "text", "text": url });
    send_message(call, &instance_id, json!({ "to": to, "content": content, "link_preview": preview }))
}
