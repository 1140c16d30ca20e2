//! One device's sender: reads the queue in batches, asks pacing about each batch, writes to the session.
//!
//! One read per wake-up tells all: whether the device is connected, the next messages, and what pacing wants to know about
//! them. Messages that were read and not written stay in memory; the database remains the truth, and the queue is read anew
//! from its head with every wake-up, because another message may be stored with an earlier place in it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use portico_core::device::{Device, DeviceState};
use portico_core::id::{DeviceId, MessageId, TenantId};
use portico_core::message::{Content, Direction, Message, SendFailure, progress};
use portico_core::page::PageRequest;
use portico_core::ports::Tx;
use portico_core::ports::plugins::{Decision, PaceDevice, PaceQuery};
use portico_core::ports::store::MessageFilter;
use portico_core::ports::whatsapp::Outgoing;
use portico_core::time::UtcMs;
use portico_core::{Error, Result, Services};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, Step};
use crate::config::SendConfig;
use crate::tasks::cause;
use crate::workers::Next;

/// How often the queue is read in one pass; then devices that wait get their turn.
const READS: u32 = 8;
/// Sent messages that are read to find the time of the last one.
const RECENT: u32 = 20;
/// Chats remembered as written to before. When there are more, all are forgotten and looked up again.
const CHATS_MAX: usize = 10_000;
/// Waits after one, two, … failures to write in a row; the last one is repeated.
const RETRIES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// How often the gateway itself may fail at a message before the message fails.
const FAULTS_MAX: u32 = 5;
/// How often WhatsApp may be out of reach for a message before messages of other chats go first, for [`SET_ASIDE`] each time.
const UNREACHABLE_MAX: u32 = 3;
const SET_ASIDE: Duration = Duration::from_secs(120);

/// One device's sender. Between passes it only remembers.
#[derive(Default)]
pub(super) struct Sender {
    plan: Plan,
    tenant: Option<TenantId>,
    /// Messages that were read and not written, in their order.
    queue: Vec<Message>,
    /// The last message read, while there are more behind it.
    read_until: Option<MessageId>,
    /// Messages that can't be sent, to be recorded.
    failed: Vec<(String, SendFailure)>,
    last_sent: Option<UtcMs>,
    /// `last_sent` was looked up.
    knows_last_sent: bool,
    /// Chats the device wrote to before.
    known_chats: Arc<HashSet<String>>,
    /// Messages that waited when the queue was read last.
    queued_count: u32,
    write_failures: u32,
    /// The message that failed last, and how often in a row.
    fault: Option<(MessageId, u32)>,
}

/// What one read asks for.
struct Question {
    device: DeviceId,
    after: Option<MessageId>,
    limit: u32,
    wants_last_sent: bool,
    known_chats: Arc<HashSet<String>>,
}

/// What one read tells.
struct Reading {
    device: Device,
    queued: Vec<Message>,
    /// Of all the device's messages.
    queued_count: u32,
    last_sent: Option<UtcMs>,
    /// Chats of `queued` the device wrote to before.
    known_chats: HashSet<String>,
}

/// What follows a failure to write.
#[derive(Debug, PartialEq)]
enum Failure {
    /// Not now; try again after this long.
    Later(Duration),
    /// The session is not there; the device is woken when it is. The retry is for a lost wake-up.
    NoSession,
    /// WhatsApp is out of reach; try again.
    Unreachable,
    /// It was out of reach too often for this message; try others first.
    SetAside,
    /// A fault of the gateway; try again a few times.
    Fault,
    /// The message can never be sent.
    Never(SendFailure),
}

impl Sender {
    /// Whose device it is, once that was read.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Sends what may go now. Says when to come back without a wake-up.
    pub(super) async fn pass(
        &mut self,
        services: &Services,
        id: &DeviceId,
        config: &SendConfig,
        stop: &CancellationToken,
    ) -> Result<Next> {
        self.read_until = None;
        let next = self.send_queue(services, id, config, stop).await;
        let recorded = self.record_failed(services, id).await;
        let next = next?;
        recorded?;
        Ok(next)
    }

    async fn send_queue(
        &mut self,
        services: &Services,
        id: &DeviceId,
        config: &SendConfig,
        stop: &CancellationToken,
    ) -> Result<Next> {
        for _ in 0..READS {
            let Some(device) = self.read(services, id, config).await? else { return Ok(Next::WhenWoken) };
            loop {
                if stop.is_cancelled() {
                    return Ok(Next::WhenWoken);
                }
                match self.plan.next(&self.queue, Instant::now(), config) {
                    Step::Wait(_) if self.read_until.is_some() && self.plan.may_read_on(&self.queue, config) => break,
                    Step::Wait(wake) => return Ok(wake.map_or(Next::WhenWoken, Next::At)),
                    Step::Ask(places) => self.ask(services, &device, &places).await,
                    Step::Send(place) => {
                        if let Some(wait) = self.send(services, &device, place, config).await {
                            return Ok(Next::At(Instant::now() + wait));
                        }
                    }
                }
            }
        }
        Ok(Next::At(Instant::now()))
    }

