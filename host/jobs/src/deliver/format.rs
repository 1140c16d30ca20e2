//! Formats events: asks the webhook's format plugin for what is sent, and decides what happens where the plugin fails.
//!
//! A plugin that only formats must not hold events back, so its events go out in the default format then. One that serves an API
//! has receivers who can't read another shape, so its events wait until it is mended: see [`FailureRule`]. When a batch fails because
//! of one of its events, it is halved until that event is alone, so that the others are formatted as usual. A retry is formatted
//! by the version that shaped the delivery first, so that its receiver gets the same thing again although the plugin was replaced
//! or switched off since.

use std::ops::Range;
use std::sync::Arc;

use portico_core::event::Event;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{Formatted, FormattedBatch, Outcome, Parts, PluginFailure, Subscription};
use portico_core::webhook::Claimed;

use super::request::{DEFAULT_BODY, Shape};

/// Events given to a plugin at once, as its interface says.
pub(super) const FORMAT_BATCH: usize = crate::config::LANE_RUN_MAX;

/// One event as it will be sent.
pub(super) enum Body {
    /// As the plugin made it, and the digest of its version.
    Formatted(Parts, Arc<str>),
    /// As the gateway makes it, because the plugin failed.
    Default(Parts),
    /// Not at all: the plugin says that this subscriber does not get the event.
    Skip,
    /// Not now: the plugin can't format anything at the moment.
    Later,
    /// Not now: the plugin fails on this event, for this reason. It is an attempt that failed.
    Failed(String),
}

/// What becomes of events whose plugin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureRule {
    /// They go out in the gateway's default format.
    DefaultBody,
    /// They wait.
    Wait,
}

/// What goes into a request.
pub(super) struct Shaped {
    pub(super) parts: Parts,
    pub(super) shape: Shape,
    /// The version of the plugin that shaped it, by its digest; `default` for the gateway's own body.
    pub(super) by: Option<Arc<str>>,
}

impl Body {
    fn in_default_format(event: &Event) -> Self {
        Self::Default(default_parts(event))
    }
}

/// Who formats.
struct Formatter<'a> {
    plugins: &'a dyn Plugins,
    plugin: &'a str,
    /// The version that shaped the events before.
    digest: Option<&'a str>,
    to: &'a Subscription,
    rule: FailureRule,
}

/// Formats at most [`FORMAT_BATCH`] deliveries of one webhook: one answer per delivery, in order.
pub(super) async fn format(
    plugins: &dyn Plugins,
    plugin: &str,
    to: &Subscription,
    rule: FailureRule,
    deliveries: &[&Claimed],
) -> Vec<Body> {
    let mut bodies = Vec::with_capacity(deliveries.len());
    for alike in deliveries.chunk_by(|a, b| a.shaped_by == b.shaped_by) {
        let digest = alike.first().and_then(|claimed| claimed.shaped_by.as_deref());
        if digest == Some(DEFAULT_BODY) {
            bodies.extend(alike.iter().map(|claimed| Body::in_default_format(&claimed.event)));
            continue;
        }
        let events: Vec<_> = alike.iter().map(|claimed| claimed.event.clone()).collect();
        bodies.extend(Formatter { plugins, plugin, digest, to, rule }.format(&events).await);
    }
    bodies
}

impl Formatter<'_> {
    async fn format(&self, events: &[Event]) -> Vec<Body> {
        let mut bodies = Vec::with_capacity(events.len());
        // A stack of ranges that are not formatted yet, the first one on top.
        let mut ranges = Vec::new();
        ranges.push(0..events.len());
        while let Some(range) = ranges.pop() {
            let part = events.get(range.clone()).unwrap_or_default();
            match self.ask(part).await {
                Ok(FormattedBatch { digest, answers }) => {
                    bodies.extend(answers.into_iter().map(|answer| match answer {
                        Formatted::Send(parts) => Body::Formatted(parts, Arc::clone(&digest)),
                        Formatted::Skip(_) => Body::Skip,
                    }))
                }
                Err(failure) if range.len() > 1 && is_about_content(failure.outcome) => {
                    let (left, right) = halves(range);
                    ranges.push(right);
                    ranges.push(left);
                }
                Err(failure) => {
                    tracing::warn!(
                        plugin.id = self.plugin,
                        outcome = ?failure.outcome,
                        events = range.len(),
                        rule = ?self.rule,
                        "a webhook format failed"
                    );
                    bodies.extend(part.iter().map(|event| self.unformatted(event, &failure)));
                }
            }
        }
        bodies
    }

    fn unformatted(&self, event: &Event, failure: &PluginFailure) -> Body {
        match self.rule {
            FailureRule::DefaultBody => Body::in_default_format(event),
            FailureRule::Wait if is_about_content(failure.outcome) => {
                Body::Failed(format!("its format `{}` fails on this event: {}", self.plugin, failure.detail))
            }
            FailureRule::Wait => Body::Later,
        }
    }

    async fn ask(&self, events: &[Event]) -> Result<FormattedBatch, PluginFailure> {
        let batch = self.plugins.format(self.plugin, self.digest, self.to, events).await?;
        if batch.answers.len() == events.len() {
            return Ok(batch);
        }
        let detail = format!("{} answers for {} events", batch.answers.len(), events.len());
        Err(PluginFailure { plugin: self.plugin.to_owned(), outcome: Outcome::BadAnswer, detail })
    }
}

