//! Event streams: a reader over the stored events, at the pace of its client.
//!
//! Nothing is buffered per client beyond what it is just being sent: a stream reads a page, sends it, reads the next. So a
//! slow client costs no memory; one that accepts nothing for too long is dropped and resumes by `seq`. Invariant: events
//! leave in order and without holes, or a `stream.gap` says where one is.

pub(crate) mod sse;
pub(crate) mod ws;

use std::time::Duration;

use portico_core::event::Event;
use portico_core::event::feed::{self, Batch, Wanted};
use portico_core::id::TenantId;
use portico_core::{Error, OpContext};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::api::Shared;
use crate::metrics::Gauge;
use crate::places::Place;

/// Takes one of the tenant's streams.
pub(crate) fn place(app: &Shared, tenant: &TenantId) -> Result<Place<TenantId>, Error> {
    let limit = app.config.streams_per_tenant;
    app.streams.take(tenant, limit).ok_or_else(|| {
        let why = format!("this tenant has {limit} event streams open, the limit; close one first");
        Error::Busy { why, retry_after: Duration::from_secs(5) }
    })
}

/// Why a stream ends from this side.
#[derive(Debug)]
pub(crate) enum End {
    /// The process stops; come back in a moment.
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

/// What a stream has to do next.
pub(crate) enum Step {
    /// Send these.
    Events(Vec<Event>),
    /// Tell that events after the first and before the second `seq` are no longer kept.
    Gap(i64, i64),
    /// Show that the stream is alive.
    Beat,
    /// Say goodbye.
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
    held: Vec<Event>,
    events: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    beat: Interval,
    pub(crate) send_timeout: Duration,
    pub(crate) heartbeat: Duration,
    place: Option<Place<TenantId>>,
    _open: Gauge,
}

impl Feed {
    /// The place, for whoever outlives the feed.
    pub(crate) fn take_place(&mut self) -> Option<Place<TenantId>> {
        self.place.take()
    }

    pub(crate) fn new(app: &Shared, ctx: OpContext, wanted: Wanted, after: i64, place: Place<TenantId>) -> Self {
        let heartbeat = app.config.stream_heartbeat.max(Duration::from_millis(100));
        let mut beat = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ctx,
            wanted,
            after,
            page: app.config.events_page.max(1),
            pending: true,
            held: Vec::new(),
            events: app.live.events.clone(),
            stopping: app.live.stopping.clone(),
            beat,
            send_timeout: app.config.stream_send_timeout,
            heartbeat,
            place: Some(place),
            _open: app.metrics.stream(),
        }
    }

    /// The first message: where the stream begins.
    pub(crate) fn opening(&self) -> Value {
        json!({ "type": "stream.open", "after": self.after })
    }

    /// What comes next. May be dropped while it waits; nothing is lost then.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            if *self.stopping.borrow() {
                return Step::End(End::Stopping);
            }
            if !self.held.is_empty() {
                return Step::Events(std::mem::take(&mut self.held));
            }
            if self.pending {
                // Before reading: what is stored meanwhile rings again.
                self.events.mark_unchanged();
                match feed::next(&self.ctx, self.after, self.page).await {
                    Ok(stretch) => {
                        if let Some(step) = self.accept(stretch) {
                            return step;
                        }
                    }
                    Err(error) => return Step::End(ended(error)),
                }
                continue;
            }
            tokio::select! {
                changed = self.events.changed() => match changed {
                    Ok(()) => self.pending = true,
                    Err(_) => return Step::End(End::Stopping),
                },
                _ = self.stopping.wait_for(|stopping| *stopping) => return Step::End(End::Stopping),
                _ = self.beat.tick() => {
                    // A ring may be lost; this also finds out that the key was revoked.
                    self.pending = true;
                    return Step::Beat;
                }
            }
        }
    }

    fn accept(&mut self, Batch { events, more }: Batch) -> Option<Step> {
        self.pending = more;
        let (first, last) = (events.first()?.seq, events.last()?.seq);
        let before = std::mem::replace(&mut self.after, last);
        self.held = events;
        self.held.retain(|e| self.wanted.takes(e));
        (first > before + 1).then_some(Step::Gap(before, first))
    }
}

fn ended(error: Error) -> End {
    match error {
        Error::Unauthenticated { .. } | Error::Forbidden { .. } => End::Unauthenticated,
        other => {
            // Converting logs it.
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
