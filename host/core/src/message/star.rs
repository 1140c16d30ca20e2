//! Starring messages. A star is seen on the account's own devices alone.

use super::{Message, Target, change};
use crate::access::authorize::Action;
use crate::context::{OpContext, Write};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId};
use crate::ports::Tx;

/// Stars a message on all devices of the account, or takes the star away. Gives the message.
pub async fn star(ctx: &OpContext, device: &DeviceId, message: &MessageId, starred: bool) -> Result<Message> {
    let access = ctx.device(device).require(Action::Send).await?;
    if let Some(answer) = access.answered_before().await? {
        return Ok(answer);
    }
    access.ready()?;
    let id = message.clone();
    let target = access.read(move |tx: &mut dyn Tx, device: &Device| change::find(tx, device, &id)).await?;
    let of = Target::from(&target);
    access.services().sessions.star(device, &target.chat, &of, starred).await?;
    let id = message.clone();
    let keep = move |tx: &mut Write<'_>, device: &Device| {
        let found = tx.message_lock(&device.tenant, &device.id, &id)?;
        let mut message = found.ok_or_else(|| Error::not_found("message", &id))?;
        message.state.starred = starred;
        tx.message_change(&message)?;
        Ok(message)
    };
    access.write(keep).await
}
