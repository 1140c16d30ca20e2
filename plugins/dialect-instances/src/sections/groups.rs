//! Section "Groups".

use portico_sdk::api::{
    Group, GroupInvite, GroupMember, GroupRole, JoinedGroup, MadeGroup, MemberResult, MemberResults, Message,
    ProblemCode,
};
use portico_sdk::dialect::{Call, Fault, Route, copied, delete, field, get, post, put};
use portico_sdk::gateway::CoreError;
use portico_sdk::http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{COMMON, Instances, data};

/// A group, in the REST core.
const GROUP: &str = "/v1/devices/{instanceId}/groups/{groupId}";

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/groups/{instanceId}").limits(COMMON).lists("/v1/devices/{instanceId}/groups", group),
    post("/api/groups/{instanceId}")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups")
        .body(&[field("name", "subject"), copied("participants")])
        .shows(made)
        .says("Group created"),
    get("/api/groups/{instanceId}/{groupId}").limits(COMMON).calls("GET", GROUP).shows(group),
    put("/api/groups/{instanceId}/{groupId}/name")
        .limits(COMMON)
        .calls("PATCH", GROUP)
        .body(&[field("name", "subject")])
        .shows(group)
        .says("Group name updated"),
    put("/api/groups/{instanceId}/{groupId}/description")
        .limits(COMMON)
        .calls("PATCH", GROUP)
        .body(&[copied("description")])
        .shows(group)
        .says("Group description updated"),
    put("/api/groups/{instanceId}/{groupId}/subject")
        .limits(COMMON)
        .calls("PATCH", GROUP)
        .body(&[copied("subject")])
        .shows(group)
        .says("Group name updated"),
    post("/api/groups/{instanceId}/{groupId}/participants")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/participants/add")
        .body(&[copied("participants")])
        .shows(results),
    delete("/api/groups/{instanceId}/{groupId}/participants")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/participants/remove")
        .body(&[copied("participants")])
        .shows(results),
    post("/api/groups/{instanceId}/{groupId}/promote")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/participants/promote")
        .body(&[copied("participants")])
        .shows(results),
    post("/api/groups/{instanceId}/{groupId}/demote")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/participants/demote")
        .body(&[copied("participants")])
        .shows(results),
    put("/api/groups/{instanceId}/{groupId}/settings")
        .limits(COMMON)
        .calls("PATCH", GROUP)
        .body(&[field("announcement", "announce"), copied("locked"), field("ephemeral", "ephemeral_s")])
        .shows(group)
        .says("Group settings updated"),
    post("/api/groups/{instanceId}/{groupId}/leave")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/leave")
        .says("Left the group"),
    get("/api/groups/{instanceId}/{groupId}/invite-code")
        .limits(COMMON)
        .calls("GET", "/v1/devices/{instanceId}/groups/{groupId}/invite")
        .shows(invite),
    post("/api/groups/{instanceId}/{groupId}/revoke-invite")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/groups/{groupId}/invite/revoke")
        .shows(invite)
        .says("Invite revoked"),
    post("/api/groups/{instanceId}/accept-invite")
        .limits(COMMON)
        .calls("POST", "/v1/devices/{instanceId}/group-invites")
        .body(&[field("inviteCode", "code")])
        .shows(joined),
    get("/api/groups/{instanceId}/{groupId}/participants").limits(COMMON).calls("GET", GROUP).shows(participants),
    post("/api/groups/{instanceId}/{groupId}/message").limits(COMMON).run(send),
];

/// A group. `name` and `subject` are the same: the document has both words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    subject: String,
    description: Option<String>,
    owner: Option<String>,
    announcement: bool,
    locked: bool,
    ephemeral: u32,
    size: u32,
    participants: Vec<Participant>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<String>,
    is_admin: bool,
    is_super_admin: bool,
}

/// What became of one of those a request named.
#[derive(Serialize)]
struct Outcome {
    participant: String,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn shown(group: Group) -> Shown {
    Shown {
        id: group.id,
        name: group.subject.clone(),
        subject: group.subject,
        description: group.description,
        owner: group.owner.map(|owner| owner.id),
        announcement: group.announce,
        locked: group.locked,
        ephemeral: group.ephemeral_s,
        size: group.size,
        participants: group.participants.into_iter().map(participant).collect(),
    }
}

fn participant(member: GroupMember) -> Participant {
    Participant {
        id: member.party.id,
        lid: member.party.lid,
        is_admin: member.role != GroupRole::Member,
        is_super_admin: member.role == GroupRole::Owner,
    }
}

fn outcome(result: MemberResult) -> Outcome {
    Outcome { participant: result.asked, success: result.done, error: result.code }
}

fn group(answer: Value) -> Result<Value, Fault> {
    let group: Group = read(answer)?;
    write(shown(group))
}

fn made(answer: Value) -> Result<Value, Fault> {
    let MadeGroup { group, results } = read(answer)?;
    let mut shown = write(shown(group))?;
    shown["results"] = write(results.into_iter().map(outcome).collect::<Vec<_>>())?;
    Ok(shown)
}

fn participants(answer: Value) -> Result<Value, Fault> {
    let group: Group = read(answer)?;
    write(group.participants.into_iter().map(participant).collect::<Vec<_>>())
}

/// A request that reached nobody failed.
fn results(answer: Value) -> Result<Value, Fault> {
    let MemberResults { results } = read(answer)?;
    if results.iter().all(|result| !result.done) {
        let why: Vec<_> = results.iter().filter_map(|r| Some(format!("{}: {}", r.asked, r.code.as_deref()?))).collect();
        return Err(Fault::new(ProblemCode::RefusedByWhatsapp, why.join(", ")));
    }
    write(results.into_iter().map(outcome).collect::<Vec<_>>())
}

fn invite(answer: Value) -> Result<Value, Fault> {
    let GroupInvite { code, link } = read(answer)?;
    Ok(json!({ "inviteCode": code, "inviteUrl": link }))
}

fn joined(answer: Value) -> Result<Value, Fault> {
    let JoinedGroup { group, pending } = read(answer)?;
    Ok(json!({ "groupId": group, "pending": pending }))
}

fn send(call: &Call<Instances>) -> Result<Response, Fault> {
    #[derive(Deserialize)]
    struct Text {
        message: String,
    }
    let Text { message } = call.json()?;
    let group = call.raw("groupId");
    let to = if group.contains('@') { group.to_owned() } else { format!("{group}@g.us") };
    let path = format!("/v1/devices/{}/messages", call.param("instanceId")?);
    let body = json!({ "to": to, "content": { "type": "text", "text": message } });
    let sent: Message = call.gateway.post(&path, &body)?.json()?;
    let shown = json!({
        "messageId": sent.whatsapp_id,
        "id": sent.id,
        "to": sent.chat.id,
        "status": sent.status,
        "timestamp": sent.created_at,
    });
    Ok(data(shown, None))
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Fault> {
    Ok(serde_json::from_value(answer).map_err(CoreError::from)?)
}

fn write(shown: impl Serialize) -> Result<Value, Fault> {
    Ok(serde_json::to_value(shown).map_err(CoreError::from)?)
}
