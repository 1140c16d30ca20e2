//! Messages: sending one or a burst, the inbox, what became of what was sent.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Asked, Input, Named};
use super::problem::Problem;
use crate::network::Network;
use crate::phone::event::Typing;
use crate::phone::handle::Phone;
use crate::{Around, Error, InboxEntry, Media, MediaKind, SentRecord, Written};

/// Entries one page of the inbox has unless asked otherwise, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 5_000;
/// Texts a second of the slowest burst.
const RATE_MIN: f64 = 0.00002;
/// How long a burst waits for a slow device before it goes on; its queue takes the rest.
const BURST_PATIENCE: Duration = Duration::from_secs(5);
/// How often a burst looks whether the recipient has room.
const BURST_LOOK_EVERY: u32 = 32;

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// `GET /phones/{number}/inbox`
pub(super) async fn inbox(Named(phone): Named, Asked(page): Asked<Page>) -> Json<Vec<InboxEntry>> {
    Json(phone.inbox(page.after, page.limit.unwrap_or(PAGE).min(PAGE_MAX)))
}

/// `GET /phones/{number}/inbox/{id}`: the entry, and all of the message in the protocol's names as `content`.
pub(super) async fn content(
    Named(phone): Named,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (entry, content) = phone.message(&id)?;
    Ok(Json(json!({"entry": entry, "content": content})))
}

/// `GET /phones/{number}/inbox/{id}/media`: the decrypted file.
pub(super) async fn media(Named(phone): Named, Path((_, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let bytes = phone.download(&id).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// `GET /phones/{number}/sent`
pub(super) async fn sent(Named(phone): Named) -> Json<Vec<SentRecord>> {
    Json(phone.sent())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    to: String,
    text: Option<String>,
    media: Option<NewMedia>,
    /// A place, a card or a poll.
    content: Option<Written>,
    /// What is around a text.
    around: Option<Around>,
    /// How many texts to send; each gets ` #k` appended.
    count: Option<u32>,
    /// Texts a second of a burst; without it as fast as the recipient takes them.
    rate: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMedia {
    kind: MediaKind,
    mime: String,
    base64: String,
    caption: Option<String>,
    file_name: Option<String>,
}

impl NewMedia {
    fn decoded(self) -> Result<Media, Problem> {
        let bytes = BASE64_STANDARD
            .decode(self.base64)
            .map_err(|_| Problem::invalid("media.base64 is not standard base64: encode the file's bytes"))?;
        let Self { kind, mime, caption, file_name, .. } = self;
        Ok(Media { kind, mime, bytes, caption, file_name })
    }
}

/// `POST /phones/{number}/messages`
pub(super) async fn send(
    State(network): State<Arc<Network>>,
    Named(phone): Named,
    Input(new): Input<NewMessage>,
) -> Result<Json<Value>, Problem> {
    if let (Some(content), None, None, None) = (&new.content, &new.text, &new.media, new.count) {
        return Ok(Json(json!({"id": phone.send_content(&new.to, content).await?})));
    }
    let id = match (new.text, new.media, new.count) {
        (Some(text), None, None) if new.around.is_some() => {
            phone.send_text_with(&new.to, &text, &new.around.unwrap_or_default()).await?
        }
        (Some(text), None, None) => phone.send_text(&new.to, &text).await?,
        (None, Some(media), None) => phone.send_media(&new.to, media.decoded()?).await?,
        (Some(text), None, Some(count)) => {
            if count > network.limits.burst_max {
                return Err(Error::LimitReached { limit: "burst_max" }.into());
            }
            let ids = burst(&phone, &new.to, &text, count, new.rate).await?;
            return Ok(Json(json!({"sent": ids.len(), "ids": ids})));
        }
        _ => {
            return Err(Problem::invalid("give one of text (with count for a burst), media and content"));
        }
    };
    Ok(Json(json!({"id": id})))
}

async fn burst(phone: &Phone, to: &str, text: &str, count: u32, rate: Option<f64>) -> Result<Vec<String>, Problem> {
    let pause = match rate {
        // At least one text a day: a slower burst would outlive every test.
        Some(rate) if rate.is_finite() && rate >= RATE_MIN => Some(Duration::from_secs_f64(1.0 / rate)),
        Some(_) => return Err(Problem::invalid("rate is the number of texts a second, from 0.00002 (one a day) up")),
        None => None,
    };
    let began = tokio::time::Instant::now();
    let mut ids = Vec::new();
    for k in 1..=count {
        if let Some(pause) = pause {
            tokio::time::sleep_until(began + pause * (k - 1)).await;
        }
        if k % BURST_LOOK_EVERY == 0 {
            phone.wait_for_room(to, BURST_PATIENCE).await;
        }
        ids.push(phone.send_text(to, &format!("{text} #{k}")).await?);
    }
    Ok(ids)
}

#[derive(Deserialize)]
pub(super) struct ReadUpTo {
    chat: String,
    ids: Vec<String>,
}

/// `POST /phones/{number}/read`
pub(super) async fn read(Named(phone): Named, Input(read): Input<ReadUpTo>) -> Result<StatusCode, Problem> {
    phone.read(&read.chat, &read.ids)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct Types {
    chat: String,
    state: Typing,
}

/// `POST /phones/{number}/typing`
pub(super) async fn typing(Named(phone): Named, Input(types): Input<Types>) -> Result<StatusCode, Problem> {
    phone.typing(&types.chat, types.state)?;
    Ok(StatusCode::NO_CONTENT)
}
