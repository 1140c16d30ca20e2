//! Section "AI settings". They are kept with the device. No AI runs here yet, so that they can't be switched on.

use portico_sdk::api::Device;
use portico_sdk::dialect::{Call, Fault, Route, get, put};
use portico_sdk::http::Response;
use serde_json::{Map, Value, json};

use super::devices::found;
use super::devices::view::{SETTINGS, own};
use crate::{COMMON, Classic, bad, data, told};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/devices/{deviceId}/settings/ai").limits(COMMON).run(show),
    put("/api/whatsapp/devices/{deviceId}/settings/ai").limits(COMMON).run(update),
];

/// Members of the settings with what they are before anybody sets them.
fn defaults() -> Value {
    json!({
        "enabled": false,
        "autoReply": false,
        "botName": "",
        "language": "",
        "maxTokens": 500,
        "temperature": 0.7,
        "model": "",
        "systemPrompt": "",
        "triggerKeywords": [],
        "excludeGroups": true,
        "workingHours": { "enabled": false, "timezone": "UTC", "start": "09:00", "end": "17:00", "days": [] },
        "autoResponses": [],
    })
}

/// The settings of a device.
pub(super) fn view(device: &Device) -> Value {
    let mut shown = defaults();
    for (name, value) in own(device, "ai").as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    shown
}

/// Settings as they may be kept: of known names and the documented types, and not switched on. `field` is where they came.
pub(super) fn checked(field: &str, settings: &Value) -> Result<Value, Fault> {
    let settings = settings.as_object().ok_or_else(|| Fault::invalid(field, "must be an object"))?;
    let known = defaults();
    for (name, value) in settings {
        let example = known.get(name).ok_or_else(|| Fault::invalid(name, "is no setting of the AI"))?;
        if std::mem::discriminant(example) != std::mem::discriminant(value) {
            return Err(Fault::invalid(name, "is of another type"));
        }
    }
    if settings.get("enabled") == Some(&json!(true)) {
        return Err(bad::unsupported("enabled", "no AI runs on this gateway; send `enabled: false` to keep settings"));
    }
    Ok(Value::Object(settings.clone()))
}

fn show(call: &Call<Classic>) -> Result<Response, Fault> {
    let device = found(call, &call.param("deviceId")?)?;
    Ok(data(json!({ "aiSettings": view(&device) })))
}

/// What is left out stays as it is.
fn update(call: &Call<Classic>) -> Result<Response, Fault> {
    let settings: Map<String, Value> = call.json()?;
    let settings = checked("settings", &Value::Object(settings))?;
    let change = json!({ "settings": { SETTINGS: { "ai": settings } } });
    let device: Device = call.gateway.patch(&format!("/v1/devices/{}", call.param("deviceId")?), &change)?.json()?;
    Ok(told(json!({ "aiSettings": view(&device) }), Some("AI settings updated successfully")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_settings_of_their_types_are_kept_and_none_that_would_need_an_ai() {
        let good = json!({ "enabled": false, "botName": "Ada", "workingHours": { "enabled": true } });
        assert_eq!(checked("aiSettings", &good), Ok(good));
        for bad in [json!([]), json!({ "name": "Ada" }), json!({ "botName": 5 }), json!({ "enabled": true })] {
            assert!(checked("aiSettings", &bad).is_err(), "{bad}");
        }
    }
}
