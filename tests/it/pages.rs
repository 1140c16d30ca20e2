//! Pages in a real browser, headless: the API's documentation, and the page that shows a QR code.

use std::process::Stdio;
use std::time::Duration;

use portico_harness::{Kind, TestGateway, wait_until};
use serde_json::json;
use tokio::process::Command;

/// How long the browser may take altogether.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a page looks like once its scripts have run for a while of the browser's own time.
async fn rendered(url: &str) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--virtual-time-budget=4000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, browser).await.expect("the browser ends");
    let output = output.expect("chromium is installed: tests/tools.sh does that");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_draws_every_operation_without_the_internet() {
    let gw = TestGateway::start(Kind::Sqlite).await;
    let page = rendered(&format!("{}/docs", gw.api.base())).await;
    let spec = gw.api.get("/v1/openapi.json").await.expect(200).json;
    let paths = spec["paths"].as_object().expect("paths");
    assert!(paths.len() > 15, "{}", paths.len());
    for path in paths.keys() {
        assert!(page.contains(path), "{path} is missing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_qr_page_shows_a_code_and_then_that_it_was_scanned() {
    let gw = TestGateway::start(Kind::Sqlite).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    gw.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    gw.wait_for_state(&device, "pairing").await;
    let url = format!("{}/v1/devices/{device}/qr#key={}", gw.api.base(), gw.key);
    let page = rendered(&url).await;
    assert!(page.contains("data:image/png;base64,"), "no picture: {page}");
    assert!(page.contains("pairing"), "{page}");

    let qr = wait_until("a code", || async {
        let answer = gw.api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
        (answer.status == 200).then(|| answer.str("/text"))
    })
    .await;
    gw.phone().scan_qr(&qr).await.expect("scanned");
    gw.wait_for_state(&device, "connected").await;
    let page = rendered(&url).await;
    assert!(page.contains("connected") && !page.contains("data:image/png;base64,"), "{page}");
}
