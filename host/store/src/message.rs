//! Messages.

use std::collections::BTreeSet;

use async_trait::async_trait;
use portico_core::address::Party;
use portico_core::error::Result;
use portico_core::id::{DeviceId, MessageId, TenantId};
use portico_core::message::{Direction, Message, MessageStatus, SendFailure, StatusTimes};
use portico_core::page::PageRequest;
use portico_core::ports::store::{MessageFilter, MessageTx};
use portico_core::time::UtcMs;

use crate::db::{DbTx, Mode};
use crate::flavour;
use crate::row::{self, Place, clean, clean_option, ms};
use crate::statement::pieces;

/// Where a page of a device's messages comes from; `$chat` narrows it to one chat.
macro_rules! page_of {
    ($chat:literal) => {
        concat!(
            " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id < $3
                 AND (CAST($5 AS TEXT) IS NULL OR direction = $5) AND (CAST($6 AS TEXT) IS NULL OR status = $6) ",
            $chat,
            " ORDER BY id DESC LIMIT $4"
        )
    };
}

/// Runs one of two statements over a page of messages: that for all chats, or that for the one the filter names.
macro_rules! paged {
    ($tx:expr, $row:ty, $all:expr, $one:expr, $device:expr, $filter:expr, $page:expr) => {{
        let (tenant, device): (&TenantId, &DeviceId) = $device;
        let (tenant, device) = (tenant.as_str(), device.as_str());
        let (before, limit) = (row::cursor($page), row::page_rows($page));
        let direction = $filter.direction.map(direction_name);
        let status = $filter.status.map(MessageStatus::as_str);
        match $filter.chat.as_deref() {
            None => rows!($tx.conn(), $row, $all, [tenant, device, before, limit, direction, status], fetch_all),
            Some(chat) => {
                rows!($tx.conn(), $row, $one, [tenant, device, before, limit, direction, status, chat], fetch_all)
            }
        }
    }};
}

statements! {
    INSERT = concat!(
        "INSERT INTO messages (", message_columns!(), ")
         VALUES {($, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $, $)}
         ON CONFLICT DO NOTHING RETURNING id"
    );
    FIND = concat!("SELECT ", message_columns!(), " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id = $3");
    LIST = concat!("SELECT ", message_columns!(), page_of!(""));
    LIST_CHAT = concat!("SELECT ", message_columns!(), page_of!("AND chat_id = $7"));
    /// Neither database reads a text to tell its length.
    LIST_BYTES = concat!("SELECT CAST(OCTET_LENGTH(content) AS BIGINT)", page_of!(""));
    LIST_CHAT_BYTES = concat!("SELECT CAST(OCTET_LENGTH(content) AS BIGINT)", page_of!("AND chat_id = $7"));
    SENT = concat!(
        "SELECT ", message_columns!(), " FROM messages
         WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id"
    );
    PROGRESS =
        "UPDATE messages SET status = v.column2, error_code = COALESCE(v.column3, error_code),
             error_text = COALESCE(v.column4, error_text), sent_ms = COALESCE(v.column5, sent_ms),
             delivered_ms = COALESCE(v.column6, delivered_ms), read_ms = COALESCE(v.column7, read_ms),
             played_ms = COALESCE(v.column8, played_ms), failed_ms = COALESCE(v.column9, failed_ms)
         FROM (VALUES {(CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS TEXT), CAST($ AS BIGINT),
             CAST($ AS BIGINT), CAST($ AS BIGINT), CAST($ AS BIGINT), CAST($ AS BIGINT))}) AS v
         WHERE messages.id = v.column1";
    QUEUED = concat!(
        "SELECT ", message_columns!(), " FROM messages WHERE device_id = $1 AND status = 'queued' AND id > $2
         ORDER BY id LIMIT $3"
    );
    COUNT_QUEUED = "SELECT COUNT(*) FROM messages WHERE device_id = $1 AND status = 'queued'";
    SENT_BEFORE =
        "SELECT id FROM messages
         WHERE device_id = $1 AND chat_id = $2 AND direction = 'out' AND status NOT IN ('queued', 'failed') LIMIT 1";
}

#[derive(sqlx::FromRow)]
struct MessageRow {
    id: String,
    tenant_id: String,
    device_id: String,
    direction: String,
    chat_id: String,
    chat_pn: Option<String>,
    chat_lid: Option<String>,
    sender_id: Option<String>,
    sender_pn: Option<String>,
    sender_lid: Option<String>,
    sender_name: Option<String>,
    whatsapp_id: String,
    content: String,
    status: String,
    error_code: Option<String>,
    error_text: Option<String>,
    created_ms: i64,
    timestamp_ms: i64,
    sent_ms: Option<i64>,
    delivered_ms: Option<i64>,
    read_ms: Option<i64>,
    played_ms: Option<i64>,
    failed_ms: Option<i64>,
}

