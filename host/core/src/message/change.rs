//! Changing messages: our own changes are queued and take effect when WhatsApp's server has them; those of others take effect
//! as they come.

use std::time::Duration;

use super::send::{self, whatsapp_id};
use super::{
    Change, Changing, Content, Direction, Message, MessageContext, MessageState, MessageStatus, StatusTimes, Target,
};
use crate::access::authorize::{Action, DeviceAccess};
use crate::address::ChatKind;
use crate::context::{OpContext, Write};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::event::{NewEvent, raise};
use crate::id::{DeviceId, MessageId};
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::ports::whatsapp::IncomingChange;

/// Bytes of an emoji at most: the longest sequences that are one character to the eye have some 35.
const EMOJI_BYTES_MAX: usize = 64;

/// For how many seconds a message can be pinned. WhatsApp's apps know no others.
const PINNED_FOR: [u32; 3] = [24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600];

/// Messages of a device with one id of WhatsApp's that are looked at to find the one of a chat.
const SAME_ID_MAX: u32 = 16;

/// Reacts to a message, with an empty `emoji` takes the reaction back. Gives the change, which is sent like a message.
pub async fn react(ctx: &OpContext, device: &DeviceId, message: &MessageId, emoji: String) -> Result<Message> {
    if emoji.len() > EMOJI_BYTES_MAX || emoji.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::invalid("emoji", "must be one emoji, or empty to take the reaction back"));
    }
    let access = ctx.device(device).require(Action::Send).await?;
    queue(access, message, move |_, _| Ok(Change::Reaction { emoji })).await
}

/// Edits a text of our own. Gives the change, which is sent like a message.
pub async fn edit(ctx: &OpContext, device: &DeviceId, message: &MessageId, text: String) -> Result<Message> {
    send::check_text(ctx.limits(), "text", &text)?;
    let check = move |tx: &Write<'_>, target: &Message| {
        if !matches!(target.content, Content::Text { .. }) {
            let why = "only texts can be edited; delete it and send another".to_owned();
            return Err(Error::Unsupported { why });
        }
        if target.sender.is_some() {
            return Err(refused("it is not this account's; only its author can edit a message"));
        }
        require_recent(tx, target, tx.limits().edit_window, "edited")?;
        Ok(Change::Edit { text })
    };
    let access = ctx.device(device).require(Action::Send).await?;
    queue(access, message, check).await
}

/// Pins a message in its chat for so many seconds, or takes it down. Gives the change, which is sent like a message.
pub async fn pin(ctx: &OpContext, device: &DeviceId, message: &MessageId, seconds: Option<u32>) -> Result<Message> {
    if seconds.is_some_and(|seconds| !PINNED_FOR.contains(&seconds)) {
        return Err(Error::invalid("seconds", format!("must be one of {PINNED_FOR:?}")));
    }
    let access = ctx.device(device).require(Action::Send).await?;
    queue(access, message, move |_, _| Ok(Change::Pin { seconds })).await
}

/// Deletes a message for everybody: our own, or as admin somebody else's in a group. Gives the change, which is sent like a
/// message.
pub async fn revoke(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Message> {
    let check = |tx: &Write<'_>, target: &Message| {
        match &target.sender {
            None => require_recent(tx, target, tx.limits().revoke_window, "deleted for everybody")?,
            Some(_) if target.chat.kind() == ChatKind::Group => {}
            Some(_) => return Err(refused("it is not this account's; only its author can delete it for everybody")),
        }
        Ok(Change::Revoke)
    };
    let access = ctx.device(device).require(Action::Send).await?;
    queue(access, message, check).await
}

fn require_recent(tx: &Write<'_>, target: &Message, window: Duration, what: &str) -> Result<()> {
    if tx.now().since(target.timestamp) <= window {
        return Ok(());
    }
    let minutes = window.as_secs() / 60;
    Err(refused(format!("it is too old; WhatsApp lets messages be {what} within {minutes} minutes")))
}

fn refused(why: impl Into<String>) -> Error {
    Error::Conflict { code: "message_not_changeable", why: why.into() }
}

/// The rows that change a message of a device, newest first.
pub async fn list(ctx: &OpContext, device: &DeviceId, message: &MessageId, page: PageRequest) -> Result<Page<Message>> {
    let access = ctx.device(device).require(Action::SeeMessages).await?;
    page.by::<MessageId>()?;
    let id = message.clone();
    let list = move |tx: &mut dyn Tx, device: &Device| {
        find(tx, device, &id)?;
        let rows = tx.message_changes(&device.tenant, &id, &page)?;
        Ok(Page::cut(rows, &page, |row| row.id.to_string()))
    };
    access.read(list).await
}

