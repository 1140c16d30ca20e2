//! Messages.

use std::collections::BTreeSet;

use portico_core::address::Party;
use portico_core::error::Result;
use portico_core::id::{DeviceId, MessageId, TenantId};
use portico_core::message::{
    Direction, Message, MessageContext, MessageState, MessageStatus, SendFailure, StatusTimes,
};
use portico_core::page::PageRequest;
use portico_core::ports::store::{MessageFilter, MessageTx};
use portico_core::time::UtcMs;

use crate::db::{DbTx, Mode};
use crate::row::{self, RowRef, ms};
use crate::statement::pieces;
use crate::table;

/// Where a page of a device's messages comes from; `$chat` narrows it to one chat. The comparison of pairs says nothing new.
/// Without it Postgres may go through the messages of all devices, newest first, until it has found enough of this one's.
macro_rules! page_of {
    ($chat:literal) => {
        concat!(
            " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id < $3 AND (device_id, id) < ($2, $3)
                 AND about_id IS NULL AND (CAST($5 AS TEXT) IS NULL OR direction = $5) AND (CAST($6 AS TEXT) IS NULL OR status = $6) ",
            $chat,
            " ORDER BY id DESC LIMIT $4 OFFSET $7"
        )
    };
}

/// As [`page_of`], of the few messages with one id of WhatsApp's. Compared and sorted by an expression, so that they are looked
/// up by that id and not looked for among all.
macro_rules! page_of_whatsapp_id {
    () => {
        " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id || '' < $3
             AND about_id IS NULL AND (CAST($5 AS TEXT) IS NULL OR direction = $5) AND (CAST($6 AS TEXT) IS NULL OR status = $6)
             AND (CAST($8 AS TEXT) IS NULL OR chat_id = $8) AND whatsapp_id = $9
         ORDER BY id || '' DESC LIMIT $4 OFFSET $7"
    };
}

/// Counts the messages of such pages, up to a limit ($3), in the order of `$order`: that of an index, so that no database
/// thinks of reading the whole table instead.
macro_rules! total_of {
    ($more:literal, $order:literal) => {
        concat!(
            "SELECT COUNT(*) FROM (SELECT id FROM messages WHERE tenant_id = $1 AND device_id = $2
                 AND about_id IS NULL AND (CAST($4 AS TEXT) IS NULL OR direction = $4) AND (CAST($5 AS TEXT) IS NULL OR status = $5) ",
            $more,
            " ORDER BY ",
            $order,
            " LIMIT $3) AS counted"
        )
    };
}

/// Runs one of three statements over a page of messages: that for all chats, that for the one the filter names, or that for
/// an id of WhatsApp's.
macro_rules! paged {
    ($tx:expr, $row:ty, [$all:expr, $one:expr, $id:expr], $device:expr, $filter:expr, $page:expr) => {{
        let (tenant, device): (&TenantId, &DeviceId) = $device;
        let (t, d) = (tenant.as_str(), device.as_str());
        let (before, limit, offset) = (row::cursor($page), row::page_rows($page), row::offset($page));
        let direction = $filter.direction.map(direction_name);
        let status = $filter.status.map(MessageStatus::as_str);
        let conn = $tx.conn();
        match ($filter.whatsapp_id.as_deref(), $filter.chat.as_deref()) {
            (None, None) => rows!(conn, $row, $all, [t, d, before, limit, direction, status, offset], fetch_all),
            (None, Some(chat)) => {
                rows!(conn, $row, $one, [t, d, before, limit, direction, status, offset, chat], fetch_all)
            }
            (Some(id), chat) => {
                rows!(conn, $row, $id, [t, d, before, limit, direction, status, offset, chat, id], fetch_all)
            }
        }
    }};
}

table! {
    /// A message as stored.
    messages: MessageRow<'r> => Message {
        id: &'r str,
        tenant_id: &'r str,
        device_id: &'r str,
        direction: &'r str,
        chat_id: &'r str,
        chat_pn: Option<&'r str>,
        chat_lid: Option<&'r str>,
        sender_id: Option<&'r str>,
        sender_pn: Option<&'r str>,
        sender_lid: Option<&'r str>,
        sender_name: Option<&'r str>,
        whatsapp_id: &'r str,
        content: &'r str,
        status: &'r str,
        error_code: Option<&'r str>,
        error_text: Option<&'r str>,
        created_ms: i64,
        timestamp_ms: i64,
        sent_ms: Option<i64>,
        delivered_ms: Option<i64>,
        read_ms: Option<i64>,
        played_ms: Option<i64>,
        failed_ms: Option<i64>,
        about_id: Option<&'r str>,
        state: Option<&'r str>,
        context: Option<&'r str>,
    }
}

