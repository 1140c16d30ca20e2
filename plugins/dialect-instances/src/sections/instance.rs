//! Section "Instance management".

use std::collections::BTreeMap;

use portico_sdk::api::{Device, DeviceState, MadeDevice, ProblemCode, QrCode, Timestamp, Webhook};
use portico_sdk::dialect::{Call, Fault, Route, delete, get, post};
use portico_sdk::gateway::{Answer, CoreError, Gateway};
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::id::instance_of;
use crate::{COMMON, Instances, PLUGIN_ID, data};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/instance/create").limits(COMMON).run(create),
    get("/api/instance/{instanceId}/status").limits(COMMON).calls("GET", "/v1/devices/{instanceId}").shows(status),
    get("/api/instance/{instanceId}/qr").limits(COMMON).run(qr),
    get("/api/instance").limits(COMMON).run(list),
    delete("/api/instance/{instanceId}").limits(COMMON).run(remove),
    post("/api/instance/{instanceId}/restart")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/restart")
        .shows(status)
        .says("Instance is restarting"),
    post("/api/instance/{instanceId}/logout")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/logout")
        .shows(status)
        .says("Instance logged out"),
];

/// How long a request for a QR code waits for WhatsApp to send one; it mostly takes a second after the session starts.
const QR_WAIT_SECONDS: u8 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewInstance {
    name: String,
    #[serde(default)]
    webhook_url: Option<String>,
}

/// An instance.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    id: String,
    name: String,
    webhook_url: Option<String>,
    /// The key of the webhook's signatures, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    created_at: Timestamp,
}

/// Where an instance stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    instance_id: String,
    status: &'static str,
    /// Once paired: clients look for their own number here.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
}

/// A QR code. `qr` is the text to scan, `qr_code` a picture of it as a data URL.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Qr {
    instance_id: String,
    qr: Option<String>,
    qr_code: Option<String>,
    status: &'static str,
    expires_at: Option<Timestamp>,
}

fn create(call: &Call<Instances>) -> Result<Response, Fault> {
    let NewInstance { name, webhook_url } = call.json()?;
    let url = webhook_url.filter(|url| !url.is_empty());
    let mut new = json!({ "name": name });
    if let Some(url) = &url {
        new["webhook"] = json!({ "url": url, "events": ["*"], "format": PLUGIN_ID });
    }
    let made: MadeDevice = call.gateway.post("/v1/devices", &new)?.json()?;
    let webhook_secret = made.webhook.and_then(|webhook| webhook.secret);
    let instance = Instance { webhook_secret, ..instance(made.device, url)? };
    Ok(data(instance, Some("Instance created successfully. Please scan the QR code.")))
}

fn list(call: &Call<Instances>) -> Result<Response, Fault> {
    let mut urls = webhook_urls(&call.gateway);
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let shown = devices.into_iter().map(|device| {
        let url = urls.remove(&device.id);
        instance(device, url)
    });
    Ok(data(shown.collect::<Result<Vec<_>, _>>()?, None))
}

/// The URLs this API's own subscriptions go to, by device. A key that may not see webhooks sees none here either.
fn webhook_urls(gateway: &Gateway) -> BTreeMap<String, String> {
    let all: Vec<Webhook> = gateway.all("/v1/webhooks").unwrap_or_default();
    all.into_iter().filter(|w| w.format == PLUGIN_ID).filter_map(|w| Some((w.device?, w.url))).collect()
}

fn status(device: Value) -> Result<Value, Fault> {
    let device: Device = serde_json::from_value(device).map_err(CoreError::from)?;
    let status = Status {
        instance_id: instance_id(&device)?,
        status: status_name(device.state),
        phone_number: phone_number(&device),
    };
    Ok(serde_json::to_value(status).map_err(CoreError::from)?)
}

/// Asking for the code starts the session: this API has no other call for it.
fn qr(call: &Call<Instances>) -> Result<Response, Fault> {
    let path = format!("/v1/devices/{}", call.param("instanceId")?);
    let mut device: Device = call.gateway.get(&path)?.json()?;
    if matches!(device.state, DeviceState::Created | DeviceState::Disconnected | DeviceState::LoggedOut) {
        device = call.gateway.post_empty(&format!("{path}/connect"))?.json()?;
    }
    if device.state == DeviceState::Connected {
        return Err(Fault::says(400, "Instance is already connected"));
    }
    let (instance_id, status) = (instance_id(&device)?, status_name(device.state));
    match call.gateway.get(&format!("{path}/qr?wait={QR_WAIT_SECONDS}")) {
        Ok(answer) => shown(&answer, instance_id, status),
        // Still none: `busy` while WhatsApp has not sent it, 409 when the device took another turn meanwhile.
        Err(CoreError::Problem(problem)) if problem.code == ProblemCode::Busy.as_str() || problem.status == 409 => {
            let none = Qr { instance_id, qr: None, qr_code: None, status, expires_at: None };
            Ok(data(none, Some("The QR code is being prepared. Please ask again in a second.")))
        }
        Err(other) => Err(other.into()),
    }
}

fn shown(answer: &Answer, instance_id: String, status: &'static str) -> Result<Response, Fault> {
    let QrCode { text, png, expires_at } = answer.json()?;
    let code = Qr { instance_id, qr: Some(text), qr_code: Some(png), status, expires_at: Some(expires_at) };
    Ok(data(code, None))
}

fn remove(call: &Call<Instances>) -> Result<Response, Fault> {
    call.gateway.delete(&format!("/v1/devices/{}", call.param("instanceId")?))?;
    Ok(data(json!({ "id": call.raw("instanceId") }), Some("Instance deleted")))
}

/// This API's three statuses for the core's states.
pub(crate) fn status_name(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Connected => "connected",
        DeviceState::Connecting | DeviceState::Pairing | DeviceState::PasskeyRequired | DeviceState::Reconnecting => {
            "connecting"
        }
        DeviceState::Created | DeviceState::Disconnected | DeviceState::LoggedOut => "disconnected",
    }
}

fn instance_id(device: &Device) -> Result<String, Fault> {
    instance_of(&device.id).ok_or_else(|| Fault::new(ProblemCode::Internal, "a device has an id of another kind"))
}

fn phone_number(device: &Device) -> Option<String> {
    device.jid.as_deref()?.split(['@', ':']).next().map(str::to_owned)
}

fn instance(device: Device, webhook_url: Option<String>) -> Result<Instance, Fault> {
    Ok(Instance {
        id: instance_id(&device)?,
        status: status_name(device.state),
        phone_number: phone_number(&device),
        name: device.name,
        webhook_url,
        webhook_secret: None,
        created_at: device.created_at,
    })
}
