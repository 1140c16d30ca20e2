//! Groups, as phones make and change them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Input, Named};
use super::problem::Problem;
use crate::GroupChange;
use crate::groups::Group;
use crate::network::Network;

fn report(group: &Group) -> Value {
    group.with(|state| {
        let members: Vec<Value> = state
            .members
            .iter()
            .map(|(number, member)| json!({"number": number, "rank": member.rank, "joined_s": member.joined_s}))
            .collect();
        json!({
            "jid": group.jid().to_string(),
            "subject": state.subject,
            "description": state.description.as_ref().map(|description| &description.text),
            "creator": state.creator,
            "members": members,
            "flags": state.flags,
            "modes": state.modes,
            "ephemeral_s": state.ephemeral_s,
            "approval": state.approval,
            "requests": state.requests.keys().collect::<Vec<_>>(),
            "invite": state.invite,
            "community": state.parent.is_some(),
            "linked_parent": state.linked_parent.as_ref().map(|id| format!("{id}@g.us")),
            "picture": state.picture,
        })
    })
}

/// `GET /groups`
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Vec<Value>> {
    Json(network.groups.all().iter().map(|group| report(group)).collect())
}

/// `GET /groups/{jid}`
pub(super) async fn show(State(network): State<Arc<Network>>, Path(jid): Path<String>) -> Result<Json<Value>, Problem> {
    let id = jid.split('@').next().unwrap_or_default();
    let group = network.groups.find(id).ok_or_else(Problem::not_found)?;
    Ok(Json(report(&group)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    subject: String,
    #[serde(default)]
    members: Vec<String>,
}

/// `POST /phones/{number}/groups`
pub(super) async fn create(
    Named(phone): Named,
    Input(new): Input<NewGroup>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let jid = phone.create_group(&new.subject, &new.members)?;
    Ok((StatusCode::CREATED, Json(json!({"jid": jid}))))
}

/// `POST /phones/{number}/groups/{jid}` with `{act, value}`
pub(super) async fn change(
    Named(phone): Named,
    Path((_, jid)): Path<(String, String)>,
    Input(change): Input<GroupChange>,
) -> Result<StatusCode, Problem> {
    phone.change_group(&jid, &change)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /phones/{number}/groups/{jid}`: the phone leaves.
pub(super) async fn leave(Named(phone): Named, Path((_, jid)): Path<(String, String)>) -> Result<StatusCode, Problem> {
    phone.leave_group(&jid)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    code: String,
}

/// `POST /phones/{number}/join` with the code of an invite link.
pub(super) async fn join(Named(phone): Named, Input(join): Input<Join>) -> Result<StatusCode, Problem> {
    phone.join_group(&join.code)?;
    Ok(StatusCode::NO_CONTENT)
}
