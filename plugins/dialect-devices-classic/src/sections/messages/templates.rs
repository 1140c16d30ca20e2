//! Templates: texts with `{{variables}}`. Two come with this API; a device has further ones in its settings.

use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{answer, of_session, send, text};
use crate::sections::devices::found;
use crate::sections::devices::view::own;
use crate::{Classic, bad};

/// The templates that every device has.
const BUILT_IN: [(&str, &str); 2] = [
    ("welcome_message", "Welcome, {{customer_name}}! Your order {{order_id}} over {{amount}} has reached us."),
    ("greeting_template", "Hello {{name}}, how can we help you?"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendTemplate {
    session_id: String,
    recipient: String,
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    name: String,
    #[serde(default)]
    variables: Map<String, Value>,
}

pub(super) fn send_template(call: &Call<Classic>) -> Result<Response, Fault> {
    let SendTemplate { session_id, recipient, template } = call.json()?;
    let device = of_session(&session_id)?;
    let filled = filled(&named(call, &device, &template.name)?, &template.variables);
    Ok(answer(&send(call, &device, &recipient, &text(&filled))?))
}

/// The text of a template: the device's own comes before one that is built in.
pub(super) fn named(call: &Call<Classic>, device: &str, name: &str) -> Result<String, Fault> {
    let device = found(call, device)?;
    let built_in = || BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let text = own(&device, "templates").get(name).and_then(Value::as_str).or_else(built_in);
    text.map(str::to_owned).ok_or_else(bad::no_such_template)
}

/// Puts values in the place of `{{name}}`; a variable without a value stays as it is written.
pub(super) fn filled(text: &str, variables: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match variables.get(name.trim()) {
            Some(Value::String(value)) => out.push_str(value),
            Some(value) => out.push_str(&value.to_string()),
            None => out.push_str(&format!("{{{{{name}}}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_filled_once() {
        let variables = json!({ "name": "{{date}}", "date": 5 });
        let variables = variables.as_object().expect("an object");
        assert_eq!(filled("Hi {{ name }} on {{date}}, {{x}} {{", variables), "Hi {{date}} on 5, {{x}} {{");
    }
}
