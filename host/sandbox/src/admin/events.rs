//! A phone's events as server-sent events. A reader that comes back resumes with `after` or `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Deserialize;

use super::input::{Asked, Named};
use crate::PhoneEvent;
use crate::phone::handle::Phone;

/// Events taken from the log at once.
const BATCH: usize = 256;

#[derive(Deserialize)]
pub(super) struct Resume {
    after: Option<u64>,
}

/// `GET /phones/{number}/events`; `after` counts more than `Last-Event-ID`.
pub(super) async fn stream(
    Named(phone): Named,
    Asked(resume): Asked<Resume>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resume.after.or(last).unwrap_or(0);
    let events = stream::unfold((phone, after, VecDeque::new()), next);
    Sse::new(events).keep_alive(KeepAlive::default())
}

type Place = (Phone, u64, VecDeque<PhoneEvent>);

async fn next((phone, mut after, mut ready): Place) -> Option<(Result<Event, Infallible>, Place)> {
    while ready.is_empty() {
        if !phone.has_event_after(after).await {
            return None;
        }
        let fresh = phone.events(after, BATCH);
        // Events that were dropped for the limit, or are from before a restart, will not come any more.
        after = fresh.last().map_or(after + 1, |event| event.seq);
        ready.extend(fresh);
    }
    let event = ready.pop_front()?;
    let id = event.seq.to_string();
    let sse = Event::default().id(id).json_data(&event).unwrap_or_else(|_| Event::default().comment("unwritable"));
    Some((Ok(sse), (phone, after, ready)))
}
