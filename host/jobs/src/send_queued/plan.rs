//! What one device's sender remembers, and what it does next. Pure: the time is an argument, and there is no I/O.
//!
//! Order: messages go in the order they were made. A message that pacing holds back lets messages of other chats pass, never
//! those of its own chat.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use portico_core::id::MessageId;
use portico_core::message::Message;
use portico_core::ports::plugins::Decision;
use portico_core::time::UtcMs;
use tokio::time::Instant;

use crate::config::SendConfig;

/// Pacing is asked again this long after its first, second, … failure in a row; the last one is repeated.
const CLOSED: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
/// A hold lasts at least this long.
const HOLD_MIN: Duration = Duration::from_secs(1);
/// While too many messages lack their acknowledgement, the queue is read again this often.
const CROWDED: Duration = Duration::from_secs(1);

/// The memory of one device's sender.
#[derive(Default)]
pub(super) struct Plan {
    /// Since when the connection lasts that `written` is about.
    connection: Option<UtcMs>,
    written: HashMap<MessageId, Instant>,
    /// Pacing let these go, from that time on.
    cleared: HashMap<MessageId, Instant>,
    /// Pacing holds these back until that time.
    held: HashMap<MessageId, Instant>,
    closed_until: Option<Instant>,
    failures: u32,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Write the message at this place of the queue.
    Send(usize),
    /// Ask pacing about the messages at these places.
    Ask(Vec<usize>),
    /// Nothing until then; `None`: until a wake-up.
    Wait(Option<Instant>),
}

impl Plan {
    /// The device is connected since then. What was written to an earlier connection is to be written again; pacing has
    /// let it go already. Says whether this is another connection than before.
    pub(super) fn connected(&mut self, since: UtcMs, now: Instant) -> bool {
        if self.connection == Some(since) {
            return false;
        }
        self.connection = Some(since);
        self.cleared.extend(self.written.drain().map(|(id, _)| (id, now)));
        true
    }

    /// How many messages to read from the head of the queue, to see at least a batch that is not under way.
    pub(super) fn window(&self, config: &SendConfig) -> u32 {
        let under_way = self.written.len() + self.held.len() + self.cleared.len();
        u32::try_from(under_way).unwrap_or(u32::MAX).saturating_add(config.batch.max(1))
    }

    /// Takes note of what is still queued; `queued` is the head of the queue, [`Self::window`] long. Says how many written
    /// messages waited too long for their acknowledgement and are to be written again.
    pub(super) fn refresh(&mut self, queued: &[Message], now: Instant, config: &SendConfig) -> usize {
        let ids: HashSet<&MessageId> = queued.iter().map(|m| &m.id).collect();
        self.cleared.retain(|id, _| ids.contains(id));
        self.held.retain(|id, _| ids.contains(id));
        self.written.retain(|id, _| ids.contains(id));
        let late = self.written.extract_if(|_, at| now.duration_since(*at) >= config.acknowledge_timeout);
        let before = self.cleared.len();
        self.cleared.extend(late.map(|(id, _)| (id, now)));
        self.cleared.len() - before
    }

    /// What to do next with this queue.
    pub(super) fn next(&self, queued: &[Message], now: Instant, config: &SendConfig) -> Step {
        if self.written.len() >= config.unacknowledged_max.max(1) {
            return Step::Wait(Some(now + CROWDED));
        }
        let mut wake = self.written.values().min().map(|at| *at + config.acknowledge_timeout);
        let mut sooner = |at: Instant| wake = Some(wake.map_or(at, |w| w.min(at)));
        let waiting = || queued.iter().enumerate().filter(|(_, m)| !self.written.contains_key(&m.id));

        // What pacing let go is sent before it is asked about more: it counts each message it let go as sent.
        if let Some((place, at)) = waiting().find_map(|(i, m)| self.cleared.get(&m.id).map(|at| (i, *at))) {
            if at <= now {
                return Step::Send(place);
            }
            sooner(at);
            return Step::Wait(wake);
        }
        let full = self.held.len() >= config.held_max.max(1);
        let mut blocked = HashSet::new();
        let mut ask = Vec::new();
        for (place, message) in waiting() {
            let chat = message.chat.id.as_str();
            let held = self.held.get(&message.id).copied();
            if let Some(until) = held.filter(|until| *until > now) {
                sooner(until);
                blocked.insert(chat);
            } else if !blocked.contains(chat) && ask.len() < config.batch.max(1) as usize && (held.is_some() || !full) {
                ask.push(place);
            }
        }
        match self.closed_until {
            _ if ask.is_empty() => Step::Wait(wake),
            Some(until) if until > now => {
                sooner(until);
                Step::Wait(wake)
            }
            _ => Step::Ask(ask),
        }
    }

