//! Plugins seen from outside: what is installed, and a formatter that fails.

use portico_harness::{Kind, TestGateway, wait_until};

on_both! { the_built_in_plugins_are_listed_and_counted }

async fn the_built_in_plugins_are_listed_and_counted(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let list = gw.api.get("/v1/plugins").await.expect(200);
    for id in ["webhook-format", "pacing", "dialect-instances"] {
        assert!(list.text.contains(&format!("\"{id}\"")), "{id}: {}", list.text);
    }
    let device = gw.paired("sales").await;
    let (hook, _, _) = gw.webhook(&device.id, &["message.received"]).await;
    gw.phone().send_text(device.phone.number(), "count me").await.expect("sent");
    hook.at_least(1).await;
    wait_until("the call in the metrics", || async {
        let metrics = gw.api.get("/metrics").await.text;
        let counted =
            |l: &str| l.contains("plugin_calls_total") && l.contains("webhook-format") && l.contains("\"ok\"");
        metrics.lines().any(counted).then_some(())
    })
    .await;
}
