//! A dialect as a component: requests in, requests of the REST core out, answers back.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portico_core::access::Caller;
use portico_core::event::EventKind;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{
    Formatted, Handled, Identified, Placement, PluginResponse, Refusal, Rest, RestRequest, SigningScheme, Subscription,
};
use serde_json::{Value, json};

use crate::support::{answered, event, request, runtime, tenant};

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

    async fn identify(&self, _: &str, _: Option<IpAddr>) -> Identified {
        Identified::Unknown
    }
}

#[tokio::test]
async fn the_core_decides_and_the_dialect_words_it() {
    let runtime = runtime("plugins/dialect-instances").await;
    let core = Arc::new(Closed::default());
    runtime.set_rest(Arc::clone(&core) as Arc<dyn Rest>);
    let info = &runtime.list()[0];
    assert_eq!((info.mount.as_ref().expect("a mount").name.as_str(), info.routes.len()), ("instances", 98));
    let route = |path: &str| info.routes.iter().position(|route| route.path == path).expect("a route");

    let path = "/api/auth/generate-key";
    let asked = request(route(path), path, Some(&json!({ "name": "mine" })));
    let (answer, body) = answered(runtime.handle(PLUGIN, asked).await.expect("an answer"));
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((answer.status, &body["success"], &body["details"]), (401, &json!(false), &json!("send a key")));
    assert_eq!(*core.0.lock().expect("no panic"), ["POST /v1/keys"]);

    assert_eq!(info.routes[route("/api/instance")].auth, [["x-api-key"]], "the host asks for a key before it calls");
    let refusal = Refusal {
        status: 401,
        code: "unauthenticated".into(),
        detail: "a key is needed in the header `x-api-key`".into(),
        method: "GET".into(),
        path: "/api/instance".into(),
        route: Some(route("/api/instance")),
        missing: vec!["x-api-key".into()],
        retry_after: None,
    };
    let refused = runtime.refuse(PLUGIN, refusal).await.expect("words");
    let (refused, body) = answered(Handled::Answer(refused));
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((refused.status, &body["error"]), (401, &json!("Missing or invalid API key")));
}

#[tokio::test]
async fn its_webhooks_have_its_own_shape() {
    let runtime = runtime("plugins/dialect-instances").await;
    let state = event(EventKind::DeviceState, json!({ "state": "connected" }));
    let test = event(EventKind::WebhookTest, json!({}));
    let formatted =
        runtime.format(PLUGIN, None, &Subscription::plain(&tenant()), &[state, test]).await.expect("formatted").answers;
    let [Formatted::Send(parts), Formatted::Skip(_)] = formatted.as_slice() else { panic!("one body, one skipped") };
    let body: Value = serde_json::from_slice(&parts.body).expect("JSON");
    assert_eq!((&body["event"], &body["timestamp"]), (&json!("connection.open"), &json!("2026-01-01T00:00:00.000Z")));
    let [signing] = parts.signing.as_slice() else { panic!("one signature") };
    let header = Placement::Header("x-webhook-signature".into());
    assert_eq!((signing.scheme, &signing.placement), (SigningScheme::HmacSha256Hex, &header));
}