/// Whether a smaller batch may succeed.
fn is_about_content(outcome: Outcome) -> bool {
    match outcome {
        Outcome::InvalidInput
        | Outcome::Internal
        | Outcome::Trap
        | Outcome::Cpu
        | Outcome::Wall
        | Outcome::Memory
        | Outcome::CopyLimit
        | Outcome::BadAnswer => true,
        Outcome::Config
        | Outcome::Unavailable
        | Outcome::Denied
        | Outcome::Busy
        | Outcome::Breaker
        | Outcome::Missing => false,
    }
}

fn halves(range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = range.start + range.len() / 2;
    (range.start..middle, middle..range.end)
}

/// The event's public JSON, which is also what the default format plugin makes.
pub(super) fn default_parts(event: &Event) -> Parts {
    Parts {
        method: "POST".to_owned(),
        headers: Vec::new(),
        content_type: "application/json".to_owned(),
        // Never fails: the event was read from JSON.
        body: serde_json::to_vec(event).unwrap_or_default(),
        signing: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use portico_core::id::{DeliveryId, WebhookId};

    use super::*;
    use crate::testing::{self, FakePlugins};

    fn claimed(seq: i64, shaped_by: Option<&str>) -> Claimed {
        let event = testing::event(seq);
        let (id, webhook) = (DeliveryId::new(1, 1), WebhookId::new(1, 1));
        let shaped_by = shaped_by.map(str::to_owned);
        Claimed { id, tenant: testing::tenant(), webhook, event, attempts: 0, shaped_by }
    }

    #[tokio::test]
    async fn a_retry_is_formatted_by_the_version_that_was_first() {
        let deliveries = [claimed(1, None), claimed(2, Some("old")), claimed(3, Some("old")), claimed(4, None)];
        let plugins = FakePlugins::default();
        let to = Subscription::plain(&testing::tenant());
        let bodies =
            format(&plugins, "some-format", &to, FailureRule::Wait, &deliveries.iter().collect::<Vec<_>>()).await;
        let by = bodies.into_iter().map(|body| match body {
            Body::Formatted(_, by) => by,
            _ => panic!("not formatted"),
        });
        assert_eq!(by.collect::<Vec<_>>(), ["current", "old", "old", "current"].map(Arc::<str>::from));
        let first_default = [claimed(1, Some(DEFAULT_BODY))];
        let plugins = FakePlugins::default();
        let again = format(&plugins, "some-format", &to, FailureRule::Wait, &[&first_default[0]]).await;
        assert!(matches!(again.as_slice(), [Body::Default(_)]));
        assert_eq!(plugins.calls_made(), 0);
    }

    async fn shapes(plugins: &FakePlugins, count: i64) -> String {
        shapes_by(plugins, FailureRule::DefaultBody, count).await
    }

    async fn shapes_by(plugins: &FakePlugins, rule: FailureRule, count: i64) -> String {
        let deliveries: Vec<_> = (0..count).map(|seq| claimed(seq, None)).collect();
        let to = Subscription::plain(&testing::tenant());
        let shaped = format(plugins, "some-format", &to, rule, &deliveries.iter().collect::<Vec<_>>()).await;
        let letter = |s: &Body| match s {
            Body::Formatted(..) => 'w',
            Body::Default(_) => 'd',
            Body::Skip => 's',
            Body::Later => 'l',
            Body::Failed(_) => 'f',
        };
        shaped.iter().map(letter).collect()
    }

    #[tokio::test]
    async fn one_bad_event_leaves_the_others_formatted() {
        let plugins = FakePlugins { fail_on_seq: Some((5, Outcome::Trap)), ..FakePlugins::default() };
        assert_eq!(shapes(&plugins, 8).await, "wwwwwdww");
    }

    #[tokio::test]
    async fn a_plugin_that_is_not_there_is_asked_once() {
        let plugins = FakePlugins { fail_on_seq: Some((5, Outcome::Missing)), ..FakePlugins::default() };
        assert_eq!(shapes(&plugins, 8).await, "dddddddd");
        assert_eq!(plugins.calls_made(), 1);
    }

    #[tokio::test]
    async fn events_of_an_api_never_go_out_in_another_shape() {
        for (outcome, expected) in
            [(Outcome::Trap, "wwwwwfww"), (Outcome::Missing, "llllllll"), (Outcome::Breaker, "llllllll")]
        {
            let plugins = FakePlugins { fail_on_seq: Some((5, outcome)), ..FakePlugins::default() };
            assert_eq!(shapes_by(&plugins, FailureRule::Wait, 8).await, expected, "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn an_event_the_plugin_does_not_want_is_skipped() {
        let plugins = FakePlugins { skip_seq: Some(1), ..FakePlugins::default() };
        assert_eq!(shapes(&plugins, 3).await, "wsw");
    }

    #[test]
    fn the_default_body_is_the_events_public_json() {
        let body = default_parts(&testing::event(7)).body;
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(json["seq"], 7);
        assert_eq!(json["type"], "message.received");
        assert!(json.get("tenant").is_none() && json.get("lane").is_none());
    }
}
