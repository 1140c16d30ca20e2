//! Changes to messages: what they made of a message, and the rows that made it.

use portico_core::error::Result;
use portico_core::id::{DeviceId, MessageId, TenantId};
use portico_core::message::Message;
use portico_core::page::PageRequest;

use super::Texts;
use crate::db::DbTx;
use crate::row;

statements! {
    /// As `FIND`; locked until the end.
    FIND_LOCKED =
        concat!("SELECT ", messages!(columns), " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id = $3"),
        concat!(
            "SELECT ", messages!(columns), " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id = $3
             FOR NO KEY UPDATE"
        );
    CHANGE = "UPDATE messages SET content = $2, state = $3 WHERE id = $1";
    CHANGES = concat!(
        "SELECT ", messages!(columns), " FROM messages WHERE tenant_id = $1 AND about_id = $2 AND id < $3
         ORDER BY id DESC LIMIT $4 OFFSET $5"
    );
}

pub(super) fn lock(tx: &mut DbTx<'_>, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>> {
    rows!(tx.conn(), Message, FIND_LOCKED, [tenant.as_str(), device.as_str(), id.as_str()], fetch_optional)
}

pub(super) fn record(tx: &mut DbTx<'_>, message: &Message) -> Result<()> {
    let Texts { content, state, .. } = Texts::of(message)?;
    run!(tx.conn(), CHANGE, [message.id.as_str(), content.as_str(), state.as_deref()]).map(drop)
}

pub(super) fn list(
    tx: &mut DbTx<'_>,
    tenant: &TenantId,
    about: &MessageId,
    page: &PageRequest,
) -> Result<Vec<Message>> {
    let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
    rows!(tx.conn(), Message, CHANGES, [tenant.as_str(), about.as_str(), before, limit, offset], fetch_all)
}