// Behind the table, whose columns it names.
pub(crate) mod change;

statements! {
    INSERT = concat!(messages!(insert), " ON CONFLICT DO NOTHING RETURNING id");
    FIND = concat!("SELECT ", messages!(columns), " FROM messages WHERE tenant_id = $1 AND device_id = $2 AND id = $3");
    LIST = concat!("SELECT ", messages!(columns), page_of!(""));
    LIST_CHAT = concat!("SELECT ", messages!(columns), page_of!("AND chat_id = $8"));
    LIST_ID = concat!("SELECT ", messages!(columns), page_of_whatsapp_id!());
    /// Neither database reads a text to tell its length.
    LIST_BYTES = concat!("SELECT CAST(OCTET_LENGTH(content) + COALESCE(OCTET_LENGTH(state), 0) + COALESCE(OCTET_LENGTH(context), 0) AS BIGINT)", page_of!(""));
    LIST_CHAT_BYTES = concat!("SELECT CAST(OCTET_LENGTH(content) + COALESCE(OCTET_LENGTH(state), 0) + COALESCE(OCTET_LENGTH(context), 0) AS BIGINT)", page_of!("AND chat_id = $8"));
    LIST_ID_BYTES = concat!("SELECT CAST(OCTET_LENGTH(content) + COALESCE(OCTET_LENGTH(state), 0) + COALESCE(OCTET_LENGTH(context), 0) AS BIGINT)", page_of_whatsapp_id!());
    TOTAL = total_of!("AND id < '~' AND (device_id, id) < ($2, '~')", "id DESC");
    TOTAL_CHAT = total_of!("AND id < '~' AND (device_id, id) < ($2, '~') AND chat_id = $6", "id DESC");
    TOTAL_ID = total_of!("AND (CAST($6 AS TEXT) IS NULL OR chat_id = $6) AND whatsapp_id = $7", "whatsapp_id");
    FIND_ANYWHERE = concat!("SELECT ", messages!(columns), " FROM messages WHERE tenant_id = $1 AND id = $2");
    DELETE_FILE = "UPDATE messages SET file_deleted_ms = $3 WHERE tenant_id = $1 AND id = $2";
    FILE_DELETED = "SELECT id FROM messages WHERE tenant_id = $1 AND id = $2 AND file_deleted_ms IS NOT NULL";
    /// By the tenant's devices, of which there are far fewer than messages.
    BY_WHATSAPP_ID = concat!(
        "SELECT ", messages!(columns), " FROM messages
         WHERE device_id IN (SELECT id FROM devices WHERE tenant_id = $1) AND whatsapp_id = $2
         ORDER BY id || '' DESC LIMIT $3"
    );
    BY_WHATSAPP_ID_DEVICE = concat!(
        "SELECT ", messages!(columns), " FROM messages
         WHERE tenant_id = $1 AND device_id = $4 AND whatsapp_id = $2 ORDER BY id || '' DESC LIMIT $3"
    );
    /// Sorted by an expression: ordering by the bare `id` makes SQLite walk all messages of the device by the index that has
    /// them in that order, instead of looking the few up by their WhatsApp ids.
    SENT = concat!(
        "SELECT ", messages!(columns), " FROM messages
         WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id || ''"
    );
    /// As `SENT`; locked until the end, in one order.
    SENT_LOCKED =
        concat!(
            "SELECT ", messages!(columns), " FROM messages
             WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id || ''"
        ),
        concat!(
            "SELECT ", messages!(columns), " FROM messages
             WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id || '' FOR NO KEY UPDATE"
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
        "SELECT ", messages!(columns), " FROM messages WHERE device_id = $1 AND status = 'queued' AND id > $2
         ORDER BY id LIMIT $3"
    );
    COUNT_QUEUED = "SELECT COUNT(*) FROM messages WHERE device_id = $1 AND status = 'queued'";
    SENT_BEFORE =
        "SELECT id FROM messages
         WHERE device_id = $1 AND chat_id = $2 AND direction = 'out' AND status NOT IN ('queued', 'failed') LIMIT 1";
}

/// What is stored of a message as JSON.
struct Texts {
    content: String,
    /// `None` as long as nothing became of it.
    state: Option<String>,
    /// `None` when there is nothing around it.
    context: Option<String>,
}

/// The JSON of a value, unless it is the default.
fn unless_default<T: Default + PartialEq + serde::Serialize>(value: &T) -> Result<Option<String>> {
    if *value == T::default() { Ok(None) } else { row::json(value).map(Some) }
}

