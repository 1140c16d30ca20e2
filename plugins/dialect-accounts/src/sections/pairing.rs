//! Section "Authentication", continued: an account is made with the key in the body, and its page and status are open to
//! whoever has its token.

use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::whatsapp::{Code, code};
use crate::{Accounts, account, ok, token, user};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    post("/api/auth/start-qr-with-user").public().run(start),
    get("/api/auth/qr-user/{accountToken}").public().page().run(page),
    get("/api/auth/user-token-status/{accountToken}").public().run(status),
];

/// Stands where the document shows the owner's key to whoever has the token of one account.
const KEY_PLACE: &str = "api_<your key>";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    api_key: String,
}

fn start(call: &Call<Accounts>) -> Result<Response, Fault> {
    let Start { api_key } = call.json()?;
    call.gateway.assume(&api_key)?;
    let owner = user::own(call)?;
    let made = account::make(call, &owner)?;
    let account = json!({ "accountToken": made.token, "userId": user::number_of(&owner.id), "apiKey": api_key,
        "isConnected": false, "createdAt": made.device.created_at });
    let instructions = json!({
        "step1": "Scan QR code to connect your WhatsApp",
        "step2": "After successful scan, your WhatsApp account will be ready",
        "step3": "Use the account token + API key to send messages",
    });
    let body = json!({ "account": account, "instructions": instructions,
        "qrCodeUrl": format!("/api/auth/qr-user/{}", made.token),
        "tokenCheckUrl": format!("/api/auth/user-token-status/{}", made.token) });
    Ok(ok(Some("WhatsApp account creation started"), body))
}

/// A page that shows the code and comes again for the next one.
fn page(call: &Call<Accounts>) -> Result<Response, Fault> {
    let device = token::assumed(call, call.raw("accountToken"))?;
    let (text, picture) = match code(call, device)? {
        Code::Shown(png) => ("Scan this code with WhatsApp: Linked devices, Link a device.", Some(png)),
        Code::Awaited => ("The code is being prepared.", None),
        Code::Connected => ("This WhatsApp account is connected.", None),
    };
    // A data URL of the core's own: nothing in it needs escaping.
    let picture = picture.map(|png| format!("<img src=\"{png}\" alt=\"QR code\" width=\"320\" height=\"320\">"));
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"refresh-after\" content=\"10\">\
         <title>Link WhatsApp</title><style>body{{font-family:sans-serif;text-align:center;margin:3em}}</style></head>\
         <body><h1>Link WhatsApp</h1><p>{text}</p>{}<p><a href=\"\">Show the newest state</a></p></body></html>",
        picture.unwrap_or_default()
    );
    Ok(Response::new(200, "text/html; charset=utf-8", html))
}

fn status(call: &Call<Accounts>) -> Result<Response, Fault> {
    let token = call.raw("accountToken");
    let device = token::assumed(call, token)?;
    let user = json!({ "mobile": account::owner_mobile(&device), "apiKey": KEY_PLACE });
    let mut body = json!({ "status": "pending", "account": account::shown(&device, token), "user": user });
    if !account::is_connected(&device) {
        return Ok(ok(Some("Waiting for the QR code to be scanned"), body));
    }
    body["status"] = json!("ready");
    body["usage"] = json!({
        "sendMessages": "POST /api/send-message",
        "templates": "GET /api/templates",
        "checkStatus": format!("GET /api/account/{token}/status"),
    });
    body["exampleMessage"] = example(token, account::phone_number(&device));
    Ok(ok(Some("WhatsApp account connected successfully!"), body))
}

fn example(token: &str, to: Option<String>) -> Value {
    json!({
        "url": "POST /api/send-message",
        "headers": { "Content-Type": "application/json", "X-API-Key": KEY_PLACE, "Authorization": format!("Bearer {token}") },
        "body": { "to": to, "message": "Hello from my WhatsApp API!" },
    })
}