    /// Takes pacing's answers about these messages, in their order. Gives back which are never to be sent, and why.
    pub(super) fn answered(
        &mut self,
        asked: &[&Message],
        answers: Vec<Decision>,
        now: Instant,
    ) -> Vec<(MessageId, String)> {
        self.failures = 0;
        self.closed_until = None;
        let mut blocked = HashSet::new();
        let mut denied = Vec::new();
        for (message, answer) in asked.iter().zip(answers) {
            self.held.remove(&message.id);
            let chat = message.chat.id.as_str();
            match answer {
                Decision::Deny(why) => denied.push((message.id.clone(), why)),
                Decision::Hold { retry_after, .. } => {
                    self.held.insert(message.id.clone(), now + retry_after.max(HOLD_MIN));
                    blocked.insert(chat);
                }
                // Asked again when the message before it has gone.
                Decision::Go { .. } if blocked.contains(chat) => {}
                Decision::Go { delay } => {
                    self.cleared.insert(message.id.clone(), now + delay);
                }
            }
        }
        denied
    }

    /// Pacing gave no usable answer: everything waits.
    pub(super) fn unanswered(&mut self, now: Instant) -> Duration {
        let wait = CLOSED[(self.failures as usize).min(CLOSED.len() - 1)];
        self.failures = self.failures.saturating_add(1);
        self.closed_until = Some(now + wait);
        wait
    }

    /// The message is on the wire.
    pub(super) fn wrote(&mut self, id: &MessageId, now: Instant) {
        self.cleared.remove(id);
        self.written.insert(id.clone(), now);
    }

    /// The message waits until then, and with it what is queued behind it in its chat.
    pub(super) fn hold(&mut self, message: &Message, queued: &[Message], until: Instant) {
        for behind in queued.iter().filter(|m| m.chat.id == message.chat.id) {
            self.cleared.remove(&behind.id);
        }
        self.held.insert(message.id.clone(), until);
    }

    /// Whether reading further messages may find one that can go now: nothing that was read is on its way there, and there is
    /// room for more.
    pub(super) fn may_read_on(&self, queued: &[Message], config: &SendConfig) -> bool {
        self.written.len() < config.unacknowledged_max.max(1)
            && self.held.len() < config.held_max.max(1)
            && queued.len() < config.held_max.saturating_add(config.batch as usize)
            && queued.iter().all(|m| !self.cleared.contains_key(&m.id))
            && self.failures == 0
    }

    /// Whether the message is on the wire and not acknowledged.
    pub(super) fn is_written(&self, id: &MessageId) -> bool {
        self.written.contains_key(id)
    }

