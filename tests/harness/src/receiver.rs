//! A real HTTP receiver of webhooks that remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::wait_until;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// What was answered.
    pub answered: u16,
    /// When it came, in milliseconds since 1970.
    pub at_ms: f64,
}

impl Delivered {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether the Standard Webhooks signature is right under a secret: `whsec_…`, or a text whose bytes are the key.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
            None => secret.as_bytes().to_vec(),
        };
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&key) else { return false };
        mac.update(format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp")).as_bytes());
        mac.update(&self.body);
        let right = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|given| given == right)
    }
}

#[derive(Default)]
struct Seen {
    deliveries: Mutex<Vec<Delivered>>,
    answers: Mutex<Vec<u16>>,
}

/// A receiver on loopback. Answers 204 unless told otherwise.
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Seen>,
    serving: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(any(take)).with_state(Arc::clone(&seen));
        let serving = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Self { address, seen, serving }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The statuses of the next answers, in order; afterwards 204 again.
    pub fn answer_next(&self, statuses: &[u16]) {
        let mut answers = self.seen.answers.lock().expect("no panic while held");
        *answers = statuses.iter().rev().copied().collect();
    }

    /// What came so far.
    pub fn all(&self) -> Vec<Delivered> {
        self.seen.deliveries.lock().expect("no panic while held").clone()
    }

    /// How many came since the last [`Self::drain`].
    pub fn count(&self) -> usize {
        self.seen.deliveries.lock().expect("no panic while held").len()
    }

    /// What came since the last call; it is forgotten here.
    pub fn drain(&self) -> Vec<Delivered> {
        std::mem::take(&mut *self.seen.deliveries.lock().expect("no panic while held"))
    }

    /// Waits until at least `count` came, and gives all.
    pub async fn at_least(&self, count: usize) -> Vec<Delivered> {
        wait_until(&format!("{count} deliveries"), || async {
            let all = self.all();
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answered = seen.answers.lock().expect("no panic while held").pop().unwrap_or(204);
    let headers = headers
        .iter()
        .map(|(k, v)| (k.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
        .collect();
    let delivered = Delivered { headers, body: body.to_vec(), answered, at_ms: now_ms() };
    seen.deliveries.lock().expect("no panic while held").push(delivered);
    StatusCode::from_u16(answered).unwrap_or(StatusCode::NO_CONTENT)
}

#[expect(clippy::disallowed_methods, reason = "the harness compares clocks of several processes on one machine")]
fn now_ms() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}
