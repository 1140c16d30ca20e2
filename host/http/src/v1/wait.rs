//! Waiting for what becomes of a message, for clients that prefer to (`Prefer: wait=10`, RFC 7240).
//!
//! A send that waits gives back everything its request held and takes one of the tenant's `waiting_sends_per_tenant`. It is woken
//! when its message got further and asks nobody meanwhile.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portico_core::message::{Message, MessageStatus, send};
use portico_core::{Error, OpContext};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

use crate::api::App;
use crate::concurrency::Lease;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The header with which a client says that it would wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described here, read with the other headers")]
pub(super) struct WaitPreference {
    /// `wait=10`: answer when it is known what became of the message, at most 10 seconds later. The header
    /// `Preference-Applied` says how long the gateway was willing to wait.
    #[param(rename = "Prefer", example = "wait=10")]
    prefer: Option<String>,
}

/// A message, and whether the request waited for it.
pub(super) struct Waited {
    pub(super) message: Message,
    /// How long the gateway was willing to wait; `None`: it did not wait.
    pub(super) span: Option<Duration>,
}

impl Waited {
    /// The status of an answer with the message.
    pub(super) fn status(&self) -> StatusCode {
        match (self.span, self.message.status) {
            (None, _) | (Some(_), MessageStatus::Queued) => StatusCode::ACCEPTED,
            (Some(_), _) => StatusCode::OK,
        }
    }

    /// Tells the client that its preference was followed.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        if let Some(span) = self.span
            && let Ok(applied) = HeaderValue::try_from(format!("wait={}", span.as_secs()))
        {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
}

/// Waits until the message is no longer queued, as long as the client prefers and the gateway is willing.
pub(super) async fn outcome(
    app: &App,
    ctx: &OpContext,
    lease: &Lease,
    headers: &HeaderMap,
    message: Message,
) -> Result<Waited, Error> {
    let span = preferred(headers).map(|span| span.min(app.config.send_wait_max)).filter(|span| !span.is_zero());
    let Some(span) = span else { return Ok(Waited { message, span: None }) };
    let Some(_waiting) = app.waiting_sends.acquire(ctx.tenant(), app.config.waiting_sends_per_tenant) else {
        return Ok(Waited { message, span: None });
    };
    lease.release();
    let deadline = Instant::now() + span;
    let mut watch = app.services.ports.outcomes.watch(&message.id);
    let mut stopping = app.live.stopping.clone();
    let mut message = send::look_again(ctx, &message).await?;
    while message.status == MessageStatus::Queued {
        tokio::select! {
            () = watch.step() => message = send::look_again(ctx, &message).await?,
            () = sleep_until(deadline) => break,
            () = stop(&mut stopping) => break,
        }
    }
    Ok(Waited { message, span: Some(span) })
}

/// Waits until the process begins to stop.
async fn stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that the process is gone already.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// How long the client would wait. What can't be read is passed over, as preferences are.
fn preferred(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(',')).map(|one| one.split(';').next().unwrap_or_default());
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preference_is_found_among_others() {
        let wait = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PREFER, HeaderValue::from_static(value));
            }
            preferred(&headers).map(|span| span.as_secs())
        };
        for (values, wanted) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, Wait=\"5\"; x=y"], Some(5)),
            (&["return=minimal", "wait = 7"], Some(7)),
            (&["wait"], None),
            (&["wait=soon"], None),
            (&["wait=-1"], None),
            (&[], None),
        ] {
            assert_eq!(wait(values), wanted, "{values:?}");
        }
    }
}