impl Texts {
    fn of(message: &Message) -> Result<Self> {
        let (state, context) = (unless_default(&message.state)?, unless_default(&message.context)?);
        Ok(Self { content: row::json(&message.content)?, state, context })
    }
}

impl<'r> MessageRow<'r> {
    fn of(message: &'r Message, texts: &'r Texts) -> Self {
        let (sender, error) = (message.sender.as_ref(), message.error.as_ref());
        Self {
            id: message.id.as_str(),
            tenant_id: message.tenant.as_str(),
            device_id: message.device.as_str(),
            direction: direction_name(message.direction),
            chat_id: &message.chat.id,
            chat_pn: message.chat.pn.as_deref(),
            chat_lid: message.chat.lid.as_deref(),
            sender_id: sender.map(|s| s.id.as_str()),
            sender_pn: sender.and_then(|s| s.pn.as_deref()),
            sender_lid: sender.and_then(|s| s.lid.as_deref()),
            sender_name: message.sender_name.as_deref(),
            whatsapp_id: &message.whatsapp_id,
            content: &texts.content,
            status: message.status.as_str(),
            error_code: error.map(|e| e.code.as_str()),
            error_text: error.map(|e| e.text.as_str()),
            created_ms: message.created_at.0,
            timestamp_ms: message.timestamp.0,
            sent_ms: ms(message.times.sent),
            delivered_ms: ms(message.times.delivered),
            read_ms: ms(message.times.read),
            played_ms: ms(message.times.played),
            failed_ms: ms(message.times.failed),
            about_id: message.about().map(MessageId::as_str),
            state: texts.state.as_deref(),
            context: texts.context.as_deref(),
        }
    }

