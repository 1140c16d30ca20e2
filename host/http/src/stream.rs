//! Event streams: a reader over the stored events, at the pace of its client.
//!
//! A stream reads a page of events, sends it and reads the next, so that it buffers no more than one page. A slow client
//! costs no memory beyond that; one that accepts nothing for too long is dropped and resumes by `seq`. Invariant: events
//! leave in order and without holes, or a `stream.gap` says where one is.

pub(crate) mod sse;
pub(crate) mod ws;

use std::time::Duration;

use portico_core::event::feed::{self, Batch, Wanted};
use portico_core::event::{Event, EventKind};
use portico_core::id::TenantId;
use portico_core::live::Listener;
use portico_core::{Error, OpContext};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::api::Shared;
use crate::metrics::Gauge;
use crate::qr;
use crate::quota::Permit;

/// Counts one more stream of the tenant, or refuses it.
pub(crate) fn permit(app: &Shared, tenant: &TenantId) -> Result<Permit<TenantId>, Error> {
    let limit = app.config.streams_per_tenant;
    app.streams.acquire(tenant, limit).ok_or_else(|| {
        let why = format!("this tenant has {limit} event streams open, the limit; close one first");
        Error::Busy { why, retry_after: Duration::from_secs(5) }
    })
}

/// Why the gateway ends a stream.
#[derive(Debug)]
pub(crate) enum End {
    /// The process stops; the client can reconnect in a moment.
    Stopping,
    /// The key stopped working.
    Unauthenticated,
    /// The client accepted nothing for too long.
    TooSlow,
    /// The events can't be read.
    Failed,
}

impl End {
    /// For the client: what happened and what to do.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Stopping => "the gateway is stopping; reconnect with the last seq",
            Self::Unauthenticated => "the key was revoked or expired",
            Self::TooSlow => "too slow; reconnect with the last seq",
            Self::Failed => "events can't be read at the moment; reconnect with the last seq",
        }
    }
}

/// What a stream sends next.
pub(crate) enum Item {
    /// Send these.
    Events(Vec<Event>),
    /// Tell that events after the first and before the second `seq` are no longer kept.
    Gap(i64, i64),
    /// Show that the stream is alive.
    Beat,
    /// Close the stream, naming the reason.
    End(End),
}

/// One client's way through the events.
pub(crate) struct Feed {
    ctx: OpContext,
    wanted: Wanted,
    after: i64,
    page: u32,
    /// Whether there may be events that were not read yet.
    pending: bool,
    /// Events that were read and not handed out yet.
    read: Vec<Event>,
    /// Tells of events that are not stored, where some are wanted.
    live: Option<Listener>,
    /// What it told and was not handed out yet. That the key still works is found out by reading first.
    told: Vec<Event>,
    events: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    beat: Interval,
    pub(crate) send_timeout: Duration,
    pub(crate) heartbeat: Duration,
    permit: Option<Permit<TenantId>>,
    _open: Gauge,
}

impl Feed {
    /// Hands over the stream's permit to whatever outlives the feed.
    pub(crate) fn take_permit(&mut self) -> Option<Permit<TenantId>> {
        self.permit.take()
    }

    pub(crate) fn new(app: &Shared, ctx: OpContext, wanted: Wanted, after: i64, permit: Permit<TenantId>) -> Self {
        let heartbeat = app.config.stream_heartbeat.max(Duration::from_millis(100));
        let mut beat = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether the caller may was asked when the feed began; who may not by now hears nothing.
        let live = feed::listen(&ctx, &wanted).unwrap_or_default();
        Self {
            live,
            told: Vec::new(),
            ctx,
            wanted,
            after,
            page: app.config.events_page.max(1),
            pending: true,
            read: Vec::new(),
            events: app.live.events.clone(),
            stopping: app.live.stopping.clone(),
            beat,
            send_timeout: app.config.stream_send_timeout,
            heartbeat,
            permit: Some(permit),
            _open: app.metrics.stream(),
        }
    }

    /// The first message: where the stream begins.
    pub(crate) fn opening(&self) -> Value {
        json!({ "type": "stream.open", "after": self.after })
    }

    /// What comes next. May be dropped while it waits; nothing is lost then.
    pub(crate) async fn next(&mut self) -> Item {
        loop {
            if *self.stopping.borrow() {
                return Item::End(End::Stopping);
            }
            if !self.read.is_empty() {
                return Item::Events(std::mem::take(&mut self.read));
            }
            if self.pending {
                // Marked before reading: an event stored meanwhile then wakes this loop again.
                self.events.mark_unchanged();
                match feed::next(&self.ctx, self.after, self.page).await {
                    Ok(batch) => {
                        if let Some(item) = self.accept(batch) {
                            return item;
                        }
                    }
                    Err(error) => return Item::End(ended(error)),
                }
                continue;
            }
            if !self.told.is_empty() {
                let told = std::mem::take(&mut self.told).into_iter();
                return Item::Events(told.map(|event| placed(event, self.after)).collect());
            }
            tokio::select! {
                event = heard(&mut self.live) => {
                    if self.wanted.takes(&event) {
                        self.told.push(event);
                        self.pending = true;
                    }
                }
                changed = self.events.changed() => match changed {
                    Ok(()) => self.pending = true,
                    Err(_) => return Item::End(End::Stopping),
                },
                _ = self.stopping.wait_for(|stopping| *stopping) => return Item::End(End::Stopping),
                _ = self.beat.tick() => {
                    // A wake-up may be lost. Reading again also finds out that the key was revoked.
                    self.pending = true;
                    return Item::Beat;
                }
            }
        }
    }

    fn accept(&mut self, Batch { events, more }: Batch) -> Option<Item> {
        self.pending = more;
        let (first, last) = (events.first()?.seq, events.last()?.seq);
        let before = std::mem::replace(&mut self.after, last);
        self.read = events;
        self.read.retain(|e| self.wanted.takes(e));
        (first > before + 1).then_some(Item::Gap(before, first))
    }
}

/// The next event that is not stored; never, where none is wanted.
async fn heard(live: &mut Option<Listener>) -> Event {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}

/// An event that is not stored as clients see it: at the place of the last one before it, and a QR code with its picture.
fn placed(mut event: Event, after: i64) -> Event {
    event.seq = after;
    if event.kind == EventKind::DeviceQr
        && let Some(png) = event.data["text"].as_str().and_then(|text| qr::data_url(text).ok())
    {
        event.data["png"] = Value::String(png);
    }
    event
}

fn ended(error: Error) -> End {
    match error {
        Error::Unauthenticated { .. } | Error::Forbidden { .. } => End::Unauthenticated,
        other => {
            // The conversion writes the cause to the log.
            let _logged = crate::problem::Problem::from(other);
            End::Failed
        }
    }
}

/// A gap, as told to clients.
pub(crate) fn gap(after: i64, next: i64) -> Value {
    json!({ "type": "stream.gap", "after": after, "next": next })
}

#[cfg(test)]
mod tests;
