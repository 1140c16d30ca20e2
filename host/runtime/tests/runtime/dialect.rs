//! A dialect as a component: requests in, requests of the REST core out, answers back.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portico_core::access::Caller;
use portico_core::event::EventKind;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{Formatted, PluginResponse, Rest, RestRequest, SigningScheme};
use serde_json::{Value, json};

use crate::support::{event, request, runtime, tenant};

const PLUGIN: &str = "dialect-instances";

/// A REST core in which nobody is signed in.
#[derive(Default)]
struct Closed(Mutex<Vec<String>>);

#[async_trait]
impl Rest for Closed {
    async fn call(&self, caller: Option<Caller>, request: RestRequest) -> PluginResponse {
        assert!(caller.is_none());
        self.0.lock().expect("no panic").push(format!("{} {}", request.method, request.path));
        let problem = json!({ "status": 401, "code": "unauthenticated", "detail": "send a key" });
        let headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
        PluginResponse { status: 401, headers, body: problem.to_string().into_bytes() }
    }
}

#[tokio::test]
async fn the_core_decides_and_the_dialect_words_it() {
    let runtime = runtime("plugins/dialect-instances").await;
    let core = Arc::new(Closed::default());
    runtime.set_rest(Arc::clone(&core) as Arc<dyn Rest>);
    let mount = runtime.list()[0].mount.clone().expect("a mount");
    assert_eq!((mount.name.as_str(), mount.key_header.as_str()), ("instances", "x-api-key"));

    let asked = request("POST", "/api/auth/generate-key", Some(&json!({ "name": "mine" })));
    let answer = runtime.handle(PLUGIN, None, asked).await.expect("an answer");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status, &body["success"], &body["details"]), (401, &json!(false), &json!("send a key")));
    assert_eq!(*core.0.lock().expect("no panic"), ["POST /v1/keys"]);

    let answer = runtime.handle(PLUGIN, None, request("GET", "/api/instance", None)).await.expect("an answer");
    assert_eq!(answer.status, 401);
    assert_eq!(core.0.lock().expect("no panic").len(), 1, "a request without a key does not reach the core");
}

#[tokio::test]
async fn its_webhooks_have_its_own_shape() {
    let runtime = runtime("plugins/dialect-instances").await;
    let state = event(EventKind::DeviceState, json!({ "state": "connected" }));
    let test = event(EventKind::WebhookTest, json!({}));
    let formatted = runtime.format(PLUGIN, &tenant(), &[state, test]).await.expect("formatted");
    let [Formatted::Send(parts), Formatted::Skip(_)] = formatted.as_slice() else { panic!("one body, one skipped") };
    let body: Value = serde_json::from_slice(&parts.body).expect("JSON");
    assert_eq!((&body["event"], &body["timestamp"]), (&json!("connection.open"), &json!("2026-01-01T00:00:00.000Z")));
    let signing = parts.signing.as_ref().expect("signed");
    assert_eq!((signing.scheme, signing.header.as_str()), (SigningScheme::HmacSha256Hex, "x-webhook-signature"));
}
