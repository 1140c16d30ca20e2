//! Section "Authentication": users, and where they look at themselves.

use portico_sdk::api::{Device, LoggedIn, SignedUp};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::whatsapp;
use crate::{Accounts, account, created, ok, user};

pub(crate) const ROUTES: &[Route<Accounts>] = &[
    post("/api/auth/register").public().run(register),
    post("/api/auth/login").public().run(login),
    get("/api/auth/profile").run(profile),
    get("/api/auth/user/{userId}/profile").run(profile_of),
    get("/api/auth/user/{userId}/whatsapp-accounts").run(whatsapp::accounts),
];

#[derive(Deserialize)]
struct Register {
    name: String,
    mobile: String,
    password: String,
}

#[derive(Deserialize)]
struct Login {
    mobile: String,
    password: String,
}

/// Public by the document: the core decides whether a stranger may sign up.
fn register(call: &Call<Accounts>) -> Result<Response, Fault> {
    leave_to_others(call)?;
    let Register { name, mobile, password } = call.json()?;
    let new = json!({ "name": name, "mobile": mobile, "password": password, "key_prefix": user::KEY_PREFIX });
    let made: SignedUp = call.gateway.post("/v1/sign-up", &new)?.json()?;
    let key = made.key.secret.unwrap_or_default();
    let body = json!({ "user": user::shown(&made.user, &key), "nextSteps": next_steps() });
    Ok(created("User registered successfully", body))
}

fn login(call: &Call<Accounts>) -> Result<Response, Fault> {
    leave_to_others(call)?;
    let Login { mobile, password } = call.json()?;
    let login = json!({ "mobile": mobile, "password": password });
    let logged_in: LoggedIn = call.gateway.post("/v1/login", &login)?.json()?;
    // The key is the user's own to see.
    call.gateway.assume(&logged_in.token)?;
    let mut shown = user::shown(&logged_in.user, &user::api_key(call)?);
    shown["lastLogin"] = json!(logged_in.user.last_login_at);
    Ok(ok(Some("Login successful"), json!({ "user": shown, "nextSteps": next_steps() })))
}

/// Another API claims the same two paths, and names users by e-mail address.
fn leave_to_others(call: &Call<Accounts>) -> Result<(), Fault> {
    let body: Value = call.json()?;
    let is_others = body.get("mobile").is_none() && body.get("email").is_some();
    if is_others { Err(Fault::pass()) } else { Ok(()) }
}

fn next_steps() -> Value {
    json!({
        "step1": "Use your API key to start WhatsApp account creation",
        "step2": "POST /api/auth/start-qr-with-user with your API key",
        "step3": "Scan QR code to connect WhatsApp",
    })
}

fn profile(call: &Call<Accounts>) -> Result<Response, Fault> {
    profile_for(call, &user::own(call)?)
}

fn profile_of(call: &Call<Accounts>) -> Result<Response, Fault> {
    profile_for(call, &user::own_named(call, call.raw("userId"))?)
}

fn profile_for(call: &Call<Accounts>, user: &portico_sdk::api::User) -> Result<Response, Fault> {
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    let connected = devices.iter().filter(|device| account::is_connected(device)).count();
    let mut shown = user::shown(user, &user::api_key(call)?);
    shown["lastLogin"] = json!(user.last_login_at);
    shown["isActive"] = json!(true);
    let statistics = json!({ "totalAccounts": devices.len(), "connectedAccounts": connected,
        "disconnectedAccounts": devices.len() - connected });
    Ok(ok(None, json!({ "user": shown, "statistics": statistics })))
}