    /// Reads the head of the queue, or goes on behind what was read. `None` when the device can't send.
    async fn read(&mut self, services: &Services, id: &DeviceId, config: &SendConfig) -> Result<Option<Device>> {
        let limit = match &self.read_until {
            None => self.plan.window(config),
            Some(_) => config.batch.max(1),
        };
        let question = Question {
            device: id.clone(),
            after: self.read_until.clone(),
            limit,
            wants_last_sent: !self.knows_last_sent,
            known_chats: self.known_chats.clone(),
        };
        let Some(reading) = services.ports.read(move |tx| question.answer(tx)).await? else { return Ok(None) };
        let Reading { device, mut queued, queued_count, last_sent, known_chats } = reading;
        let now = Instant::now();
        self.tenant = Some(device.tenant.clone());
        let is_new_connection = self.plan.connected(device.state_since, now);
        let reads_on = self.read_until.is_some();
        let more = queued.len() >= limit as usize && !(is_new_connection && reads_on);
        let last = queued.last().map(|m| m.id.clone());
        if !reads_on {
            let again = self.plan.refresh(&queued, now, config);
            if again > 0 {
                tracing::warn!(device.id = %id, messages = again, "WhatsApp did not acknowledge messages; they are sent again");
            }
            self.queue.clear();
        } else if is_new_connection {
            // What was written before has to be read again, too. The pass ends, and the new connection has woken the device
            // once more: the next pass begins at the head.
            self.queue.clear();
            queued.clear();
        }
        queued.retain(|m| !self.plan.is_written(&m.id) && !self.failed.iter().any(|(id, _)| *id == m.whatsapp_id));
        self.queue.append(&mut queued);
        self.read_until = last.filter(|_| more);
        self.queued_count = queued_count;
        if !self.knows_last_sent {
            self.last_sent = last_sent;
            self.knows_last_sent = true;
        }
        if self.known_chats.len() + known_chats.len() > CHATS_MAX {
            self.known_chats = Arc::default();
        }
        Arc::make_mut(&mut self.known_chats).extend(known_chats);
        Ok(Some(device))
    }

    async fn ask(&mut self, services: &Services, device: &Device, places: &[usize]) {
        let asked: Vec<Message> = places.iter().filter_map(|p| self.queue.get(*p)).cloned().collect();
        let (state, queries) = self.questions(device, &asked, services.ports.now());
        let answers = match services.plugins.pace(&device.tenant, &device.id, state, queries).await {
            Ok(answers) if answers.len() == asked.len() => answers,
            wrong => {
                let wait = self.plan.unanswered(Instant::now());
                let outcome = wrong.as_ref().err().map(|f| f.outcome);
                let (id, retry_ms) = (&device.id, wait.as_millis());
                tracing::warn!(device.id = %id, ?outcome, retry_ms, "pacing gave no usable answer; messages wait");
                return;
            }
        };
        for answer in &answers {
            if let Decision::Hold { reason, retry_after } = answer {
                let (id, retry_ms) = (&device.id, retry_after.as_millis());
                tracing::debug!(device.id = %id, reason, retry_ms, "pacing holds a message back");
            }
        }
        let asked: Vec<&Message> = asked.iter().collect();
        for (id, why) in self.plan.answered(&asked, answers, Instant::now()) {
            let Some(place) = self.queue.iter().position(|m| m.id == id) else { continue };
            let text = format!("pacing denied the message: {why}");
            self.give_up(place, SendFailure { code: "denied_by_pacing".to_owned(), text });
        }
    }

    fn questions(&self, device: &Device, asked: &[Message], now: UtcMs) -> (PaceDevice, Vec<PaceQuery>) {
        let mut chats_asked = HashSet::new();
        let query = |message: &Message| {
            let chat = message.chat.id.clone();
            let known = self.known_chats.contains(&chat);
            PaceQuery {
                id: message.id.to_string(),
                chat_kind: message.chat.kind(),
                first_contact: chats_asked.insert(chat) && !known,
                kind: message.content.kind().to_owned(),
                characters: message.content.text().map_or(0, |t| u32::try_from(t.chars().count()).unwrap_or(u32::MAX)),
                waited: now.since(message.created_at),
            }
        };
        let queries = asked.iter().map(query).collect();
        let state = PaceDevice {
            age_days: u32::try_from(now.since(device.created_at).as_secs() / (24 * 3600)).unwrap_or(u32::MAX),
            queued: self.queued_count,
            since_last_send: self.last_sent.map(|at| now.since(at)),
        };
        (state, queries)
    }

