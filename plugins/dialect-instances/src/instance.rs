//! Section "Instance management".

use std::collections::BTreeMap;

use portico_sdk::gateway::{CoreError, Gateway, segment};
use portico_sdk::http::{Request, Response};

use crate::PLUGIN_ID;
use crate::id::{device_of, instance_of};
use crate::reply::{Refusal, data, data_with_message};
use crate::wire::{core, ours};

/// Pages of the core's list that one answer may take together: this API lists everything at once.
const PAGES_MAX: usize = 10;
const PAGE_SIZE: usize = 200;

/// How long a request for a QR code waits for WhatsApp to send one; it mostly takes a second after the session starts.
const QR_WAIT_SECONDS: u8 = 10;

/// `POST /api/instance/create`
pub(crate) fn create(request: &Request, gateway: &Gateway) -> Result<Response, Refusal> {
    let body: ours::CreateInstance = request.json()?;
    let device: core::Device = gateway.post("/v1/devices", &core::NewDevice { name: &body.name })?.json()?;
    let url = body.webhook_url.filter(|url| !url.is_empty());
    if let Some(url) = &url {
        let webhook = core::NewWebhook { device: &device.id, url, events: ["*"], format: PLUGIN_ID };
        if let Err(refused) = gateway.post("/v1/webhooks", &webhook) {
            // The request fails as a whole: nothing of it may stay.
            gateway.delete(&format!("/v1/devices/{}", segment(&device.id)))?;
            return Err(refused.into());
        }
    }
    Ok(data_with_message(instance(device, url)?, "Instance created successfully. Please scan the QR code."))
}

/// `GET /api/instance`
pub(crate) fn list(gateway: &Gateway) -> Result<Response, Refusal> {
    let mut urls = webhook_urls(gateway);
    let mut instances = Vec::new();
    let mut path = format!("/v1/devices?limit={PAGE_SIZE}");
    for _ in 0..PAGES_MAX {
        let page: core::Page<core::Device> = gateway.get(&path)?.json()?;
        for device in page.items {
            let url = urls.remove(&device.id);
            instances.push(instance(device, url)?);
        }
        let Some(next) = page.next else { break };
        path = format!("/v1/devices?limit={PAGE_SIZE}&cursor={}", segment(&next));
    }
    Ok(data(instances))
}

/// The URLs this API's own subscriptions go to, by device. A key that may not see webhooks sees none here either.
fn webhook_urls(gateway: &Gateway) -> BTreeMap<String, String> {
    let page = gateway.get(&format!("/v1/webhooks?limit={PAGE_SIZE}")).and_then(|answer| answer.json());
    let page: core::Page<core::Webhook> = page.unwrap_or(core::Page { items: Vec::new(), next: None });
    page.items.into_iter().filter(|w| w.format == PLUGIN_ID).filter_map(|w| Some((w.device?, w.url))).collect()
}

/// `GET /api/instance/{instanceId}/status`
pub(crate) fn status(id: &str, gateway: &Gateway) -> Result<Response, Refusal> {
    let device: core::Device = gateway.get(&device_path(id)?)?.json()?;
    Ok(data(status_of(device)?))
}

/// `GET /api/instance/{instanceId}/qr`. Asking for the code starts the session: this API has no other call for it.
pub(crate) fn qr(id: &str, gateway: &Gateway) -> Result<Response, Refusal> {
    let path = device_path(id)?;
    let mut device: core::Device = gateway.get(&path)?.json()?;
    if matches!(device.state.as_str(), "created" | "disconnected" | "logged_out") {
        device = gateway.post_empty(&format!("{path}/connect"))?.json()?;
    }
    if device.state == "connected" {
        return Err(Refusal::new(400, "Instance is already connected"));
    }
    let (instance_id, status) = (instance_id(&device)?, status_name(&device.state));
    match gateway.get(&format!("{path}/qr?wait={QR_WAIT_SECONDS}")) {
        Ok(answer) => {
            let qr: core::Qr = answer.json()?;
            let (text, picture) = (Some(qr.text), Some(qr.png));
            Ok(data(ours::Qr { instance_id, qr: text, qr_code: picture, status, expires_at: Some(qr.expires_at) }))
        }
        // Still none: `busy` while WhatsApp has not sent it, 409 when the device took another turn meanwhile.
        Err(CoreError::Problem(problem)) if problem.code == "busy" || problem.status == 409 => Ok(data_with_message(
            ours::Qr { instance_id, qr: None, qr_code: None, status, expires_at: None },
            "The QR code is being prepared. Please ask again in a second.",
        )),
        Err(other) => Err(other.into()),
    }
}

/// `POST /api/instance/{instanceId}/restart`
pub(crate) fn restart(id: &str, gateway: &Gateway) -> Result<Response, Refusal> {
    let device: core::Device = gateway.post_empty(&format!("{}/restart", device_path(id)?))?.json()?;
    Ok(data_with_message(status_of(device)?, "Instance is restarting"))
}

/// `POST /api/instance/{instanceId}/logout`
pub(crate) fn logout(id: &str, gateway: &Gateway) -> Result<Response, Refusal> {
    let device: core::Device = gateway.post_empty(&format!("{}/logout", device_path(id)?))?.json()?;
    Ok(data_with_message(status_of(device)?, "Instance logged out"))
}

/// `DELETE /api/instance/{instanceId}`
pub(crate) fn delete(id: &str, gateway: &Gateway) -> Result<Response, Refusal> {
    gateway.delete(&device_path(id)?)?;
    Ok(data_with_message(ours::Deleted { id: id.to_owned() }, "Instance deleted"))
}

/// The core's path of an instance; 404 for what is no instance id.
pub(crate) fn device_path(instance: &str) -> Result<String, Refusal> {
    let device = device_of(instance).ok_or_else(Refusal::no_such_instance)?;
    Ok(format!("/v1/devices/{device}"))
}

/// This API's three statuses for the core's states.
pub(crate) fn status_name(state: &str) -> &'static str {
    match state {
        "connected" => "connected",
        "connecting" | "pairing" | "passkey_required" | "reconnecting" => "connecting",
        _ => "disconnected",
    }
}

fn instance_id(device: &core::Device) -> Result<String, Refusal> {
    instance_of(&device.id).ok_or_else(|| Refusal::new(500, "Server error"))
}

fn phone_number(device: &core::Device) -> Option<String> {
    device.jid.as_deref()?.split(['@', ':']).next().map(str::to_owned)
}

fn instance(device: core::Device, webhook_url: Option<String>) -> Result<ours::Instance, Refusal> {
    let phone_number = phone_number(&device);
    Ok(ours::Instance {
        id: instance_id(&device)?,
        status: status_name(&device.state),
        name: device.name,
        webhook_url,
        phone_number,
        created_at: device.created_at,
    })
}

fn status_of(device: core::Device) -> Result<ours::Status, Refusal> {
    Ok(ours::Status {
        instance_id: instance_id(&device)?,
        status: status_name(&device.state),
        phone_number: phone_number(&device),
    })
}
