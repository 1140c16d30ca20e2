//! The OpenAPI document, made from the routes themselves.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::v1;

/// Groups, in the order in which they are shown.
const GROUPS: [(&str, &str); 14] = [
    ("devices", "Linked companion devices, from creation over pairing to logout."),
    ("sessions", "Connecting devices: QR code, pairing code, connect, disconnect, log out."),
    ("messages", "Sending messages and finding them again."),
    ("contacts", "People: who is on WhatsApp, what they show, who is blocked."),
    ("groups", "Groups: who is in them, what they show, and the ways in."),
    ("media", "Files: uploading, downloading, deleting."),
    ("events", "What happens, live and resumable."),
    ("webhooks", "Who gets which events posted."),
    ("deliveries", "One event on its way to one webhook: attempts, dead letters, replays."),
    ("keys", "Who may do what."),
    ("users", "Signing up, logging in, and who can."),
    ("members", "The users of a tenant: their roles, the devices that are assigned to them, and who did what."),
    ("tenants", "Customers of the server, for its operator."),
    ("plugins", "What extends the gateway."),
];

const INTRODUCTION: &str = "The one complete API of the gateway. Send a key as `Authorization: Bearer …` or `X-API-Key`. \
Errors are `application/problem+json` with a stable `code`; lists are paged with `limit` and `cursor`, or with `limit` \
and `offset`, and count their rows with `total=true`; a number (`no:7`) or a ref (`ref:shop:1001`) may stand where a path has \
the id of a device; times are ISO 8601 in \
UTC. A POST that makes something takes an `Idempotency-Key`.";

/// The name under which routes declare in `security` which scope a key needs for them.
pub(crate) const KEY: &str = "key";

/// The document as JSON, for tools that work without a running gateway.
pub fn openapi_json() -> String {
    json()
}

pub(crate) fn json() -> String {
    // The document holds plain data only; it can always be written.
    document().to_json().unwrap_or_default()
}

/// The routes as they declare themselves: paths, parameters, bodies, and in `security` the scope each needs.
pub(crate) fn routes() -> OpenApi {
    v1::keyed().merge(v1::streamed()).merge(v1::optional()).merge(v1::open()).split_for_parts().1
}

fn document() -> OpenApi {
    let mut document = routes();
    document.info =
        InfoBuilder::new().title("Portico").version(env!("CARGO_PKG_VERSION")).description(Some(INTRODUCTION)).build();
    let group = |(name, text): (&str, &str)| TagBuilder::new().name(name).description(Some(text)).build();
    let server = ("server", "Health, figures and this document.");
    document.tags = Some(GROUPS.into_iter().chain([server]).map(group).collect());
    document.security = Some(["bearer", "api_key"].map(|name| SecurityRequirement::new(name, [""; 0])).to_vec());
    let components = document.components.get_or_insert_default();
    let bearer = Http::new(HttpAuthScheme::Bearer);
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
    let problem = portico_api::Problem::name().into_owned();
    components.schemas.insert(problem.clone(), portico_api::Problem::schema());
    let mut below = Vec::new();
    portico_api::Problem::schemas(&mut below);
    components.schemas.extend(below);
    for item in document.paths.paths.values_mut() {
        let all = [&mut item.get, &mut item.post, &mut item.patch, &mut item.put, &mut item.delete];
        for operation in all.into_iter().flatten() {
            name(operation);
            secure(operation);
            refusable(operation, &problem);
        }
    }
    document
}

/// Handlers are named within their group; ids must be unique in the document.
fn name(operation: &mut Operation) {
    let group = operation.tags.as_ref().and_then(|tags| tags.first());
    if let (Some(group), Some(id)) = (group, operation.operation_id.as_mut()) {
        *id = format!("{group}_{id}");
    }
}

/// A route declares its scope under the name [`KEY`]; clients may send the key in either of two headers.
fn secure(operation: &mut Operation) {
    let Some(declared) = operation.security.take() else { return };
    let either = |requirement: SecurityRequirement| match scopes(&requirement) {
        Some(scopes) => ["bearer", "api_key"].map(|name| SecurityRequirement::new(name, scopes.clone())).to_vec(),
        None => vec![requirement],
    };
    operation.security = Some(declared.into_iter().flat_map(either).collect());
}

/// The scopes of a requirement that a route declared; `None` for the one that asks for nothing.
pub(crate) fn scopes(requirement: &SecurityRequirement) -> Option<Vec<String>> {
    // The requirement shows its content only as JSON.
    let json = serde_json::to_value(requirement).ok()?;
    let names = json.get(KEY)?.as_array()?.iter();
    Some(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Every operation may end in a problem.
fn refusable(operation: &mut Operation, schema: &str) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let problem = ResponseBuilder::new()
        .description("A problem; `code` says which, see /docs/problems")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
}

#[cfg(test)]
mod tests;