    /// Writes one message. `Some` when the pass ends: how long until the next.
    async fn send(
        &mut self,
        services: &Services,
        device: &Device,
        place: usize,
        config: &SendConfig,
    ) -> Option<Duration> {
        let message = self.queue.get(place)?;
        let writing = async {
            let outgoing = Outgoing::try_from(message)?;
            services.sessions.send(&device.id, &outgoing).await
        };
        let limit = match message.content {
            Content::Media(_) => config.write_file_timeout,
            Content::Text { .. } | Content::Rich(_) | Content::Change(_) | Content::Other { .. } => {
                config.write_timeout
            }
        };
        let written = tokio::time::timeout(limit, writing).await;
        let error = match written.unwrap_or_else(|_| Err(Error::unavailable("the session", "writing took too long"))) {
            Ok(()) => {
                let message = self.queue.remove(place);
                self.plan.wrote(&message.id, Instant::now());
                Arc::make_mut(&mut self.known_chats).insert(message.chat.id);
                self.last_sent = Some(services.ports.now());
                self.write_failures = 0;
                self.fault = None;
                return None;
            }
            Err(error) => error,
        };
        let id = message.id.clone();
        let failure = self.count(&id, failure(&error));
        let code = error.code();
        tracing::warn!(device.id = %device.id, message.id = %id, code, error = cause(&error), "a message could not be sent");
        match failure {
            Failure::Later(wait) => Some(wait),
            Failure::SetAside => {
                if let Some(message) = self.queue.get(place) {
                    self.plan.hold(message, &self.queue, Instant::now() + SET_ASIDE);
                }
                None
            }
            Failure::NoSession | Failure::Unreachable | Failure::Fault => {
                let wait = RETRIES[(self.write_failures as usize).min(RETRIES.len() - 1)];
                self.write_failures = self.write_failures.saturating_add(1);
                Some(wait)
            }
            Failure::Never(failure) => {
                self.give_up(place, failure);
                None
            }
        }
    }

    /// Takes a message out of the queue that won't be sent.
    fn give_up(&mut self, place: usize, failure: SendFailure) {
        let message = self.queue.remove(place);
        self.plan.forget(&message.id);
        self.failed.push((message.whatsapp_id, failure));
    }

    /// Records messages that won't be sent, all in one transaction. If that fails they are read and tried again.
    async fn record_failed(&mut self, services: &Services, device: &DeviceId) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        progress::failed(&services.ports, device, std::mem::take(&mut self.failed)).await
    }

    /// Counts failures of one message in a row: one that the gateway fails at too often is given up, and one that WhatsApp
    /// can't be reached for, although the device is connected, is set aside, so that those behind it don't wait for ever.
    fn count(&mut self, id: &MessageId, failure: Failure) -> Failure {
        if !matches!(failure, Failure::Fault | Failure::Unreachable) {
            return failure;
        }
        let count = match &self.fault {
            Some((known, count)) if known == id => count + 1,
            _ => 1,
        };
        self.fault = Some((id.clone(), count));
        match failure {
            Failure::Unreachable if count >= UNREACHABLE_MAX => return Failure::SetAside,
            Failure::Fault if count >= FAULTS_MAX => {}
            failure => return failure,
        }
        let text = "the gateway could not prepare the message; its log has the reason".to_owned();
        Failure::Never(SendFailure { code: "internal".to_owned(), text })
    }
}

impl Question {
    /// `None` when the device can't send.
    fn answer(self, tx: &mut dyn Tx) -> Result<Option<Reading>> {
        let connected = tx.device_load(&self.device)?.filter(|d| d.state == DeviceState::Connected);
        let Some(device) = connected else { return Ok(None) };
        let queued = tx.message_queued(&device.id, self.after.as_ref(), self.limit)?;
        let mut reading = Reading { device, queued, queued_count: 0, last_sent: None, known_chats: HashSet::new() };
        if reading.queued.is_empty() {
            return Ok(Some(reading));
        }
        let id = &reading.device.id;
        reading.queued_count = tx.message_count_queued(id)?;
        if self.wants_last_sent {
            let filter = MessageFilter { direction: Some(Direction::Out), ..MessageFilter::default() };
            let page = PageRequest::first(RECENT);
            let recent = tx.message_list(&reading.device.tenant, id, &filter, &page)?;
            reading.last_sent = recent.iter().filter_map(|m| m.times.sent).max();
        }
        let mut asked = HashMap::new();
        for message in reading.queued.iter().filter(|m| !self.known_chats.contains(&m.chat.id)) {
            let chat = message.chat.id.as_str();
            if !asked.contains_key(chat) {
                asked.insert(chat, tx.message_sent_before(id, chat)?);
            }
        }
        reading.known_chats = asked.into_iter().filter(|(_, sent)| *sent).map(|(chat, _)| chat.to_owned()).collect();
        Ok(Some(reading))
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Busy { retry_after, .. } => Failure::Later((*retry_after).max(Duration::from_secs(1))),
        Error::NotReady { .. } | Error::NotFound { .. } => Failure::NoSession,
        Error::Unavailable { .. } | Error::Timeout { .. } => Failure::Unreachable,
        Error::Internal { .. } => Failure::Fault,
        Error::Invalid { .. }
        | Error::Unsupported { .. }
        | Error::TooLarge { .. }
        | Error::Refused { .. }
        | Error::Gone { .. }
        | Error::Conflict { .. }
        | Error::Unauthenticated { .. }
        | Error::Forbidden { .. } => {
            Failure::Never(SendFailure { code: error.code().to_owned(), text: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests;
