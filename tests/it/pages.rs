//! Pages in a real browser, headless: the API's documentation, and the page that shows a QR code.

use std::process::Stdio;
use std::time::Duration;

use portico_harness::{Kind, TestGateway, wait_until};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

/// How long the browser may take altogether.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser, without a window and with nothing to do on the network but what a page asks for.
fn browser(profile: &TempDir) -> Command {
    let mut browser = Command::new("chromium");
    browser
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    browser
}

/// What a page looks like once its scripts have run for a while of the browser's own time.
async fn rendered(url: &str) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let rendering =
        browser(&profile).args(["--dump-dom", "--virtual-time-budget=4000", url]).stdout(Stdio::piped()).output();
    let output = tokio::time::timeout(PATIENCE, rendering).await.expect("the browser ends");
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
    let url = format!("{}/api/auth/qr-user/{token}", gw.api.base());
    let page = gw.api.with_key(None).get(&format!("/api/auth/qr-user/{token}")).await.expect(200).text;
    assert!(page.contains("data:image/png;base64,") && page.contains("Link WhatsApp"), "{page}");
    let profile = tempfile::tempdir().expect("a folder");
    let _browser = browser(&profile).args(["--remote-debugging-port=0", &url]).spawn().expect("chromium");
    let loaded = |line: &str| -> Option<u32> {
        (line.contains("requests_total") && line.contains(ROUTE)).then(|| line.rsplit(' ').next()?.parse().ok())?
    };
    // Once by this test, once by the browser, and once more by the page itself.
    wait_until("the page to load itself again", || async {
        let metrics = gw.api.get("/metrics").await.text;
        (metrics.lines().filter_map(loaded).sum::<u32>() >= 3).then_some(())
    })
    .await;
}
