use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn parsed() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let each = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().clone().into_iter();
        let path = path.clone();
        methods.map(move |(method, operation)| (method, path.clone(), operation)).collect::<Vec<_>>()
    };
    paths.flat_map(each).collect()
}

#[test]
fn the_document_is_openapi_3_1() {
    assert_eq!(parsed()["openapi"], "3.1.0");
}

#[test]
fn every_operation_is_described_grouped_and_may_fail() {
    let document = parsed();
    let groups: Vec<_> = document["tags"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(groups.contains(&operation["tags"][0]), "{method} {path}: {}", operation["tags"]);
        assert!(operation["responses"]["default"].is_object(), "{method} {path}");
        for segment in path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}')) {
            let params = operation["parameters"].as_array().cloned().unwrap_or_default();
            assert!(params.iter().any(|p| p["name"] == segment && p["in"] == "path"), "{method} {path}: {segment}");
        }
        ids.insert(operation["operationId"].clone().to_string());
    }
    assert_eq!(ids.len(), operations(&document).len(), "operation ids are unique");
}

/// Where the published document is kept.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_published_document_is_up_to_date() {
    let document = format!("{:#}\n", parsed());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(PUBLISHED, &document).unwrap();
    }
    let published = std::fs::read_to_string(PUBLISHED).unwrap_or_default();
    assert!(
        published == document,
        "host/http/openapi.json is not what the routes say; `UPDATE_OPENAPI=1 cargo test -p portico-http openapi` writes it anew"
    );
}

#[test]
fn every_route_that_needs_a_key_declares_one_known_scope() {
    for (path, item) in &super::routes().paths.paths {
        for (at, operation) in [&item.get, &item.post, &item.patch, &item.put, &item.delete].into_iter().enumerate() {
            let Some(operation) = operation else { continue };
            let declared = operation.security.as_deref().unwrap_or_default();
            let scopes: Vec<_> = declared.iter().filter_map(scopes).flatten().collect();
            assert!(!declared.is_empty(), "{path} says nothing of keys");
            assert!(
                scopes.iter().all(|name| portico_core::access::Scope::from_name(name).is_some()),
                "{path}: {scopes:?}"
            );
            let any_key = (path == "/v1/plugins" && at == 0) || path == "/v1/users/me";
            let none = declared.iter().all(|requirement| super::scopes(requirement).is_none());
            assert_eq!(scopes.len(), usize::from(!any_key && !none), "{path}: {scopes:?}");
        }
    }
}

/// A schema of the document, with its references, for validation.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
    whole["components"] = document["components"].clone();
    whole["allOf"] = json!([schema]);
    jsonschema::validator_for(&whole).unwrap()
}

