//! A real Chromium without a window, driven over its debugging protocol.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the browser may take for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a page is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// One page.
pub(crate) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    calls: u64,
    _process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser and opens a page.
    pub(crate) async fn open(url: &str) -> Result<Self, Failure> {
        let profile = tempfile::tempdir()?;
        let process = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"])
            .args(["--window-size=1200,900", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let file = profile.path().join("DevToolsActivePort");
        let started = async {
            loop {
                let text = tokio::fs::read_to_string(&file).await.unwrap_or_default();
                if let [port, path, ..] = text.lines().collect::<Vec<_>>().as_slice() {
                    return format!("ws://127.0.0.1:{port}{path}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let address = tokio::time::timeout(PATIENCE, started).await?;
        let (socket, _) = tokio_tungstenite::connect_async(address).await?;
        let mut browser = Self { socket, session: String::new(), calls: 0, _process: process, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": url})).await?;
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attached).await?;
        browser.session = attached["sessionId"].as_str().ok_or("no session")?.to_owned();
        Ok(browser)
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        self.calls += 1;
        let mut request = json!({"id": self.calls, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(request.to_string())).await?;
        let answered = async {
            loop {
                let message = self.socket.next().await.ok_or("the browser is gone")??;
                let Message::Text(text) = message else { continue };
                let answer: Value = serde_json::from_str(text.as_str())?;
                if answer["id"] == self.calls {
                    return Ok::<_, Failure>(answer);
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await??;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}").into()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// What an expression is worth in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Result<Value, Failure> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{expression}: {details}").into()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true in the page.
    pub(crate) async fn until(&mut self, expression: &str) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        // The page may still be loading, where an expression can fail.
        while self.value(expression).await.ok() != Some(json!(true)) {
            if tokio::time::Instant::now() > deadline {
                let page = self.value("document.body.innerText").await?;
                return Err(format!("never true: {expression}; the page says: {page}").into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Keeps a picture of the page among the build's artefacts.
    pub(crate) async fn keep_picture(&mut self, name: &str) -> Result<(), Failure> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().ok_or("no picture")?)?;
        Ok(std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), bytes)?)
    }
}
