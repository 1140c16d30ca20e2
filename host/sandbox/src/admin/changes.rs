//! What phones do to messages that are there.

use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Input, Named};
use super::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reaction {
    chat: String,
    id: String,
    /// Empty takes the reaction back.
    emoji: String,
}

/// `POST /phones/{number}/reaction`
pub(super) async fn react(Named(phone): Named, Input(reaction): Input<Reaction>) -> Result<Json<Value>, Problem> {
    let id = phone.react(&reaction.chat, &reaction.id, &reaction.emoji).await?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    chat: String,
    id: String,
    text: String,
}

/// `POST /phones/{number}/edit`
pub(super) async fn edit(Named(phone): Named, Input(edit): Input<Edit>) -> Result<Json<Value>, Problem> {
    let id = phone.edit(&edit.chat, &edit.id, &edit.text).await?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    chat: String,
    id: String,
}

/// `POST /phones/{number}/revoke`
pub(super) async fn revoke(Named(phone): Named, Input(revoke): Input<Revoke>) -> Result<Json<Value>, Problem> {
    let id = phone.revoke(&revoke.chat, &revoke.id).await?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    chat: String,
    id: String,
    /// None takes the vote back.
    options: Vec<String>,
}

/// `POST /phones/{number}/vote`
pub(super) async fn vote(Named(phone): Named, Input(vote): Input<Vote>) -> Result<Json<Value>, Problem> {
    let id = phone.vote(&vote.chat, &vote.id, &vote.options).await?;
    Ok(Json(json!({"id": id})))
}
