//! Section "Authentication": API keys.

use portico_sdk::gateway::Gateway;
use portico_sdk::http::{Request, Response};

use crate::reply::{Refusal, data};
use crate::wire::{core, ours};

/// `POST /api/auth/generate-key`. Public by the document: the core decides whether a caller without a key may sign up.
pub(crate) fn generate_key(request: &Request, gateway: &Gateway) -> Result<Response, Refusal> {
    let body: ours::GenerateKey = request.json()?;
    // Keys of this API are UUIDs.
    let key: core::Key = gateway.post("/v1/keys", &core::NewKey { name: &body.name, format: "uuid" })?.json()?;
    Ok(data(ours::ApiKey {
        permissions: permissions(&key.scopes),
        name: key.name,
        api_key: key.key,
        created_at: key.created_at,
    }))
}

/// This API knows two permissions; the core's scopes end in one of them, or are the operator's.
fn permissions(scopes: &[String]) -> Vec<&'static str> {
    ["read", "write"]
        .into_iter()
        .filter(|permission| scopes.iter().any(|scope| scope.rsplit(':').next() == Some(*permission)))
        .collect()
}
