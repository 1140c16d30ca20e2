//! One device's sender: reads the queue, asks pacing, writes to the session.

use std::sync::Arc;
use std::time::Duration;

use portico_core::device::{Device, DeviceState};
use portico_core::id::{DeviceId, MessageId};
use portico_core::message::{Direction, Message, SendFailure, progress};
use portico_core::page::PageRequest;
use portico_core::ports::plugins::{Decision, PaceDevice, PaceQuery};
use portico_core::ports::store::MessageFilter;
use portico_core::time::UtcMs;
use portico_core::{Error, Result, Services};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, Step};
use crate::config::SendConfig;
use crate::tasks::cause;

/// How often the queue is read in one pass; then others get their turn.
const ROUNDS: u32 = 8;
/// Sent messages looked at for the time of the last one.
const RECENT: u32 = 20;
/// Waits after one, two, … failures to write in a row; the last one is repeated.
const AGAIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// A message the gateway itself fails at so often is given up.
const FAULTS_MAX: u32 = 5;
/// A message that WhatsApp was out of reach for so often makes way for other chats, for [`ASIDE`] each time.
const DOWNS_MAX: u32 = 3;
const ASIDE: Duration = Duration::from_secs(120);

/// One device's sender. Between passes it only remembers.
#[derive(Default)]
pub(super) struct Sender {
    plan: Plan,
    last_sent: Option<UtcMs>,
    /// `last_sent` was looked up.
    knows_last_sent: bool,
    failures: u32,
    /// The message that failed last, and how often in a row.
    fault: Option<(MessageId, u32)>,
}

/// What the database says about the device.
struct Look {
    device: Device,
    queued: Vec<Message>,
    /// There may be more than was read.
    more: bool,
}

/// What follows a failure to write.
#[derive(Debug, PartialEq)]
enum Trouble {
    /// Not now; try again after this long.
    Later(Duration),
    /// The session is not there; it rings when it is. This is for the case that the ring is lost.
    NoSession,
    /// Something is down; try again.
    Down,
    /// It was down too often for this one; try others first.
    Aside,
    /// A fault of the gateway; try again a few times.
    Fault,
    /// Never.
    Never(SendFailure),
}

impl Sender {
    /// Sends what may go now. Says when to come back without a ring.
    pub(super) async fn pass(
        &mut self,
        services: Arc<Services>,
        id: &DeviceId,
        config: &SendConfig,
        stop: &CancellationToken,
    ) -> Result<Option<Instant>> {
        for _ in 0..ROUNDS {
            let Some(mut look) = self.look(&services, id, config).await? else { return Ok(None) };
            loop {
                if stop.is_cancelled() {
                    return Ok(None);
                }
                match self.plan.next(&look.queued, Instant::now(), config) {
                    Step::Wait(wake) => {
                        let all_written = look.queued.iter().all(|m| self.plan.is_written(&m.id));
                        if look.more && all_written {
                            break;
                        }
                        return Ok(wake);
                    }
                    Step::Ask(places) => self.ask(&services, &mut look, &places).await?,
                    Step::Send(place) => {
                        if let Some(wait) = self.send(&services, &mut look, place, config).await? {
                            return Ok(Some(Instant::now() + wait));
                        }
                    }
                }
            }
        }
        Ok(Some(Instant::now()))
    }

    /// `None` when the device can't send.
    async fn look(&mut self, services: &Services, id: &DeviceId, config: &SendConfig) -> Result<Option<Look>> {
        let mut tx = services.ports.store.read().await?;
        let connected = tx.device_load(id).await?.filter(|d| d.state == DeviceState::Connected);
        let Some(device) = connected else { return Ok(None) };
        self.plan.connected(device.state_since, Instant::now());
        let window = self.plan.window(config);
        let queued = tx.message_queued(id, None, window).await?;
        let again = self.plan.refresh(&queued, Instant::now(), config);
        if again > 0 {
            tracing::warn!(device.id = %id, messages = again, "WhatsApp did not acknowledge messages; they are sent again");
        }
        if !self.knows_last_sent && !queued.is_empty() {
            let filter = MessageFilter { direction: Some(Direction::Out), ..MessageFilter::default() };
            let page = PageRequest { limit: RECENT, before: None };
            let recent = tx.message_list(&device.tenant, id, &filter, &page).await?;
            self.last_sent = recent.iter().filter_map(|m| m.times.sent).max();
            self.knows_last_sent = true;
        }
        let more = queued.len() >= window as usize;
        Ok(Some(Look { device, queued, more }))
    }