/// For every operation with a body: requests that the gateway takes, and one that it refuses.
fn bodies() -> Vec<(&'static str, &'static str, Vec<Value>, Value)> {
    let text = json!({ "type": "text", "text": "Hello" });
    vec![
        (
            "/v1/keys",
            "post",
            vec![
                json!({ "name": "orders" }),
                json!({ "name": "o", "scopes": ["devices:read"], "format": "uuid", "expires_in_days": 5 }),
                json!({ "name": "o", "device": "no:1", "prefix": "dev_", "revealable": true }),
            ],
            json!({ "name": "o", "scopes": ["everything"] }),
        ),
        (
            "/v1/sign-up",
            "post",
            vec![
                json!({ "name": "Ada", "email": "ada@example.com", "password": "correct horse", "organization": "Acme", "key_prefix": "api_" }),
            ],
            json!({ "name": "Ada" }),
        ),
        (
            "/v1/login",
            "post",
            vec![json!({ "mobile": "15550100002", "password": "correct horse" })],
            json!({ "user": "Ada", "password": "correct horse" }),
        ),
        ("/v1/users/me", "patch", vec![json!({}), json!({ "name": "Ada" })], json!({ "role": "owner" })),
        (
            "/v1/members",
            "post",
            vec![
                json!({ "name": "Bob", "email": "bob@example.com", "password": "correct horse", "role": "agent", "devices": ["no:1"] }),
                json!({ "name": "Eve", "mobile": "15550100003", "password": "correct horse", "role": "manager" }),
            ],
            json!({ "name": "Bob", "email": "bob@example.com", "password": "correct horse", "role": "king" }),
        ),
        (
            "/v1/members/{id}",
            "patch",
            vec![json!({}), json!({ "role": "viewer", "devices": ["dev_x"] })],
            json!({ "devices": "dev_x" }),
        ),
        (
            "/v1/tenants",
            "post",
            vec![json!({ "name": "acme" }), json!({ "name": "acme", "key": { "name": "first", "revealable": true } })],
            json!({}),
        ),
        (
            "/v1/devices",
            "post",
            vec![
                json!({ "name": "sales" }),
                json!({ "name": "sales", "refs": { "shop": "1001" }, "settings": { "ai": { "on": true } },
                    "webhook": { "url": "https://example.com/hook", "events": ["*"], "secret": "plain text" } }),
            ],
            json!({ "nmae": "sales" }),
        ),
        (
            "/v1/devices/{id}",
            "patch",
            vec![
                json!({}),
                json!({ "name": "sales", "refs": { "shop": null, "crm": "7" }, "settings": { "ai": null } }),
            ],
            json!({ "name": 5 }),
        ),
        ("/v1/devices/{id}/pairing-code", "post", vec![json!({ "phone": "15550100002" })], json!({ "phone": 5 })),
        (
            "/v1/devices/{id}/messages",
            "post",
            vec![
                json!({ "to": "15550100002", "content": text }),
                json!({ "to": "15550100002", "content": { "type": "image", "media": { "upload": "med_x" }, "caption": "Pier" } }),
                json!({ "to": "15550100002", "content": { "type": "document", "media": { "url": "https://example.com/a.pdf", "file_name": "a.pdf" } } }),
            ],
            json!({ "to": "15550100002", "content": { "type": "text" } }),
        ),
        ("/v1/devices/{id}/messages/{message}", "patch", vec![json!({ "text": "Hello again" })], json!({})),
        (
            "/v1/devices/{id}/messages/{message}/forward",
            "post",
            vec![json!({ "to": "15550100003" })],
            json!({ "to": 15550100003_u64 }),
        ),
        (
            "/v1/devices/{id}/messages/{message}/pin",
            "post",
            vec![json!({ "seconds": 86_400 })],
            json!({ "seconds": "day" }),
        ),
        ("/v1/devices/{id}/messages/{message}/reaction", "post", vec![json!({ "emoji": "👍" })], json!({ "emoji": 5 })),
        (
            "/v1/media",
            "post",
            vec![
                json!({ "data": "aGk=", "media_type": "text/plain", "file_name": "hi.txt" }),
                json!({ "url": "https://example.com/pier.jpg" }),
            ],
            json!({ "url": 5 }),
        ),
        (
            "/v1/webhooks",
            "post",
            vec![
                json!({ "url": "https://example.com/hook", "events": ["message.*"] }),
                json!({ "url": "https://example.com/hook", "events": ["*"], "headers": { "x-a": "b" }, "device": "dev_x",
                    "secret": "whsec_x", "format_data": { "version": 2 } }),
            ],
            json!({ "url": "https://example.com/hook", "events": vec!["*"; 101] }),
        ),
        (
            "/v1/webhooks/{id}",
            "patch",
            vec![json!({}), json!({ "state": "disabled", "events": ["*"] })],
            json!({ "state": "off" }),
        ),
        (
            "/v1/webhooks/{id}/replay",
            "post",
            vec![json!({ "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z" })],
            json!({ "from": "2026-01-31T12:00:00Z" }),
        ),
        (
            "/v1/plugins/{id}/offer",
            "patch",
            vec![json!({}), json!({ "grants_max": null, "tenants": ["ten_x"], "default_state": "off", "revision": 3 })],
            json!({ "grants_max": ["everything"] }),
        ),
        ("/v1/plugins/{id}/enablement", "put", whole_enablements(), json!({ "settings": {} })),
        ("/v1/plugins/{id}/enablement", "patch", parts_of_enablements(), json!({ "state": "maybe" })),
        ("/v1/devices/{id}/plugins/{plugin}", "put", whole_enablements(), json!({ "settings": {} })),
        ("/v1/devices/{id}/plugins/{plugin}", "patch", parts_of_enablements(), json!({ "state": "maybe" })),
        (
            "/v1/devices/{id}/contacts/check",
            "post",
            vec![json!({ "contacts": ["15550100002"] })],
            json!({ "contacts": "15550100002" }),
        ),
        (
            "/v1/devices/{id}/groups",
            "post",
            vec![
                json!({ "subject": "Tours", "participants": [] }),
                json!({ "subject": "Tours", "participants": ["15550100002"], "description": "d", "ephemeral_s": 0 }),
            ],
            json!({ "name": "Tours", "participants": [] }),
        ),
        (
            "/v1/devices/{id}/groups/{group}",
            "patch",
            vec![json!({ "subject": "Tours", "announce": true, "member_add": "admins" })],
            json!({ "member_add": "nobody" }),
        ),
        (
            "/v1/devices/{id}/groups/{group}/picture",
            "put",
            vec![json!({ "url": "https://example.com/a.png" })],
            json!({ "uri": "https://example.com/a.png" }),
        ),
        ("/v1/devices/{id}/groups/{group}/participants/add", "post", people(), nobody()),
        ("/v1/devices/{id}/groups/{group}/participants/remove", "post", people(), nobody()),
        ("/v1/devices/{id}/groups/{group}/participants/promote", "post", people(), nobody()),
        ("/v1/devices/{id}/groups/{group}/participants/demote", "post", people(), nobody()),
        ("/v1/devices/{id}/groups/{group}/requests/approve", "post", people(), nobody()),
        ("/v1/devices/{id}/groups/{group}/requests/reject", "post", people(), nobody()),
        (
            "/v1/devices/{id}/group-invites",
            "post",
            vec![json!({ "code": "AbCdEfGhIjKlMnOpQrStUv" })],
            json!({ "invite": "AbCdEfGhIjKlMnOpQrStUv" }),
        ),
    ]
}

