//! Formats events: asks the webhook's format plugin for what is sent, and makes the default body where the plugin fails.
//!
//! A failing plugin must not hold events back, so its events go out in the default format. When a batch fails because of one
//! of its events, it is halved until that event is alone, so that the others are formatted as usual.

use std::ops::Range;

use portico_core::event::Event;
use portico_core::id::TenantId;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{Formatted, Outcome, Parts, PluginFailure};

use super::request::Shape;

/// Events given to a plugin at once, as its interface says.
pub(super) const FORMAT_BATCH: usize = crate::config::LANE_RUN_MAX;

/// One event as it will be sent.
pub(super) enum Body {
    /// As the plugin made it.
    Formatted(Parts),
    /// As the gateway makes it, because the plugin failed.
    Default(Parts),
    /// Not at all: the plugin says that this subscriber does not get the event.
    Skip,
}

impl Body {
    /// What goes into the request; `None` when there is to be none.
    pub(super) fn into_request(self) -> Option<(Parts, Shape)> {
        match self {
            Self::Formatted(parts) => Some((parts, Shape::Wanted)),
            Self::Default(parts) => Some((parts, Shape::Default)),
            Self::Skip => None,
        }
    }
}

/// Formats at most [`FORMAT_BATCH`] events of one webhook: one answer per event, in order.
pub(super) async fn format(plugins: &dyn Plugins, format: &str, tenant: &TenantId, events: &[Event]) -> Vec<Body> {
    let mut bodies = Vec::with_capacity(events.len());
    // A stack of ranges that are not formatted yet, the first one on top.
    let mut ranges = Vec::new();
    ranges.push(0..events.len());
    while let Some(range) = ranges.pop() {
        let part = events.get(range.clone()).unwrap_or_default();
        match ask(plugins, format, tenant, part).await {
            Ok(answers) => bodies.extend(answers.into_iter().map(|answer| match answer {
                Formatted::Send(parts) => Body::Formatted(parts),
                Formatted::Skip(_) => Body::Skip,
            })),
            Err(failure) if range.len() > 1 && is_about_content(failure.outcome) => {
                let (left, right) = halves(range);
                ranges.push(right);
                ranges.push(left);
            }
            Err(failure) => {
                tracing::warn!(
                    plugin.id = format,
                    outcome = ?failure.outcome,
                    events = range.len(),
                    "a webhook format failed; the default body is sent"
                );
                bodies.extend(part.iter().map(|event| Body::Default(default_parts(event))));
            }
        }
    }
    bodies
}

async fn ask(
    plugins: &dyn Plugins,
    format: &str,
    tenant: &TenantId,
    events: &[Event],
) -> Result<Vec<Formatted>, PluginFailure> {
    let answers = plugins.format(format, tenant, events).await?;
    if answers.len() == events.len() {
        return Ok(answers);
    }
    let detail = format!("{} answers for {} events", answers.len(), events.len());
    Err(PluginFailure { plugin: format.to_owned(), outcome: Outcome::BadAnswer, detail })
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
    use super::*;
    use crate::testing::{self, FakePlugins};

    async fn shapes(plugins: &FakePlugins, count: i64) -> String {
        let events: Vec<_> = (0..count).map(testing::event).collect();
        let tenant = testing::tenant();
        let shaped = format(plugins, "some-format", &tenant, &events).await;
        let letter = |s: &Body| match s {
            Body::Formatted(_) => 'w',
            Body::Default(_) => 'd',
            Body::Skip => 's',
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
