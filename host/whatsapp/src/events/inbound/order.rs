//! The order of messages within a chat after some could not be stored.
//!
//! WhatsApp delivers a message that was not acknowledged again, to the next connection and before everything newer. But the
//! library may still be busy with a later message of the old connection when the next one is there, and storing that one
//! first would change the order. So the messages that were refused are remembered, and until they came again, a chat
//! takes nothing but them, in their order.

use std::collections::{HashMap, VecDeque};

use whatsapp_rust::types::durability_hook::InboundMessage;

/// Refused messages remembered per session. Those beyond are not: they could be overtaken, but don't cost memory.
const REFUSED_MAX: usize = 4_096;

/// A message within a device: its chat as the library names it, and WhatsApp's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageKey {
    pub(crate) chat: String,
    pub(crate) id: String,
}

impl MessageKey {
    pub(crate) fn of(message: &InboundMessage) -> Self {
        Self { chat: message.info.source.chat.to_string(), id: message.info.id.to_string() }
    }
}

/// The messages that were refused and have not come again, by chat, oldest first.
#[derive(Default)]
pub(crate) struct RefusedMessages {
    by_chat: HashMap<String, VecDeque<String>>,
    count: usize,
}

impl RefusedMessages {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_chat.is_empty()
    }

    /// Forgets them all; says how many there were.
    pub(crate) fn clear(&mut self) -> usize {
        self.by_chat.clear();
        std::mem::take(&mut self.count)
    }

    /// Remembers messages that were refused.
    pub(crate) fn add(&mut self, keys: &[MessageKey]) {
        for key in keys {
            let waiting = self.by_chat.entry(key.chat.clone()).or_default();
            if self.count < REFUSED_MAX && !waiting.contains(&key.id) {
                waiting.push_back(key.id.clone());
                self.count += 1;
            }
        }
        self.by_chat.retain(|_, waiting| !waiting.is_empty());
    }

    /// Messages were stored: they came again.
    pub(crate) fn remove(&mut self, keys: &[MessageKey]) {
        for key in keys {
            let Some(waiting) = self.by_chat.get_mut(&key.chat) else { continue };
            if waiting.front() == Some(&key.id) {
                waiting.pop_front();
                self.count -= 1;
            }
            if waiting.is_empty() {
                self.by_chat.remove(&key.chat);
            }
        }
    }

    /// Which of some batches, given in their order, may be stored now.
    pub(crate) fn may_store<'k>(&self, batches: impl IntoIterator<Item = &'k [MessageKey]>) -> Vec<bool> {
        let mut came_again: HashMap<&str, usize> = HashMap::new();
        let mut check = |keys: &'k [MessageKey]| {
            let mut next = came_again.clone();
            for key in keys {
                let Some(waiting) = self.by_chat.get(&key.chat) else { continue };
                let position = next.entry(&key.chat).or_default();
                match waiting.get(*position) {
                    Some(id) if *id != key.id => return false,
                    Some(_) => *position += 1,
                    None => {}
                }
            }
            came_again = next;
            true
        };
        batches.into_iter().map(&mut check).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(chat: &str, id: &str) -> MessageKey {
        MessageKey { chat: chat.to_owned(), id: id.to_owned() }
    }

    #[test]
    fn a_later_message_waits_until_the_refused_ones_came_again() {
        let (first, second, third) = (key("a", "1"), key("a", "2"), key("a", "3"));
        let mut refused = RefusedMessages::default();
        refused.add(&[first.clone(), second.clone()]);
        refused.add(std::slice::from_ref(&first));
        let may = |refused: &RefusedMessages, key: &MessageKey| refused.may_store([std::slice::from_ref(key)])[0];
        assert!(!may(&refused, &third) && !may(&refused, &second));
        assert!(may(&refused, &key("b", "3")), "other chats go on");
        refused.remove(std::slice::from_ref(&first));
        assert!(!may(&refused, &third) && may(&refused, &second));
        refused.remove(std::slice::from_ref(&second));
        assert!(may(&refused, &third) && refused.is_empty());
    }

    #[test]
    fn batches_that_are_stored_together_are_looked_at_together() {
        let keys: Vec<_> = ["1", "2", "3", "4"].map(|id| key("a", id)).into();
        let mut refused = RefusedMessages::default();
        refused.add(&keys[..2]);
        assert_eq!(refused.may_store([&keys[..1], &keys[1..3], &keys[3..]]), [true, true, true]);
        assert_eq!(refused.may_store([&keys[2..3], &keys[..1], &keys[3..]]), [false, true, false]);
        assert_eq!(refused.clear(), 2);
        assert!(refused.is_empty());
    }

    #[test]
    fn the_memory_of_refused_messages_is_bounded() {
        let mut refused = RefusedMessages::default();
        let keys: Vec<_> = (0..REFUSED_MAX + 5).map(|n| key(&n.to_string(), "1")).collect();
        refused.add(&keys);
        assert_eq!(refused.clear(), REFUSED_MAX);
        refused.add(&keys[..1]);
        assert_eq!(refused.clear(), 1, "there is room again");
    }
}
