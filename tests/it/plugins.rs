//! Plugins seen from outside: what is installed, and a formatter that fails.

use std::path::Path;
use std::time::Duration;

use portico_harness::{Kind, Process, TestGateway, wait_until};

on_both! { the_built_in_plugins_are_listed_and_counted }

async fn the_built_in_plugins_are_listed_and_counted(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let list = gw.api.get("/v1/plugins").await.expect(200);
    let items = list.json["items"].as_array().expect("a list");
    for (id, granted) in [
        ("webhook-format", &[][..]),
        ("pacing", &[]),
        ("dialect-instances", &["rest"]),
        ("dialect-devices", &["rest"]),
        ("dialect-accounts", &["rest", "assume"]),
        ("dialect-organizations", &["rest", "assume"]),
    ] {
        let plugin = items.iter().find(|p| p["id"] == id).unwrap_or_else(|| panic!("{id}: {}", list.text));
        let kinds: Vec<_> = plugin["grants"].as_array().expect("grants").iter().map(|g| &g["kind"]).collect();
        assert_eq!(kinds, granted, "{id}: {}", list.text);
    }
    assert!(list.text.contains("\"why\":\"translates each request"), "{}", list.text);
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

/// What `portico plugin …` says, and whether it is content.
fn plugin(args: &[&str]) -> (bool, String) {
    let mut process = Process::start(&Process::sandbox_build(), &[&["plugin"], args].concat(), &[]);
    (process.wait(Duration::from_secs(60)) == Some(0), process.output())
}

#[test]
fn an_operator_sees_what_a_plugin_may_do_and_why() {
    let dialect = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/dialect-instances.wasm");
    let wanted = ["http-handler, webhook-format", "/d/instances, /api/", "98 routes", "rest: translates each request"];
    for args in [vec!["check", dialect.to_str().expect("a path")], vec!["list"]] {
        let (content, said) = plugin(&args);
        assert!(content && wanted.iter().all(|text| said.contains(text)), "{said}");
    }
    assert!(plugin(&["list"]).1.contains("grants  none"));

    let folder = tempfile::tempdir().expect("a folder");
    let notes = folder.path().join("notes.wasm");
    std::fs::write(&notes, "just some text").expect("a file");
    for bad in [&notes, &folder.path().join("missing.wasm")] {
        let bad = bad.to_str().expect("a path");
        let (content, said) = plugin(&["check", bad]);
        assert!(!content && said.contains(bad), "{said}");
    }
}
