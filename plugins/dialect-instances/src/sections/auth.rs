//! Section "Authentication": API keys.

use portico_sdk::api::{MadeKey, Scope, Timestamp};
use portico_sdk::dialect::{Call, Fault, Route, post};
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{COMMON, Instances, data};

pub(crate) const ROUTES: &[Route<Instances>] =
    &[post("/api/auth/generate-key").public().limits(COMMON).run(generate_key)];

#[derive(Deserialize)]
struct GenerateKey {
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiKey {
    name: String,
    api_key: Option<String>,
    permissions: Vec<&'static str>,
    created_at: Timestamp,
}

/// Public by the document: the core decides whether a stranger may sign up.
fn generate_key(call: &Call<Instances>) -> Result<Response, Fault> {
    let GenerateKey { name } = call.json()?;
    // Keys of this API are UUIDs.
    let made: MadeKey = call.gateway.post("/v1/keys", &json!({ "name": name, "format": "uuid" }))?.json()?;
    let permissions = permissions(&made.key.scopes);
    Ok(data(ApiKey { permissions, name: made.key.name, api_key: made.secret, created_at: made.key.created_at }, None))
}

/// This API knows two permissions.
fn permissions(scopes: &[Scope]) -> Vec<&'static str> {
    let has = |any: &[Scope]| scopes.iter().any(|scope| any.contains(scope));
    let read = has(&[Scope::DevicesRead, Scope::MessagesRead, Scope::WebhooksRead]).then_some("read");
    let write = has(&[Scope::DevicesWrite, Scope::MessagesWrite, Scope::WebhooksWrite]).then_some("write");
    read.into_iter().chain(write).collect()
}
