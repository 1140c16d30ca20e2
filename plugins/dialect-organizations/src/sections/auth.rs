//! Section "Authentication": an organization with its first user, and logging in.

use portico_sdk::api::{LoggedIn, MadeKey, ProblemCode, Role, SignedUp, User};
use portico_sdk::dialect::{Call, Fault, Route, post};
use portico_sdk::gateway::{CoreError, Gateway};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Organizations, said};

pub(crate) const ROUTES: &[Route<Organizations>] =
    &[post("/api/auth/register").public().run(register), post("/api/auth/login").public().run(login)];

/// What keys of this API begin with.
const KEY_PREFIX: &str = "sk_";

#[derive(Deserialize)]
struct Register {
    email: String,
    password: String,
    #[serde(default)]
    name: Option<String>,
    organization_name: String,
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

/// Public by the document: the core decides whether a stranger may sign up.
fn register(call: &Call<Organizations>) -> Result<Response, Fault> {
    let Register { email, password, name, organization_name } = call.json()?;
    if organization_name.trim().is_empty() {
        return Err(Fault::invalid("organization_name", "must not be empty"));
    }
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| organization_name.clone());
    let new = json!({ "name": name, "email": email, "password": password, "organization": organization_name,
        "key_prefix": KEY_PREFIX });
    let made: SignedUp = call.gateway.post("/v1/sign-up", &new)?.json()?;
    let mut body = json!({ "user": user(&made.user), "apiKey": made.key.secret });
    // The user exists by now, so a login that fails is no reason to say that nothing was made.
    if let Ok(LoggedIn { token, expires_at, .. }) = log_in(&call.gateway, &email, &password) {
        body["token"] = json!(token);
        body["expiresAt"] = json!(expires_at);
    }
    Ok(said(201, Some("User created successfully"), body))
}

fn login(call: &Call<Organizations>) -> Result<Response, Fault> {
    let Login { email, password } = call.json()?;
    let logged_in = log_in(&call.gateway, &email, &password).map_err(|error| match Fault::from(error) {
        fault if fault.code == ProblemCode::Unauthenticated => Fault::says(401, "Invalid email or password"),
        fault => fault,
    })?;
    let LoggedIn { token, expires_at, user: who } = logged_in;
    let mut body = json!({ "token": token, "expiresAt": expires_at, "user": user(&who) });
    if let Some(key) = api_key(call, &token) {
        body["apiKey"] = json!(key);
    }
    Ok(said(200, Some("Login successful"), body))
}

fn log_in(gateway: &Gateway, email: &str, password: &str) -> Result<LoggedIn, CoreError> {
    gateway.post("/v1/login", &json!({ "email": email, "password": password }))?.json()
}

/// The organization's key, which no other endpoint hands out. A user who may not see keys logs in without it.
fn api_key(call: &Call<Organizations>, token: &str) -> Option<String> {
    call.assume(token).ok()?;
    let keys: Vec<MadeKey> = call.gateway.all("/v1/keys?reveal=true").ok()?;
    let of_organization = keys.into_iter().filter(|made| made.key.device.is_none());
    // Newest first: the last one is that of the sign-up.
    of_organization.filter_map(|made| made.secret).rfind(|key| key.starts_with(KEY_PREFIX))
}

fn user(user: &User) -> Value {
    let role = role_name(user.role);
    json!({ "id": user.id, "name": user.name, "email": user.email, "organization_id": user.tenant, "role": role })
}

/// A role in this API's words.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner | Role::Admin => "admin",
        Role::Manager => "manager",
        Role::Agent => "agent",
        Role::Viewer => "viewer",
    }
}