fn people() -> Vec<Value> {
    vec![json!({ "participants": ["15550100002", "100000000000002@lid"] })]
}

fn nobody() -> Value {
    json!({ "participants": 5 })
}

fn whole_enablements() -> Vec<Value> {
    vec![
        json!({ "state": "off" }),
        json!({ "state": "on", "settings": { "a": 1 }, "grants": ["kv"], "position": 2, "on_failure": "wait" }),
    ]
}

fn parts_of_enablements() -> Vec<Value> {
    vec![json!({}), json!({ "settings": { "a": null }, "grants": null, "on_failure": null, "revision": 0 })]
}

/// What the gateway makes of a body: whether it can be read as the type of its route.
fn is_read(path: &str, method: &str, body: &Value) -> bool {
    fn reads<T: serde::de::DeserializeOwned>(body: &Value) -> bool {
        T::deserialize(body).is_ok()
    }
    match (path, method) {
        ("/v1/keys", _) => reads::<portico_api::NewKey>(body),
        ("/v1/sign-up", _) => reads::<portico_api::SignUp>(body),
        ("/v1/login", _) => reads::<portico_api::Login>(body),
        ("/v1/users/me", _) => reads::<portico_api::UserPatch>(body),
        ("/v1/members", _) => reads::<portico_api::NewMember>(body),
        ("/v1/members/{id}", _) => reads::<portico_api::MemberPatch>(body),
        ("/v1/tenants", _) => reads::<portico_api::NewTenant>(body),
        ("/v1/devices", _) => reads::<portico_api::NewDevice>(body),
        ("/v1/devices/{id}", _) => reads::<portico_api::DevicePatch>(body),
        ("/v1/devices/{id}/pairing-code", _) => reads::<portico_api::PairingPhone>(body),
        ("/v1/devices/{id}/messages", _) => reads::<portico_api::NewMessage>(body),
        ("/v1/devices/{id}/messages/{message}", _) => reads::<portico_api::MessagePatch>(body),
        ("/v1/devices/{id}/messages/{message}/forward", _) => reads::<portico_api::NewForward>(body),
        ("/v1/devices/{id}/messages/{message}/pin", _) => reads::<portico_api::NewPin>(body),
        ("/v1/devices/{id}/messages/{message}/reaction", _) => reads::<portico_api::NewReaction>(body),
        ("/v1/devices/{id}/contacts/check", _) => reads::<portico_api::CheckContacts>(body),
        ("/v1/devices/{id}/groups", _) => reads::<portico_api::NewGroup>(body),
        ("/v1/devices/{id}/groups/{group}", _) => reads::<portico_api::GroupPatch>(body),
        ("/v1/devices/{id}/groups/{group}/picture", _) => reads::<portico_api::MediaRef>(body),
        ("/v1/devices/{id}/group-invites", _) => reads::<portico_api::InviteCode>(body),
        (people, _) if people.starts_with("/v1/devices/{id}/groups/{group}/") => {
            reads::<portico_api::GroupMembers>(body)
        }
        ("/v1/media", _) => reads::<portico_api::NewMedia>(body),
        ("/v1/webhooks", _) => reads::<portico_api::NewWebhook>(body),
        ("/v1/webhooks/{id}", _) => reads::<portico_api::WebhookPatch>(body),
        ("/v1/webhooks/{id}/replay", _) => reads::<portico_api::ReplaySpan>(body),
        ("/v1/plugins/{id}/offer", _) => reads::<portico_api::PluginOfferPatch>(body),
        ("/v1/plugins/{id}/enablement" | "/v1/devices/{id}/plugins/{plugin}", "put") => {
            reads::<portico_api::NewPluginEnablement>(body)
        }
        ("/v1/plugins/{id}/enablement" | "/v1/devices/{id}/plugins/{plugin}", _) => {
            reads::<portico_api::PluginEnablementPatch>(body)
        }
        _ => panic!("{method} {path} has no type here"),
    }
}

#[test]
fn the_document_takes_the_bodies_that_the_gateway_takes() {
    let document = parsed();
    let bodies = bodies();
    for (method, path, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some((_, _, good, bad)) = bodies.iter().find(|(p, m, ..)| *p == path && *m == method) else {
            assert!(schema.is_null(), "{method} {path} has a body and no example here");
            continue;
        };
        let validator = validator(&document, schema);
        for body in good {
            let error = validator.validate(body).err().map(|e| e.to_string());
            assert_eq!(error, None, "{method} {path} {body}");
            assert!(is_read(&path, &method, body), "{method} {path} {body}");
        }
        assert!(!validator.is_valid(bad), "{method} {path} {bad}");
        assert!(!is_read(&path, &method, bad), "{method} {path} {bad}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = parsed();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
