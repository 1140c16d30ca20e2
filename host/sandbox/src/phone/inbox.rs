//! A phone's log: its inbox, what became of the messages it sent, its events. Every part is bounded.
//!
//! Invariant: a message id from one sender enters the inbox once, as long as the id is remembered.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use super::event::{Change, PhoneEvent};
use super::media::MediaRef;
use crate::Limits;
use crate::clock::now_ms;

/// A message in a phone's inbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InboxEntry {
    /// The number of the event that brought it; `inbox` resumes after it.
    pub seq: u64,
    /// The message id.
    pub id: String,
    /// The other side of the chat as a number, or the JID of a group.
    pub chat: String,
    /// The author's number.
    pub from: String,
    /// The author's device.
    pub device: u16,
    /// True when a linked device of this account sent it.
    pub from_me: bool,
    /// `text`, `image`, `video`, `audio`, `document`, `sticker`, `location`, `live_location`, `contacts`, `poll`, `list`,
    /// `buttons`, `event`, `reaction`, `edit`, `revoke`, `pin`, `vote` or `other`.
    pub kind: String,
    /// The id of the message that a reaction, an edit and the like is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
    /// The id of the message that it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quoted: Option<String>,
    /// The headline of the page it shows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link_title: Option<String>,
    /// JIDs of the people it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mentions: Vec<String>,
    /// True when the phone would show it once.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub view_once: bool,
    /// True when the phone would say that it was forwarded.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub forwarded: bool,
    /// After how many seconds it would disappear.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disappears_after: Option<u32>,
    /// What else it says: the place, the cards, the poll, the menu; by the names of WhatsApp's own format.
    #[serde(skip_serializing_if = "serde_json::Value::is_null", default)]
    pub content: serde_json::Value,
    /// Text, caption, emoji, or the id of the revoked message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// True for a voice note, false for another sound file.
    #[serde(default)]
    pub voice: bool,
    /// The media's type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mime: Option<String>,
    /// A document's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_name: Option<String>,
    /// The media's size in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// True when it had waited for the phone to come online.
    pub offline: bool,
    /// When it was decrypted, in milliseconds since the Unix epoch.
    pub t_ms: u64,
}

/// A message a phone sent, with the first receipt of each kind. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SentRecord {
    /// The message id.
    pub id: String,
    /// The recipient's number, or the JID of a group.
    pub to: String,
    /// As in [`InboxEntry::kind`].
    pub kind: String,
    /// Text or caption.
    pub text: Option<String>,
    /// When it was handed to the server.
    pub sent_ms: u64,
    /// When the server acknowledged it.
    pub ack_ms: Option<u64>,
    /// The server's refusal, instead of an acknowledgement.
    pub error: Option<u16>,
    /// When a device of the recipient confirmed delivery.
    pub delivered_ms: Option<u64>,
    /// When a device that shows no ticks (its presence is unavailable) confirmed delivery.
    pub inactive_ms: Option<u64>,
    /// When it was read.
    pub read_ms: Option<u64>,
    /// When it was played.
    pub played_ms: Option<u64>,
    /// How often a device asked for it again.
    pub retries: u32,
}

/// A kept inbox entry with what is needed to download its media.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) entry: InboxEntry,
    pub(crate) media: Option<MediaRef>,
    /// The decrypted message, as its author encoded it.
    #[serde(with = "crate::bytes_text", default)]
    pub(crate) message: Vec<u8>,
}

/// A message of the past, received or sent.
pub(crate) struct Past {
    pub(crate) chat: String,
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) from_me: bool,
    pub(crate) t_ms: u64,
    pub(crate) message: Vec<u8>,
}

/// A kept sent message with what is needed to encrypt it again.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) record: SentRecord,
    #[serde(with = "crate::bytes_text")]
    pub(crate) message: Vec<u8>,
}

/// The log as kept in the snapshot: everything but the events.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SavedLog {
    newest: u64,
    text_cursor: u64,
    duplicates: u64,
    inbox: VecDeque<Stored>,
    sent: Vec<Sent>,
    seen: VecDeque<(String, String)>,
}