impl MessageRow {
    fn noun(self) -> Result<Message> {
        let place = Place::new("messages", &self.id);
        let sender = self.sender_id.map(|id| Party { id, pn: self.sender_pn, lid: self.sender_lid });
        Ok(Message {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            device: place.id("device_id", &self.device_id)?,
            direction: place.name("direction", &self.direction, direction_from)?,
            chat: Party { id: self.chat_id, pn: self.chat_pn, lid: self.chat_lid },
            sender,
            sender_name: self.sender_name,
            whatsapp_id: self.whatsapp_id,
            content: place.json("content", &self.content)?,
            status: place.name("status", &self.status, MessageStatus::from_name)?,
            error: self.error_code.map(|code| SendFailure { code, text: self.error_text.unwrap_or_default() }),
            created_at: UtcMs(self.created_ms),
            timestamp: UtcMs(self.timestamp_ms),
            times: StatusTimes {
                sent: self.sent_ms.map(UtcMs),
                delivered: self.delivered_ms.map(UtcMs),
                read: self.read_ms.map(UtcMs),
                played: self.played_ms.map(UtcMs),
                failed: self.failed_ms.map(UtcMs),
            },
        })
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

fn direction_from(name: &str) -> Option<Direction> {
    [Direction::In, Direction::Out].into_iter().find(|d| direction_name(*d) == name)
}

#[async_trait]
impl MessageTx for DbTx {
    async fn message_insert(&mut self, messages: &[Message]) -> Result<BTreeSet<MessageId>> {
        let rows: Vec<_> = messages.iter().map(|m| Ok((m, row::json(&m.content)?))).collect::<Result<_>>()?;
        let mut added = BTreeSet::new();
        for piece in pieces(&rows) {
            let ids = rows_many!(self.conn(), (String,), INSERT, [], piece, |(message, content)| [
                message.id.as_str(),
                message.tenant.as_str(),
                message.device.as_str(),
                direction_name(message.direction),
                clean(&message.chat.id),
                clean_option(message.chat.pn.as_deref()),
                clean_option(message.chat.lid.as_deref()),
                clean_option(message.sender.as_ref().map(|s| s.id.as_str())),
                clean_option(message.sender.as_ref().and_then(|s| s.pn.as_deref())),
                clean_option(message.sender.as_ref().and_then(|s| s.lid.as_deref())),
                clean_option(message.sender_name.as_deref()),
                clean(&message.whatsapp_id),
                content.as_str(),
                message.status.as_str(),
                message.error.as_ref().map(|e| e.code.as_str()),
                clean_option(message.error.as_ref().map(|e| e.text.as_str())),
                message.created_at.0,
                message.timestamp.0,
                ms(message.times.sent),
                ms(message.times.delivered),
                ms(message.times.read),
                ms(message.times.played),
                ms(message.times.failed),
            ])?;
            for (id,) in ids {
                added.insert(Place::new("messages", &id).id("id", &id)?);
            }
        }
        Ok(added)
    }

    async fn message_find(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>> {
        let binds = (tenant.as_str(), device.as_str(), id.as_str());
        let row = rows!(self.conn(), MessageRow, FIND, [binds.0, binds.1, binds.2], fetch_optional)?;
        row.map(MessageRow::noun).transpose()
    }

    async fn message_list(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<Message>> {
        let rows = paged!(self, MessageRow, LIST, LIST_CHAT, (tenant, device), filter, page)?;
        rows.into_iter().map(MessageRow::noun).collect()
    }

    async fn message_list_bytes(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<u64>> {
        let rows = paged!(self, (i64,), LIST_BYTES, LIST_CHAT_BYTES, (tenant, device), filter, page)?;
        Ok(rows.into_iter().map(|(bytes,)| row::count(bytes)).collect())
    }

    async fn message_find_sent(&mut self, device: &DeviceId, whatsapp_ids: &[String]) -> Result<Vec<Message>> {
        // One order over all pieces, so that two transactions never lock the same rows crosswise.
        let mut ids: Vec<&str> = whatsapp_ids.iter().map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        let statement = match self.mode {
            Mode::Read => SENT,
            Mode::Write => flavour::MESSAGES_SENT_LOCKED,
        };
        let mut found = Vec::new();
        for piece in pieces(&ids) {
            let rows = rows_many!(self.conn(), MessageRow, statement, [device.as_str()], piece, |id| [*id])?;
            found.extend(rows);
        }
        found.into_iter().map(MessageRow::noun).collect()
    }

    async fn message_progress(&mut self, messages: &[Message]) -> Result<()> {
        for piece in pieces(messages) {
            run_many!(self.conn(), PROGRESS, [], piece, |message| [
                message.id.as_str(),
                message.status.as_str(),
                message.error.as_ref().map(|e| e.code.as_str()),
                clean_option(message.error.as_ref().map(|e| e.text.as_str())),
                ms(message.times.sent),
                ms(message.times.delivered),
                ms(message.times.read),
                ms(message.times.played),
                ms(message.times.failed),
            ])?;
        }
        Ok(())
    }

    async fn message_queued(
        &mut self,
        device: &DeviceId,
        after: Option<&MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>> {
        let after = after.map_or("", MessageId::as_str);
        let rows = rows!(self.conn(), MessageRow, QUEUED, [device.as_str(), after, i64::from(limit)], fetch_all)?;
        rows.into_iter().map(MessageRow::noun).collect()
    }

    async fn message_count_queued(&mut self, device: &DeviceId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT_QUEUED, [device.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    async fn message_sent_before(&mut self, device: &DeviceId, chat: &str) -> Result<bool> {
        Ok(rows!(self.conn(), (String,), SENT_BEFORE, [device.as_str(), chat], fetch_optional)?.is_some())
    }
}