    async fn ask(&mut self, services: &Services, look: &mut Look, places: &[usize]) -> Result<()> {
        let asked: Vec<&Message> = places.iter().filter_map(|p| look.queued.get(*p)).collect();
        let now = services.ports.now();
        let (state, queries) = self.questions(services, &look.device, &asked, now).await?;
        let answers = match services.plugins.pace(&look.device.tenant, &look.device.id, state, queries).await {
            Ok(answers) if answers.len() == asked.len() => answers,
            wrong => {
                let wait = self.plan.unanswered(Instant::now());
                let outcome = wrong.as_ref().err().map(|f| f.outcome);
                let (id, retry_ms) = (&look.device.id, wait.as_millis());
                tracing::warn!(device.id = %id, ?outcome, retry_ms, "pacing gave no usable answer; messages wait");
                return Ok(());
            }
        };
        for answer in &answers {
            if let Decision::Hold { reason, retry_after } = answer {
                let (id, retry_ms) = (&look.device.id, retry_after.as_millis());
                tracing::debug!(device.id = %id, reason, retry_ms, "pacing holds a message back");
            }
        }
        let denied = self.plan.answered(&asked, answers, Instant::now());
        for (id, why) in denied {
            let Some(place) = look.queued.iter().position(|m| m.id == id) else { continue };
            let message = look.queued.remove(place);
            let failure =
                SendFailure { code: "denied_by_pacing".to_owned(), text: format!("pacing denied the message: {why}") };
            progress::failed(&services.ports, &message, failure).await?;
            self.plan.forget(&id);
        }
        Ok(())
    }

    async fn questions(
        &self,
        services: &Services,
        device: &Device,
        asked: &[&Message],
        now: UtcMs,
    ) -> Result<(PaceDevice, Vec<PaceQuery>)> {
        let mut tx = services.ports.store.read().await?;
        let mut queries = Vec::with_capacity(asked.len());
        for (i, message) in asked.iter().enumerate() {
            let chat = message.chat.id.as_str();
            let earlier_here = asked.iter().take(i).any(|m| m.chat.id == chat);
            queries.push(PaceQuery {
                id: message.id.to_string(),
                chat_kind: message.chat.kind(),
                first_contact: !earlier_here && !tx.message_sent_before(&device.id, chat).await?,
                kind: message.content.kind().to_owned(),
                characters: message.content.text().map_or(0, |t| u32::try_from(t.chars().count()).unwrap_or(u32::MAX)),
                waited: now.since(message.created_at),
            });
        }
        let state = PaceDevice {
            age_days: u32::try_from(now.since(device.created_at).as_secs() / (24 * 3600)).unwrap_or(u32::MAX),
            queued: tx.message_count_queued(&device.id).await?,
            since_last_send: self.last_sent.map(|at| now.since(at)),
        };
        Ok((state, queries))
    }

    /// Writes one message. `Some` when the pass ends: how long until the next.
    async fn send(
        &mut self,
        services: &Services,
        look: &mut Look,
        place: usize,
        config: &SendConfig,
    ) -> Result<Option<Duration>> {
        let Some(message) = look.queued.get(place) else { return Ok(None) };
        let writing = async {
            let outgoing = message.outgoing()?;
            services.sessions.send(&look.device.id, &outgoing).await
        };
        let written = tokio::time::timeout(config.write_timeout, writing).await;
        let error = match written.unwrap_or_else(|_| Err(Error::unavailable("the session", "writing took too long"))) {
            Ok(()) => {
                self.plan.wrote(&message.id, Instant::now());
                self.last_sent = Some(services.ports.now());
                self.failures = 0;
                self.fault = None;
                return Ok(None);
            }
            Err(error) => error,
        };
        let trouble = self.weigh(&message.id, trouble(&error));
        let code = error.code();
        tracing::warn!(device.id = %look.device.id, message.id = %message.id, code, error = cause(&error), "a message could not be sent");
        match trouble {
            Trouble::Later(wait) => Ok(Some(wait)),
            Trouble::Aside => {
                self.plan.hold(message, &look.queued, Instant::now() + ASIDE);
                Ok(None)
            }
            Trouble::NoSession | Trouble::Down | Trouble::Fault => {
                let wait = AGAIN[(self.failures as usize).min(AGAIN.len() - 1)];
                self.failures = self.failures.saturating_add(1);
                Ok(Some(wait))
            }
            Trouble::Never(failure) => {
                let message = look.queued.remove(place);
                progress::failed(&services.ports, &message, failure).await?;
                self.plan.forget(&message.id);
                Ok(None)
            }
        }
    }