/// What a phone remembers.
pub(crate) struct PhoneLog {
    limits: LogLimits,
    newest: u64,
    events: VecDeque<PhoneEvent>,
    inbox: VecDeque<Stored>,
    sent: HashMap<String, Sent>,
    sent_order: VecDeque<String>,
    seen: HashSet<(String, String)>,
    seen_order: VecDeque<(String, String)>,
    /// Failed attempts per undecryptable (author, message).
    pub(crate) attempts: HashMap<(String, String), u8>,
    pub(crate) duplicates: u64,
    /// The last event `next_text` has handed out.
    pub(crate) text_cursor: u64,
}

struct LogLimits {
    events_max: usize,
    inbox_max: usize,
    sent_max: usize,
    seen_max: usize,
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) -> Option<T> {
    queue.push_back(item);
    if queue.len() > max { queue.pop_front() } else { None }
}

impl PhoneLog {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self::restored(SavedLog::default(), limits)
    }

    pub(crate) fn restored(saved: SavedLog, limits: &Limits) -> Self {
        Self {
            limits: LogLimits {
                events_max: limits.events_max,
                inbox_max: limits.inbox_max,
                sent_max: limits.sent_max,
                seen_max: limits.seen_max,
            },
            newest: saved.newest,
            events: VecDeque::new(),
            inbox: saved.inbox,
            sent_order: saved.sent.iter().map(|sent| sent.record.id.clone()).collect(),
            sent: saved.sent.into_iter().map(|sent| (sent.record.id.clone(), sent)).collect(),
            seen: saved.seen.iter().cloned().collect(),
            seen_order: saved.seen,
            attempts: HashMap::new(),
            duplicates: saved.duplicates,
            text_cursor: saved.text_cursor,
        }
    }

    pub(crate) fn save(&self) -> SavedLog {
        SavedLog {
            newest: self.newest,
            text_cursor: self.text_cursor,
            duplicates: self.duplicates,
            inbox: self.inbox.clone(),
            sent: self.sent_order.iter().filter_map(|id| self.sent.get(id).cloned()).collect(),
            seen: self.seen_order.clone(),
        }
    }

    /// The newest event's number.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Records something noticed.
    pub(crate) fn record(&mut self, change: Change) {
        self.newest += 1;
        let event = PhoneEvent { seq: self.newest, t_ms: now_ms(), change };
        push_bounded(&mut self.events, event, self.limits.events_max);
    }

    /// Shows a message unless its id was shown before; then it is counted. True when shown.
    pub(crate) fn show(&mut self, mut entry: InboxEntry, media: Option<MediaRef>, message: Vec<u8>) -> bool {
        let key = (entry.from.clone(), entry.id.clone());
        self.attempts.remove(&key);
        if !self.seen.insert(key.clone()) {
            self.repeat(entry.id, entry.from);
            return false;
        }
        if let Some(old) = push_bounded(&mut self.seen_order, key, self.limits.seen_max) {
            self.seen.remove(&old);
        }
        entry.seq = self.newest + 1;
        entry.t_ms = now_ms();
        push_bounded(&mut self.inbox, Stored { entry: entry.clone(), media, message }, self.limits.inbox_max);
        self.record(Change::Message { message: Box::new(entry) });
        true
    }

    /// Counts a repeated message.
    pub(crate) fn repeat(&mut self, id: String, from: String) {
        self.duplicates += 1;
        self.record(Change::Duplicate { id, from });
    }

    /// Counts a failed attempt to decrypt a message; the number of attempts so far.
    pub(crate) fn failed(&mut self, from: &str, id: &str) -> u8 {
        if self.attempts.len() >= self.limits.seen_max {
            self.attempts.clear();
        }
        let attempts = self.attempts.entry((from.to_owned(), id.to_owned())).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts
    }

    /// Remembers a message on its way out.
    pub(crate) fn remember_sent(&mut self, sent: Sent) {
        let id = sent.record.id.clone();
        self.sent.insert(id.clone(), sent);
        if let Some(old) = push_bounded(&mut self.sent_order, id, self.limits.sent_max) {
            self.sent.remove(&old);
        }
    }

    /// Changes the record of a sent message.
    pub(crate) fn update_sent(&mut self, id: &str, change: impl FnOnce(&mut SentRecord)) -> bool {
        self.sent.get_mut(id).map(|sent| change(&mut sent.record)).is_some()
    }

    /// A sent message.
    pub(crate) fn find_sent(&self, id: &str) -> Option<&Sent> {
        self.sent.get(id)
    }

    /// Everything sent, oldest first.
    pub(crate) fn sent(&self) -> Vec<SentRecord> {
        self.sent_order.iter().filter_map(|id| self.sent.get(id)).map(|sent| sent.record.clone()).collect()
    }

    /// The inbox after an event number, oldest first.
    pub(crate) fn inbox(&self, after: u64, limit: usize) -> Vec<InboxEntry> {
        let start = self.inbox.partition_point(|stored| stored.entry.seq <= after);
        self.inbox.iter().skip(start).take(limit).map(|stored| stored.entry.clone()).collect()
    }

    /// Everything received and sent, oldest first.
    pub(crate) fn past(&self) -> Vec<Past> {
        let received = self.inbox.iter().map(|stored| Past {
            chat: stored.entry.chat.clone(),
            id: stored.entry.id.clone(),
            from: stored.entry.from.clone(),
            from_me: stored.entry.from_me,
            t_ms: stored.entry.t_ms,
            message: stored.message.clone(),
        });
        let sent = self.sent_order.iter().filter_map(|id| self.sent.get(id)).map(|sent| Past {
            chat: sent.record.to.clone(),
            id: sent.record.id.clone(),
            from: String::new(),
            from_me: true,
            t_ms: sent.record.sent_ms,
            message: sent.message.clone(),
        });
        let mut past: Vec<Past> = received.chain(sent).collect();
        past.sort_by_key(|one| one.t_ms);
        past
    }

    /// The decrypted message of an inbox entry.
    pub(crate) fn find_message(&self, id: &str) -> Option<Vec<u8>> {
        let stored = self.inbox.iter().rev().find(|stored| stored.entry.id == id);
        stored.map(|stored| stored.message.clone())
    }

    /// An inbox message.
    pub(crate) fn find_entry(&self, id: &str) -> Option<InboxEntry> {
        self.inbox.iter().rev().find(|stored| stored.entry.id == id).map(|stored| stored.entry.clone())
    }

    /// The poll with that id in the inbox: its author's number and the secret that votes in it are encrypted under.
    pub(crate) fn find_poll(&self, id: &str) -> Option<(String, Vec<u8>)> {
        let stored = self.inbox.iter().rev().find(|stored| stored.entry.id == id)?;
        let message = wa::Message::decode_from_slice(&stored.message).ok()?;
        let secret = message.message_context_info.as_option()?.message_secret.clone()?;
        Some((stored.entry.from.clone(), secret))
    }

    /// The media of an inbox message.
    pub(crate) fn find_media(&self, id: &str) -> Option<MediaRef> {
        self.inbox.iter().rev().find(|stored| stored.entry.id == id).and_then(|stored| stored.media.clone())
    }

    /// Events after a number, oldest first.
    pub(crate) fn events(&self, after: u64, limit: usize) -> Vec<PhoneEvent> {
        let start = self.events.partition_point(|event| event.seq <= after);
        self.events.iter().skip(start).take(limit).cloned().collect()
    }

    /// The next received text after the cursor, moving the cursor past it.
    pub(crate) fn next_text(&mut self) -> Option<InboxEntry> {
        let start = self.inbox.partition_point(|stored| stored.entry.seq <= self.text_cursor);
        let entry = self
            .inbox
            .iter()
            .skip(start)
            .map(|stored| &stored.entry)
            .find(|entry| entry.kind == "text" && !entry.from_me)?
            .clone();
        self.text_cursor = entry.seq;
        Some(entry)
    }
}