    fn noun(&self) -> Result<Message> {
        let at = self.at();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let party = |id: &str, pn, lid| Party { id: id.to_owned(), pn: owned(pn), lid: owned(lid) };
        let error =
            |code: &str| SendFailure { code: code.to_owned(), text: self.error_text.unwrap_or_default().to_owned() };
        Ok(Message {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            device: at.id("device_id", self.device_id)?,
            direction: at.name("direction", self.direction, direction_from)?,
            chat: party(self.chat_id, self.chat_pn, self.chat_lid),
            sender: self.sender_id.map(|id| party(id, self.sender_pn, self.sender_lid)),
            sender_name: owned(self.sender_name),
            whatsapp_id: self.whatsapp_id.to_owned(),
            content: at.json("content", self.content)?,
            status: at.name("status", self.status, MessageStatus::from_name)?,
            error: self.error_code.map(error),
            created_at: UtcMs(self.created_ms),
            timestamp: UtcMs(self.timestamp_ms),
            times: StatusTimes {
                sent: self.sent_ms.map(UtcMs),
                delivered: self.delivered_ms.map(UtcMs),
                read: self.read_ms.map(UtcMs),
                played: self.played_ms.map(UtcMs),
                failed: self.failed_ms.map(UtcMs),
            },
            context: self.context.map_or_else(|| Ok(MessageContext::default()), |text| at.json("context", text))?,
            state: self.state.map_or_else(|| Ok(MessageState::default()), |text| at.json("state", text))?,
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

impl MessageTx for DbTx<'_> {
    fn message_insert(&mut self, messages: &[Message]) -> Result<BTreeSet<MessageId>> {
        let texts: Vec<Texts> = messages.iter().map(Texts::of).collect::<Result<_>>()?;
        let rows: Vec<_> = messages.iter().zip(&texts).map(|(m, texts)| MessageRow::of(m, texts)).collect();
        let mut added = BTreeSet::new();
        for piece in pieces(&rows) {
            for (id,) in self.conn().fetch_all::<(String,)>(&INSERT, piece.len(), &table::binds(piece))? {
                added.insert(RowRef::new("messages", &id).id("id", &id)?);
            }
        }
        Ok(added)
    }

    fn message_find(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>> {
        let binds = (tenant.as_str(), device.as_str(), id.as_str());
        rows!(self.conn(), Message, FIND, [binds.0, binds.1, binds.2], fetch_optional)
    }

    fn message_lock(&mut self, tenant: &TenantId, device: &DeviceId, id: &MessageId) -> Result<Option<Message>> {
        change::lock(self, tenant, device, id)
    }

    fn message_change(&mut self, message: &Message) -> Result<()> {
        change::record(self, message)
    }

    fn message_changes(&mut self, tenant: &TenantId, about: &MessageId, page: &PageRequest) -> Result<Vec<Message>> {
        change::list(self, tenant, about, page)
    }

    fn message_list(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<Message>> {
        paged!(self, Message, [LIST, LIST_CHAT, LIST_ID], (tenant, device), filter, page)
    }

    fn message_list_bytes(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<u64>> {
        let rows = paged!(self, (i64,), [LIST_BYTES, LIST_CHAT_BYTES, LIST_ID_BYTES], (tenant, device), filter, page)?;
        Ok(rows.into_iter().map(|(bytes,)| row::count(bytes)).collect())
    }

    fn message_total(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        filter: &MessageFilter,
        most: u32,
    ) -> Result<u64> {
        let (t, d, most) = (tenant.as_str(), device.as_str(), i64::from(most));
        let (direction, status) = (filter.direction.map(direction_name), filter.status.map(MessageStatus::as_str));
        let conn = self.conn();
        let (number,) = match (filter.whatsapp_id.as_deref(), filter.chat.as_deref()) {
            (None, None) => rows!(conn, (i64,), TOTAL, [t, d, most, direction, status], fetch_one)?,
            (None, Some(chat)) => rows!(conn, (i64,), TOTAL_CHAT, [t, d, most, direction, status, chat], fetch_one)?,
            (Some(id), chat) => rows!(conn, (i64,), TOTAL_ID, [t, d, most, direction, status, chat, id], fetch_one)?,
        };
        Ok(row::count(number))
    }

    fn message_find_anywhere(&mut self, tenant: &TenantId, id: &MessageId) -> Result<Option<Message>> {
        rows!(self.conn(), Message, FIND_ANYWHERE, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn message_delete_file(&mut self, tenant: &TenantId, id: &MessageId, at: UtcMs) -> Result<()> {
        run!(self.conn(), DELETE_FILE, [tenant.as_str(), id.as_str(), at.0])?;
        Ok(())
    }

    fn message_file_deleted(&mut self, tenant: &TenantId, id: &MessageId) -> Result<bool> {
        let found = rows!(self.conn(), (String,), FILE_DELETED, [tenant.as_str(), id.as_str()], fetch_optional)?;
        Ok(found.is_some())
    }

    fn message_by_whatsapp_id(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        whatsapp_id: &str,
        limit: u32,
    ) -> Result<Vec<Message>> {
        let (tenant, limit) = (tenant.as_str(), i64::from(limit));
        match device {
            None => rows!(self.conn(), Message, BY_WHATSAPP_ID, [tenant, whatsapp_id, limit], fetch_all),
            Some(device) => {
                let device = device.as_str();
                rows!(self.conn(), Message, BY_WHATSAPP_ID_DEVICE, [tenant, whatsapp_id, limit, device], fetch_all)
            }
        }
    }

    fn message_find_sent(&mut self, device: &DeviceId, whatsapp_ids: &[String]) -> Result<Vec<Message>> {
        // One order over all pieces, so that two transactions never lock the same rows crosswise.
        let mut ids: Vec<&str> = whatsapp_ids.iter().map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        let statement = match self.mode {
            Mode::Read => &SENT,
            Mode::Write => &SENT_LOCKED,
        };
        let mut found = Vec::new();
        for piece in pieces(&ids) {
            found.extend(rows_many!(self.conn(), Message, *statement, [device.as_str()], piece, |id| [*id])?);
        }
        Ok(found)
    }

    fn message_progress(&mut self, messages: &[Message]) -> Result<()> {
        for piece in pieces(messages) {
            run_many!(self.conn(), PROGRESS, [], piece, |message| [
                message.id.as_str(),
                message.status.as_str(),
                message.error.as_ref().map(|e| e.code.as_str()),
                message.error.as_ref().map(|e| e.text.as_str()),
                ms(message.times.sent),
                ms(message.times.delivered),
                ms(message.times.read),
                ms(message.times.played),
                ms(message.times.failed),
            ])?;
        }
        Ok(())
    }

    fn message_queued(&mut self, device: &DeviceId, after: Option<&MessageId>, limit: u32) -> Result<Vec<Message>> {
        let after = after.map_or("", MessageId::as_str);
        rows!(self.conn(), Message, QUEUED, [device.as_str(), after, i64::from(limit)], fetch_all)
    }

    fn message_count_queued(&mut self, device: &DeviceId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT_QUEUED, [device.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    fn message_sent_before(&mut self, device: &DeviceId, chat: &str) -> Result<bool> {
        Ok(rows!(self.conn(), (String,), SENT_BEFORE, [device.as_str(), chat], fetch_optional)?.is_some())
    }
}