/// Queues a change to a message; `change` says which, or why not.
async fn queue(
    access: DeviceAccess<'_>,
    message: &MessageId,
    change: impl FnOnce(&Write<'_>, &Message) -> Result<Change> + Send + 'static,
) -> Result<Message> {
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let id = message.clone();
    let work = move |tx: &mut Write<'_>, device: &Device| {
        let target = find(&mut **tx, device, &id)?;
        if target.status == MessageStatus::Failed {
            return Err(refused("the message was never sent; send another"));
        }
        if target.state.revoked_at.is_some() {
            return Err(refused("the message was deleted for everybody"));
        }
        let changing = Changing { change: change(tx, &target)?, of: Target::from(&target) };
        let row = row(tx, device, changing, target);
        send::queue(tx, device, row)
    };
    access.write(work).await
}

/// A message of the device that is no change itself.
pub(super) fn find(tx: &mut dyn Tx, device: &Device, id: &MessageId) -> Result<Message> {
    let found = tx.message_find(&device.tenant, &device.id, id)?.filter(|message| message.about().is_none());
    found.ok_or_else(|| Error::not_found("message", id))
}

/// The row of a change of our own.
fn row(tx: &Write<'_>, device: &Device, changing: Changing, target: Message) -> Message {
    let now = tx.now();
    Message {
        id: tx.fresh(MessageId::new),
        tenant: device.tenant.clone(),
        device: device.id.clone(),
        direction: Direction::Out,
        chat: target.chat,
        sender: None,
        sender_name: None,
        whatsapp_id: whatsapp_id(&*tx.ports().rng),
        content: Content::Change(Box::new(changing)),
        status: MessageStatus::Queued,
        error: None,
        created_at: now,
        timestamp: now,
        times: StatusTimes::default(),
        context: MessageContext::default(),
        state: MessageState::default(),
    }
}

/// Records a change that came in. One that is recorded already changes nothing.
pub(crate) fn receive(tx: &mut Write<'_>, device: &Device, incoming: IncomingChange) -> Result<()> {
    let alike = tx.message_by_whatsapp_id(&device.tenant, Some(&device.id), &incoming.of, SAME_ID_MAX)?;
    let target = alike.into_iter().find(|message| message.about().is_none() && message.chat.is_same(&incoming.chat));
    let Some(target) = target else {
        let unknown = Target { id: tx.fresh(MessageId::new), whatsapp_id: incoming.of.clone(), author: None };
        let row = incoming_row(tx, device, incoming, unknown);
        return raise::all(tx, &[NewEvent::unknown_message_changed(device, &row)?]).map(drop);
    };
    let row = incoming_row(tx, device, incoming, Target::from(&target));
    if tx.message_insert(std::slice::from_ref(&row))?.is_empty() {
        return Ok(());
    }
    let event = take_effect(tx, device, &row)?;
    raise::all(tx, event.as_slice()).map(drop)
}

fn incoming_row(tx: &Write<'_>, device: &Device, incoming: IncomingChange, of: Target) -> Message {
    let now = tx.now();
    let from_me = incoming.sender.is_none();
    Message {
        id: tx.fresh(MessageId::new),
        tenant: device.tenant.clone(),
        device: device.id.clone(),
        direction: if from_me { Direction::Out } else { Direction::In },
        chat: incoming.chat,
        sender: incoming.sender,
        sender_name: incoming.sender_name,
        whatsapp_id: incoming.whatsapp_id,
        content: Content::Change(Box::new(Changing { of, change: incoming.change })),
        status: if from_me { MessageStatus::Sent } else { MessageStatus::Received },
        error: None,
        created_at: now,
        timestamp: incoming.timestamp,
        times: StatusTimes { sent: from_me.then_some(incoming.timestamp), ..StatusTimes::default() },
        context: MessageContext::default(),
        state: MessageState::default(),
    }
}

/// Makes of the message what the row says that changes it. Gives the event that tells of it, unless it changed nothing.
pub(super) fn take_effect(tx: &mut Write<'_>, device: &Device, row: &Message) -> Result<Option<NewEvent>> {
    let Content::Change(changing) = &row.content else { return Ok(None) };
    let Some(mut message) = tx.message_lock(&row.tenant, &row.device, &changing.of.id)? else { return Ok(None) };
    if !message.apply(row.sender.as_ref(), row.timestamp, &changing.change) {
        return Ok(None);
    }
    tx.message_change(&message)?;
    NewEvent::message_changed(device, &message, row).map(Some)
}
