//! Section "WhatsApp accounts".

use portico_sdk::api::{Device, DeviceState, ProblemCode, QrCode};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Accounts, account, created, ok, token, user};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    get("/api/whatsapp/accounts/{userId}").run(accounts),
    get("/api/whatsapp/connected/{userId}").run(connected),
    post("/api/whatsapp/create-account").run(create),
    get("/api/whatsapp/qr/{accountToken}").run(qr),
    get("/api/whatsapp/status/{accountToken}").run(status),
];

/// How long a request for a QR code waits for WhatsApp to send one; it mostly takes a second after the session starts.
const QR_WAIT_SECONDS: u8 = 10;

pub(crate) fn accounts(call: &Call<Accounts>) -> Result<Response, Fault> {
    list(call, |_| true)
}

fn connected(call: &Call<Accounts>) -> Result<Response, Fault> {
    list(call, account::is_connected)
}

fn list(call: &Call<Accounts>, is_wanted: fn(&Device) -> bool) -> Result<Response, Fault> {
    let owner = user::number_of(&user::own_named(call, call.raw("userId"))?.id);
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let tokens = token::all(call)?;
    let shown = |device: &Device| account::owned(device, tokens.get(&device.id).map(String::as_str), owner);
    let accounts: Vec<Value> = devices.iter().filter(|device| is_wanted(device)).map(shown).collect();
    Ok(ok(None, json!({ "accounts": accounts })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    user_id: u64,
}

fn create(call: &Call<Accounts>) -> Result<Response, Fault> {
    let Create { user_id } = call.json()?;
    let owner = user::own_named(call, &user_id.to_string())?;
    let made = account::make(call, &owner)?;
    let account = account::owned(&made.device, Some(&made.token), user_id);
    Ok(created("WhatsApp account created successfully", json!({ "account": account })))
}

/// What there is to scan.
pub(crate) enum Code {
    /// A PNG as a data URL.
    Shown(String),
    /// WhatsApp has sent none yet.
    Awaited,
    /// There is nothing to scan any more.
    Connected,
}

/// The code of a device. Asking for it starts the session: this API has no other call for it.
pub(crate) fn code(call: &Call<Accounts>, mut device: Device) -> Result<Code, Fault> {
    let path = format!("/v1/devices/{}", device.id);
    if matches!(device.state, DeviceState::Created | DeviceState::Disconnected | DeviceState::LoggedOut) {
        device = call.gateway.post_empty(&format!("{path}/connect"))?.json()?;
    }
    if account::is_connected(&device) {
        return Ok(Code::Connected);
    }
    match call.gateway.get(&format!("{path}/qr?wait={QR_WAIT_SECONDS}")) {
        Ok(answer) => Ok(Code::Shown(answer.json::<QrCode>()?.png)),
        // Still none: `busy` while WhatsApp has not sent it, 409 when the device took another turn meanwhile.
        Err(CoreError::Problem(problem)) if problem.code == ProblemCode::Busy.as_str() || problem.status == 409 => {
            Ok(Code::Awaited)
        }
        Err(other) => Err(other.into()),
    }
}

fn qr(call: &Call<Accounts>) -> Result<Response, Fault> {
    let token = call.raw("accountToken");
    let (message, png, is_connected) = match code(call, token::owned(call, token)?)? {
        Code::Shown(png) => ("QR code ready", Some(png), false),
        Code::Awaited => ("The QR code is being prepared. Please ask again in a second.", None, false),
        Code::Connected => ("WhatsApp account is already connected", None, true),
    };
    Ok(ok(Some(message), json!({ "qrCode": png, "accountToken": token, "isConnected": is_connected })))
}

fn status(call: &Call<Accounts>) -> Result<Response, Fault> {
    let token = call.raw("accountToken");
    let device = token::owned(call, token)?;
    let body = json!({ "isConnected": account::is_connected(&device), "phoneNumber": account::phone_number(&device),
        "whatsappName": device.push_name, "accountToken": token });
    Ok(ok(None, body))
}
