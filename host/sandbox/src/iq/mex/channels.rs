//! Operations on channels.

use serde_json::{Value, json};
use whatsapp_rust::wacore_binary::Jid;

use super::{Answer, BAD_REQUEST, FORBIDDEN, NOT_FOUND};
use crate::channels::Channel;
use crate::network::Network;
use crate::relay::Author;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn jid(variables: &Value) -> Result<Jid, (u16, &'static str)> {
    text(variables, "newsletter_id").and_then(|jid| jid.parse().ok()).ok_or(BAD_REQUEST)
}

/// A channel as its reader sees it.
fn describe(channel: &Channel, reader: &str) -> Value {
    let role = channel.role(reader);
    json!({
        "id": channel.jid().to_string(),
        "state": {"type": "active"},
        "thread_metadata": {
            "name": {"text": channel.name, "id": channel.created_s.to_string()},
            "description": {"text": channel.description, "id": channel.created_s.to_string()},
            "subscribers_count": channel.followers.len().to_string(),
            "verification": "UNVERIFIED",
            "invite": channel.invite,
            "handle": null,
            "creation_time": channel.created_s.to_string(),
        },
        "viewer_metadata": {"role": role, "mute": if channel.muted.contains(reader) { "on" } else { "off" }},
    })
}

/// Opens a channel.
pub(super) fn create(network: &Network, author: &Author, variables: &Value) -> Answer {
    let input = variables.get("input").ok_or(BAD_REQUEST)?;
    let name = text(input, "name").filter(|name| !name.is_empty()).ok_or(BAD_REQUEST)?;
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(BAD_REQUEST);
    }
    let description = text(input, "description").unwrap_or_default();
    let me = &author.account.pn;
    let channel =
        network.channels.create(me, name, description, network.limits.channels_max).ok_or((500, "resource-limit"))?;
    network.touch();
    Ok(json!({"xwa2_newsletter_create": describe(&channel, me)}))
}

/// One channel, by JID or by invite code.
pub(super) fn fetch(network: &Network, author: &Author, variables: &Value) -> Answer {
    let input = variables.get("input").ok_or(BAD_REQUEST)?;
    let key = text(input, "key").ok_or(BAD_REQUEST)?;
    let found = match text(input, "type") {
        Some("INVITE") => network.channels.find_invite(key),
        _ => key.parse().ok().and_then(|jid: Jid| network.channels.with(&jid, |channel| channel.clone())),
    };
    let found = found.ok_or(NOT_FOUND)?;
    Ok(json!({"xwa2_newsletter": describe(&found, &author.account.pn)}))
}

/// The channels the account owns or follows.
pub(super) fn subscribed(network: &Network, author: &Author, _: &Value) -> Answer {
    let me = &author.account.pn;
    let all = network.channels.all();
    let ours: Vec<Value> =
        all.iter().filter(|channel| channel.role(me) != "guest").map(|channel| describe(channel, me)).collect();
    Ok(json!({"xwa2_newsletter_subscribed": ours}))
}

fn change(
    network: &Network,
    variables: &Value,
    action: impl FnOnce(&mut Channel) -> Result<Value, (u16, &'static str)>,
) -> Answer {
    let outcome = network.channels.with(&jid(variables)?, action).ok_or(NOT_FOUND)?;
    network.touch();
    outcome
}

/// Begins to follow.
pub(super) fn join(network: &Network, author: &Author, variables: &Value) -> Answer {
    let me = &author.account.pn;
    let joined = change(network, variables, |channel| {
        if channel.owner != *me {
            channel.followers.insert(me.clone());
        }
        Ok(describe(channel, me))
    })?;
    Ok(json!({"xwa2_newsletter_join_v2": joined}))
}

/// Ends following; the owner stays the owner.
pub(super) fn leave(network: &Network, author: &Author, variables: &Value) -> Answer {
    let me = &author.account.pn;
    let left = change(network, variables, |channel| {
        channel.followers.remove(me);
        channel.muted.remove(me);
        Ok(json!({"id": channel.jid().to_string()}))
    })?;
    Ok(json!({"xwa2_newsletter_leave_v2": left}))
}

/// Changes name or description.
pub(super) fn update(network: &Network, author: &Author, variables: &Value) -> Answer {
    let me = &author.account.pn;
    let updates = variables.get("updates").ok_or(BAD_REQUEST)?;
    let updated = change(network, variables, |channel| {
        if channel.owner != *me {
            return Err(FORBIDDEN);
        }
        if let Some(name) = text(updates, "name") {
            name.clone_into(&mut channel.name);
        }
        if let Some(description) = text(updates, "description") {
            description.clone_into(&mut channel.description);
        }
        Ok(describe(channel, me))
    })?;
    Ok(json!({"xwa2_newsletter_update": updated}))
}

/// Ends a channel.
pub(super) fn delete(network: &Network, author: &Author, variables: &Value) -> Answer {
    let jid = jid(variables)?;
    network.channels.with(&jid, |_| ()).ok_or(NOT_FOUND)?;
    let gone = network.channels.remove(&jid, &author.account.pn).ok_or(FORBIDDEN)?;
    network.touch();
    Ok(json!({"xwa2_newsletter_delete_v2": {"id": gone.jid().to_string(), "state": {"type": "deleted"}}}))
}

/// Mutes or unmutes.
pub(super) fn user_setting(network: &Network, author: &Author, variables: &Value) -> Answer {
    let me = &author.account.pn;
    let input = variables.get("input").ok_or(BAD_REQUEST)?;
    let on = text(input, "value").ok_or(BAD_REQUEST)? == "ON";
    let set = change(network, input, |channel| {
        if on {
            channel.muted.insert(me.clone())
        } else {
            channel.muted.remove(me)
        };
        Ok(json!({"id": channel.jid().to_string()}))
    })?;
    Ok(json!({"xwa2_newsletter_update_user_setting": set}))
}
