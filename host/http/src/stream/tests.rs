use portico_core::id::EventId;
use portico_core::time::UtcMs;

use super::*;
use crate::HttpConfig;
use crate::tests::fakes::{api_with, caller};

fn feed(after: i64) -> Feed {
    let app = api_with(HttpConfig::default()).app;
    let permit = permit(&app, caller().tenant()).ok().unwrap();
    let ctx = OpContext::new(app.services.clone(), caller(), None);
    Feed::new(&app, ctx, Wanted::default(), after, permit)
}

fn event(seq: i64) -> Event {
    Event {
        id: EventId::new(1, 1),
        seq,
        kind: portico_core::event::EventKind::MessageReceived,
        tenant: caller().tenant().clone(),
        device: None,
        lane: "lane".to_owned(),
        timestamp: UtcMs(0),
        data: Value::Null,
    }
}

#[tokio::test]
async fn after_a_page_that_ended_early_comes_the_next() {
    let mut feed = feed(4);
    // One event, far less than the rows of a page: the bytes were up.
    assert!(feed.accept(Batch { events: vec![event(5)], more: true }).is_none());
    assert!(matches!(feed.next().await, Item::Events(events) if events[0].seq == 5));
    assert!(feed.pending, "it does not wait for a ring");
    assert!(feed.accept(Batch { events: vec![event(6)], more: false }).is_none(), "without a hole");
    assert!(!feed.pending);
}

#[tokio::test]
async fn a_hole_is_told() {
    let mut feed = feed(4);
    let gap = feed.accept(Batch { events: vec![event(7)], more: false });
    assert!(matches!(gap, Some(Item::Gap(4, 7))));
    assert!(matches!(feed.next().await, Item::Events(events) if events[0].seq == 7));
}

#[test]
fn a_tenant_has_so_many_streams() {
    let app = api_with(HttpConfig { streams_per_tenant: 1, ..HttpConfig::default() }).app;
    let _held = permit(&app, caller().tenant()).ok().unwrap();
    assert!(matches!(permit(&app, caller().tenant()), Err(Error::Busy { .. })));
}
