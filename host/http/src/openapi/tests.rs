use std::collections::BTreeSet;

use serde_json::Value;

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
fn the_document_is_openapi_3_1_and_lists_every_operation() {
    let document = parsed();
    assert_eq!(document["openapi"], "3.1.0");
    let listed: BTreeSet<_> =
        operations(&document).into_iter().map(|(m, p, _)| format!("{} {p}", m.to_uppercase())).collect();
    let expected: BTreeSet<_> = EXPECTED.trim().lines().map(|l| l.trim().to_owned()).collect();
    assert_eq!(listed, expected);
}

const EXPECTED: &str = "
    POST /v1/keys
    GET /v1/keys
    DELETE /v1/keys/{id}
    POST /v1/devices
    GET /v1/devices
    GET /v1/devices/{id}
    PATCH /v1/devices/{id}
    DELETE /v1/devices/{id}
    GET /v1/devices/{id}/resources
    POST /v1/devices/{id}/connect
    POST /v1/devices/{id}/disconnect
    POST /v1/devices/{id}/restart
    POST /v1/devices/{id}/logout
    GET /v1/devices/{id}/qr
    POST /v1/devices/{id}/pairing-code
    POST /v1/devices/{id}/messages
    GET /v1/devices/{id}/messages
    GET /v1/devices/{id}/messages/{message}
    POST /v1/webhooks
    GET /v1/webhooks
    GET /v1/webhooks/{id}
    PATCH /v1/webhooks/{id}
    DELETE /v1/webhooks/{id}
    POST /v1/webhooks/{id}/test
    GET /v1/webhooks/{id}/deliveries
    POST /v1/webhooks/{id}/replay
    GET /v1/deliveries/{id}
    POST /v1/deliveries/{id}/replay
    GET /v1/events
    GET /v1/plugins
    GET /v1/version
    GET /v1/openapi.json
    GET /health
    GET /metrics";

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

#[test]
fn every_reference_leads_somewhere() {
    let document = parsed();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
