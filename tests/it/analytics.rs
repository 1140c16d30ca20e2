//! Figures: messages by day and device.

use portico_harness::{Kind, TestGateway, wait_until};
use serde_json::json;

on_both! { messages_are_counted_by_day_and_device_once }

async fn messages_are_counted_by_day_and_device_once(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let (one, two) = (gw.paired("one").await, gw.paired("two").await);
    let customer = gw.phone();
    for text in ["first", "second"] {
        gw.send_text(&one.id, customer.number(), text).await;
        customer.next_text().await.expect("it arrives");
    }
    customer.send_text(two.phone.number(), "hello").await.expect("sent");
    let span = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
    let sums = async |api: &portico_harness::Client, more: &str| {
        let page = api.get(&format!("/v1/analytics?{span}{more}")).await.expect(200).json;
        let rows = page["items"].as_array().cloned().unwrap_or_default();
        // Midnight may fall into the test.
        let sum = |name: &str| rows.iter().filter_map(|row| row[name].as_u64()).sum::<u64>();
        [sum("sent"), sum("delivered"), sum("received"), sum("failed")]
    };
    wait_until("all is counted", || async { (sums(&gw.api, "").await == [2, 2, 1, 0]).then_some(()) }).await;
    assert_eq!(sums(&gw.api, &format!("&device={}", one.id)).await, [2, 2, 0, 0]);
    assert_eq!(sums(&gw.api, &format!("&device={}", two.id)).await, [0, 0, 1, 0]);
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    assert_eq!(sums(&gw.api.with_key(Some(&other)), "").await, [0; 4], "of another tenant");
    let wrong = gw.api.get("/v1/analytics?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z").await.expect(400);
    assert_eq!(wrong.str("/field"), "from");
}
