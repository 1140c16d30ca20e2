//! Section "Templates". An account's own ones lie in the settings of its device.

use portico_sdk::api::Device;
use portico_sdk::dialect::{Call, Fault, Route, delete, get, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{ACCOUNT, Accounts, account, bad, created, ok, token};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    get("/api/templates").auth(ACCOUNT).run(list),
    post("/api/templates").auth(ACCOUNT).run(create),
    delete("/api/templates/{name}").auth(ACCOUNT).run(remove),
];

/// The templates that every account has.
const BUILT_IN: [(&str, &str); 2] = [
    ("welcome", "Hello {{name}}! Welcome to our service. Thank you for joining!"),
    ("appointment", "Hi {{name}}, this is a reminder about your appointment on {{date}} at {{time}}."),
];

/// The templates of the account: those built in, and its own, which come first where the names are the same.
fn all(call: &Call<Accounts>) -> Result<Map<String, Value>, Fault> {
    let device: Device = call.gateway.get(&device_path(call)?)?.json()?;
    let mut templates: Map<String, Value> =
        BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    templates.extend(account::own_templates(&device));
    Ok(templates)
}

fn device_path(call: &Call<Accounts>) -> Result<String, Fault> {
    Ok(format!("/v1/devices/{}", token::presented(call)?))
}

/// The text of a template with its variables.
pub(crate) fn filled(call: &Call<Accounts>, name: &str, data: &Map<String, Value>) -> Result<String, Fault> {
    let templates = all(call)?;
    let text = templates.get(name).and_then(Value::as_str).ok_or_else(bad::no_such_resource)?;
    Ok(fill(text, data))
}

/// Puts values in the place of `{{name}}`; a variable without a value stays as it is written.
fn fill(text: &str, data: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match data.get(name.trim()) {
            Some(Value::String(value)) => out.push_str(value),
            Some(value) => out.push_str(&value.to_string()),
            None => {
                out.push_str("{{");
                out.push_str(name);
                out.push_str("}}");
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn list(call: &Call<Accounts>) -> Result<Response, Fault> {
    let templates = all(call)?;
    let shown: Vec<Value> =
        templates.into_iter().map(|(name, content)| json!({ "name": name, "content": content })).collect();
    Ok(ok(None, json!({ "templates": shown })))
}

#[derive(Deserialize)]
struct NewTemplate {
    name: String,
    template: String,
}

fn create(call: &Call<Accounts>) -> Result<Response, Fault> {
    let NewTemplate { name, template } = call.json()?;
    if name.is_empty() {
        return Err(Fault::invalid("name", "must not be empty"));
    }
    keep(call, &name, json!(template))?;
    let shown = json!({ "name": name, "content": template });
    Ok(created("Template created successfully", json!({ "template": shown })))
}

fn remove(call: &Call<Accounts>) -> Result<Response, Fault> {
    let name = call.raw("name");
    let device: Device = call.gateway.get(&device_path(call)?)?.json()?;
    if !account::own_templates(&device).contains_key(name) {
        return Err(bad::no_such_resource());
    }
    keep(call, name, Value::Null)?;
    Ok(ok(Some("Template deleted successfully"), Value::Null))
}

/// Sets one template of the account, or removes it with `null`.
fn keep(call: &Call<Accounts>, name: &str, text: Value) -> Result<(), Fault> {
    let patch = json!({ "settings": account::template_patch(name, text) });
    call.gateway.patch(&device_path(call)?, &patch)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_once() {
        let data = json!({ "name": "{{date}}", "date": 5 });
        let data = data.as_object().expect("an object");
        assert_eq!(fill("Hi {{ name }} on {{date}}, {{x}} {{", data), "Hi {{date}} on 5, {{x}} {{");
    }
}
