//! Waiting for what becomes of a message or of a webhook's test, for clients that prefer to (`Prefer: wait=10`, RFC 7240).
//!
//! A request that waits gives back everything it held and takes one of the tenant's `waiting_sends_per_tenant`. It is woken
//! when its message or delivery got further and asks nobody meanwhile.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portico_api::{TestEvent, TestOutcome};
use portico_core::context::outcome::Watch;
use portico_core::id::{DeliveryId, TenantId};
use portico_core::message::{Message, MessageStatus, send};
use portico_core::webhook::trial;
use portico_core::{Error, OpContext};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

use crate::api::App;
use crate::concurrency::Lease;
use crate::quota::Permit;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The header with which a client says that it would wait.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described here, read with the other headers")]
pub(super) struct WaitPreference {
    /// `wait=10`: answer when it is known what came of it, at most 10 seconds later. The header `Preference-Applied` says how
    /// long the gateway was willing to wait.
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
        announce(self.span, headers);
    }
}

/// Tells the client how long the gateway was willing to wait, if it did.
pub(super) fn announce(span: Option<Duration>, headers: &mut HeaderMap) {
    if let Some(span) = span
        && let Ok(applied) = HeaderValue::try_from(format!("wait={}", span.as_secs()))
    {
        headers.insert(PREFERENCE_APPLIED, applied);
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
    let Some((span, _waiting)) = begin(app, ctx, lease, headers) else { return Ok(Waited { message, span: None }) };
    let watch = app.services.ports.outcomes.watch(&message.id);
    let look = || send::look_again(ctx, &message);
    let message = steps(app, watch, span, look, |message: &Message| message.status != MessageStatus::Queued).await?;
    Ok(Waited { message, span: Some(span) })
}

/// Waits until the receiver of a webhook's test has answered or could not be reached, as long as the client prefers and the
/// gateway is willing. Gives what came of it, and how long the gateway was willing to wait.
pub(super) async fn test_outcome(
    app: &App,
    ctx: &OpContext,
    lease: &Lease,
    headers: &HeaderMap,
    test: &TestEvent,
) -> Result<(Option<TestOutcome>, Option<Duration>), Error> {
    let delivery: DeliveryId = test.delivery.parse()?;
    let Some((span, _waiting)) = begin(app, ctx, lease, headers) else { return Ok((None, None)) };
    let watch = app.services.ports.outcomes.watch_delivery(&delivery);
    let look = || trial::outcome(ctx, &delivery);
    Ok((steps(app, watch, span, look, Option::is_some).await?, Some(span)))
}

/// How long a request waits, if it does. It then holds nothing but one of the tenant's places for those that wait.
fn begin(app: &App, ctx: &OpContext, lease: &Lease, headers: &HeaderMap) -> Option<(Duration, Permit<TenantId>)> {
    let span = preferred(headers)?.min(app.config.send_wait_max);
    if span.is_zero() {
        return None;
    }
    let waiting = app.waiting_sends.acquire(ctx.tenant(), app.config.waiting_sends_per_tenant)?;
    lease.release();
    Some((span, waiting))
}

/// Looks, and again after each step that `watch` tells of, until what is seen is `enough` or the time is over.
async fn steps<T, F: Future<Output = Result<T, Error>>>(
    app: &App,
    mut watch: Watch,
    span: Duration,
    look: impl Fn() -> F,
    enough: impl Fn(&T) -> bool,
) -> Result<T, Error> {
    let deadline = Instant::now() + span;
    let mut stopping = app.live.stopping.clone();
    let mut seen = look().await?;
    while !enough(&seen) {
        tokio::select! {
            () = watch.step() => seen = look().await?,
            () = sleep_until(deadline) => break,
            () = stop(&mut stopping) => break,
        }
    }
    Ok(seen)
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