    /// The message won't be sent.
    pub(super) fn forget(&mut self, id: &MessageId) {
        self.cleared.remove(id);
        self.held.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn queue(chats: &[&str]) -> Vec<Message> {
        chats.iter().enumerate().map(|(n, chat)| testing::message(n as u128, chat)).collect()
    }

    fn answer(plan: &mut Plan, queued: &[Message], answers: Vec<Decision>, now: Instant) -> usize {
        let Step::Ask(places) = plan.next(queued, now, &SendConfig::default()) else { panic!("a question") };
        let asked: Vec<_> = places.iter().map(|p| &queued[*p]).collect();
        assert_eq!(asked.len(), answers.len());
        plan.answered(&asked, answers, now).len()
    }

    fn go(seconds: u64) -> Decision {
        Decision::Go { delay: Duration::from_secs(seconds) }
    }

    fn hold(seconds: u64) -> Decision {
        Decision::Hold { retry_after: Duration::from_secs(seconds), reason: "a test".into() }
    }

    #[test]
    fn messages_go_in_order_each_at_its_time() {
        let (mut plan, config, start) = (Plan::default(), SendConfig::default(), Instant::now());
        let queued = queue(&["a", "b"]);
        assert_eq!(answer(&mut plan, &queued, vec![go(0), go(3)], start), 0);
        assert_eq!(plan.next(&queued, start, &config), Step::Send(0));
        plan.wrote(&queued[0].id, start);
        let later = start + Duration::from_secs(3);
        assert_eq!(plan.next(&queued, start, &config), Step::Wait(Some(later)));
        assert_eq!(plan.next(&queued, later, &config), Step::Send(1));
    }

    #[test]
    fn a_message_set_aside_keeps_its_chat_and_no_other() {
        let (mut plan, start) = (Plan::default(), Instant::now());
        let queued = queue(&["a", "a", "b"]);
        answer(&mut plan, &queued, vec![go(0), go(0), go(0)], start);
        plan.hold(&queued[0], &queued, start + Duration::from_secs(9));
        assert_eq!(plan.next(&queued, start, &SendConfig::default()), Step::Send(2));
        plan.wrote(&queued[2].id, start);
        assert!(matches!(plan.next(&queued, start, &SendConfig::default()), Step::Wait(Some(_))));
        let later = start + Duration::from_secs(9);
        assert_eq!(plan.next(&queued, later, &SendConfig::default()), Step::Ask(vec![0, 1]));
    }

    #[test]
    fn a_held_message_keeps_its_chat_and_no_other() {
        let (mut plan, config, start) = (Plan::default(), SendConfig::default(), Instant::now());
        let queued = queue(&["a", "a", "b"]);
        answer(&mut plan, &queued, vec![hold(60), go(0), go(0)], start);
        assert_eq!(plan.next(&queued, start, &config), Step::Send(2));
        plan.wrote(&queued[2].id, start);
        let until = start + Duration::from_secs(60);
        assert_eq!(plan.next(&queued, start, &config), Step::Wait(Some(until)));
        plan.refresh(&queued[..2], until, &config);
        assert_eq!(plan.next(&queued[..2], until, &config), Step::Ask(vec![0, 1]));
    }

    #[test]
    fn a_written_message_is_written_again_on_a_new_connection_or_without_acknowledgement() {
        let (mut plan, config, start) = (Plan::default(), SendConfig::default(), Instant::now());
        let queued = queue(&["a"]);
        plan.connected(UtcMs(1), start);
        answer(&mut plan, &queued, vec![go(0)], start);
        plan.wrote(&queued[0].id, start);
        plan.connected(UtcMs(1), start);
        let timeout = start + config.acknowledge_timeout;
        assert_eq!(plan.next(&queued, start, &config), Step::Wait(Some(timeout)));
        assert_eq!(plan.refresh(&queued, timeout, &config), 1);
        assert_eq!(plan.next(&queued, timeout, &config), Step::Send(0), "pacing is not asked twice");

        plan.wrote(&queued[0].id, timeout);
        plan.connected(UtcMs(2), timeout);
        assert_eq!(plan.next(&queued, timeout, &config), Step::Send(0));
        plan.wrote(&queued[0].id, timeout);
        plan.refresh(&[], timeout, &config);
        assert_eq!(plan.next(&[], timeout, &config), Step::Wait(None), "acknowledged: nothing is left");
    }

    #[test]
    fn pacing_that_fails_is_asked_again_after_longer_and_longer() {
        let (mut plan, config, start) = (Plan::default(), SendConfig::default(), Instant::now());
        let queued = queue(&["a"]);
        let waits: Vec<_> = (0..5).map(|_| plan.unanswered(start).as_secs()).collect();
        assert_eq!(waits, [1, 5, 30, 120, 120]);
        let open = start + Duration::from_secs(120);
        assert_eq!(plan.next(&queued, start, &config), Step::Wait(Some(open)));
        assert_eq!(plan.next(&queued, open, &config), Step::Ask(vec![0]));
        answer(&mut plan, &queued, vec![go(0)], open);
        assert_eq!(plan.unanswered(open), Duration::from_secs(1), "an answer resets the count of failures");
    }

    #[test]
    fn denied_messages_are_told_and_leave_nothing_behind() {
        let (mut plan, config, start) = (Plan::default(), SendConfig::default(), Instant::now());
        let queued = queue(&["a", "b"]);
        assert_eq!(answer(&mut plan, &queued, vec![Decision::Deny("no".into()), go(0)], start), 1);
        plan.forget(&queued[0].id);
        assert_eq!(plan.next(&queued, start, &config), Step::Send(1));
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let config = SendConfig { unacknowledged_max: 1, held_max: 1, batch: 2, ..SendConfig::default() };
        let start = Instant::now();
        let queued = queue(&["a", "b", "c"]);
        let mut plan = Plan::default();
        assert_eq!(plan.next(&queued, start, &config), Step::Ask(vec![0, 1]), "a batch");
        plan.answered(&[&queued[0]], vec![hold(60)], start);
        assert!(matches!(plan.next(&queued, start, &config), Step::Wait(Some(_))), "one held is the limit");
        plan.wrote(&queued[1].id, start);
        assert_eq!(plan.next(&queued, start, &config), Step::Wait(Some(start + CROWDED)));
        assert_eq!(plan.window(&config), 4);
    }
}
