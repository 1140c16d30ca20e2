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
    rendered_for(url, Duration::from_secs(4)).await
}

/// The same after this much of the browser's own time, which runs ahead while nothing is loaded.
async fn rendered_for(url: &str, span: Duration) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--dump-dom"])
        .arg(format!("--virtual-time-budget={}", span.as_millis()))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_dialect_refreshes_itself_in_its_sandbox() {
    const ROUTE: &str = "/api/auth/qr-user/{accountToken}";
    let gw = TestGateway::start(Kind::Sqlite).await;
    let new = json!({ "name": "Ada", "mobile": "+15550109901", "password": "correct horse" });
    let api_key = gw.api.with_key(None).post("/api/auth/register", new).await.expect(201).str("/user/apiKey");
    let begun = gw.api.with_key(None).post("/api/auth/start-qr-with-user", json!({ "apiKey": api_key })).await;
    let token = begun.str("/account/accountToken");
    let page = rendered_for(&format!("{}/api/auth/qr-user/{token}", gw.api.base()), Duration::from_secs(35)).await;
    assert!(page.contains("data:image/png;base64,") && page.contains("Link WhatsApp"), "{page}");
    // It was loaded again every ten seconds.
    let loaded = |line: &str| -> Option<u32> {
        let of_page = line.starts_with("http_requests_total") || line.contains("requests_total");
        (of_page && line.contains(ROUTE)).then(|| line.rsplit(' ').next()?.parse::<f64>().ok().map(|n| n as u32))?
    };
    let metrics = gw.api.get("/metrics").await.text;
    let count: u32 = metrics.lines().filter_map(loaded).sum();
    assert!(count >= 3, "loaded {count} times: {metrics}");
}
