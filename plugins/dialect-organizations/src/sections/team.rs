//! Sections "Team" and "Audit logs": members of the core, and its audit log.

use portico_sdk::api::{AuditAction, AuditEntry, Member, Page};
use portico_sdk::dialect::{Call, Fault, Route, get, post};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::role_name;
use super::messages::number;
use crate::{Organizations, check_organization, said};

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    post("/api/team/members").run(create),
    post("/api/team/members/{userId}/clients/{clientId}").run(assign),
    get("/api/audit-logs").run(audit_logs),
];

/// Entries of a page, where the request does not say.
const ENTRIES_DEFAULT: u32 = 100;
/// The most the core gives at once.
const ENTRIES_MAX: u32 = 200;

/// The roles that this API has.
const ROLES: [&str; 4] = ["admin", "manager", "agent", "viewer"];

#[derive(Deserialize)]
struct NewMember {
    #[serde(default)]
    org_id: Option<String>,
    email: String,
    password: String,
    name: String,
    role: String,
}

fn create(call: &Call<Organizations>) -> Result<Response, Fault> {
    let NewMember { org_id, email, password, name, role } = call.json()?;
    check_organization(call, org_id.as_deref())?;
    if !ROLES.contains(&role.as_str()) {
        return Err(Fault::invalid("role", "must be `admin`, `manager`, `agent` or `viewer`"));
    }
    let new = json!({ "name": name, "email": email, "password": password, "role": role });
    let member: Member = call.gateway.post("/v1/members", &new)?.json()?;
    let user = json!({ "id": member.id, "email": member.email, "name": member.name, "role": role_name(member.role) });
    Ok(said(201, Some("Team member created"), json!({ "user": user })))
}

#[derive(Deserialize)]
struct Assign {
    #[serde(default)]
    org_id: Option<String>,
}

fn assign(call: &Call<Organizations>) -> Result<Response, Fault> {
    let Assign { org_id } = call.json()?;
    check_organization(call, org_id.as_deref())?;
    let (user, client) = (segment(&call.param("userId")?), segment(&call.param("clientId")?));
    call.gateway.send::<()>("PUT", &format!("/v1/members/{user}/devices/{client}"), None)?;
    Ok(said(200, Some("Client assigned successfully"), json!({})))
}

fn audit_logs(call: &Call<Organizations>) -> Result<Response, Fault> {
    let limit = number(call, "limit")?.unwrap_or(ENTRIES_DEFAULT).clamp(1, ENTRIES_MAX);
    let offset = number(call, "offset")?.unwrap_or(0);
    let page: Page<AuditEntry> = call.gateway.get(&format!("/v1/audit-log?limit={limit}&offset={offset}"))?.json()?;
    let logs: Vec<Value> = page.items.iter().map(entry).collect();
    Ok(Response::json(200, &json!({ "count": logs.len(), "logs": logs })))
}

/// An entry; what was done with a key has no `user_id`, and the key in its details.
fn entry(entry: &AuditEntry) -> Value {
    let (action, resource) = match entry.action {
        AuditAction::Send => ("send_message", "messages"),
        AuditAction::ManageChats => ("manage_chat", "chats"),
        AuditAction::ManageDevices => ("manage_client", "clients"),
        AuditAction::ManageWebhooks => ("manage_webhook", "webhooks"),
        AuditAction::ManageKeys => ("manage_api_key", "api_keys"),
        AuditAction::ManagePlugins => ("manage_plugin", "plugins"),
        AuditAction::ManageMembers => ("manage_team", "users"),
        AuditAction::ManageTenants => ("manage_organization", "organizations"),
        AuditAction::RunServer => ("manage_server", "server"),
        AuditAction::ChangeSelf => ("update_profile", "users"),
    };
    let mut details = json!({});
    if let Some(client) = &entry.device {
        details["clientId"] = json!(client);
    }
    if let Some(key) = &entry.key {
        details["apiKeyId"] = json!(key);
    }
    json!({ "id": entry.id, "user_id": entry.user, "action": action, "resource": resource, "details": details,
        "timestamp": entry.timestamp })
}