    /// Gives a message up that the gateway failed at too often, and sets one aside that WhatsApp can't be reached for though
    /// the device is connected: those behind it must not wait for ever.
    fn weigh(&mut self, id: &MessageId, trouble: Trouble) -> Trouble {
        if !matches!(trouble, Trouble::Fault | Trouble::Down) {
            return trouble;
        }
        let count = match &self.fault {
            Some((known, count)) if known == id => count + 1,
            _ => 1,
        };
        self.fault = Some((id.clone(), count));
        match trouble {
            Trouble::Down if count >= DOWNS_MAX => return Trouble::Aside,
            Trouble::Fault if count >= FAULTS_MAX => {}
            trouble => return trouble,
        }
        let text = "the gateway could not prepare the message; its log has the reason".to_owned();
        Trouble::Never(SendFailure { code: "internal".to_owned(), text })
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Busy { retry_after, .. } => Trouble::Later((*retry_after).max(Duration::from_secs(1))),
        Error::NotReady { .. } | Error::NotFound { .. } => Trouble::NoSession,
        Error::Unavailable { .. } => Trouble::Down,
        Error::Internal { .. } => Trouble::Fault,
        Error::Invalid { .. }
        | Error::Unsupported { .. }
        | Error::TooLarge { .. }
        | Error::Refused { .. }
        | Error::Conflict { .. }
        | Error::Unauthenticated { .. }
        | Error::Forbidden { .. } => {
            Trouble::Never(SendFailure { code: error.code().to_owned(), text: error.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_work_fails_a_message() {
        let busy = Error::Busy { why: "a limit".into(), retry_after: Duration::from_secs(9) };
        assert_eq!(trouble(&busy), Trouble::Later(Duration::from_secs(9)));
        let gone = Error::NotReady { state: DeviceState::Reconnecting, hint: "wait" };
        assert_eq!(trouble(&gone), Trouble::NoSession);
        assert_eq!(trouble(&Error::unavailable("the session", "broken")), Trouble::Down);
        let refused = Error::Refused { code: "not_on_whatsapp", why: "nobody there".into() };
        assert!(matches!(trouble(&refused), Trouble::Never(f) if f.code == "not_on_whatsapp"));
    }

    #[test]
    fn a_message_that_never_gets_through_is_set_aside() {
        let mut sender = Sender::default();
        let (stuck, other) = (MessageId::new(1, 1), MessageId::new(1, 2));
        for _ in 1..DOWNS_MAX {
            assert_eq!(sender.weigh(&stuck, Trouble::Down), Trouble::Down);
        }
        assert_eq!(sender.weigh(&stuck, Trouble::Down), Trouble::Aside);
        assert_eq!(sender.weigh(&other, Trouble::Down), Trouble::Down);
    }

    #[test]
    fn a_message_the_gateway_keeps_failing_at_makes_way() {
        let mut sender = Sender::default();
        let (poison, other) = (MessageId::new(1, 1), MessageId::new(1, 2));
        for _ in 1..FAULTS_MAX {
            assert_eq!(sender.weigh(&poison, Trouble::Fault), Trouble::Fault);
        }
        assert!(matches!(sender.weigh(&poison, Trouble::Fault), Trouble::Never(_)));
        assert_eq!(sender.weigh(&other, Trouble::Fault), Trouble::Fault);
    }
}
