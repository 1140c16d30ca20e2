//! A transaction that writes, as the rules see it: the rows, the time, and which tasks to wake once it is durable.

use std::ops::{Deref, DerefMut};

use crate::context::Ports;
use crate::id::MessageId;
use crate::limits::Limits;
use crate::ports::Topic;
use crate::ports::store::Tx;
use crate::time::UtcMs;

/// One transaction that writes. Reaches the rows like a [`Tx`].
pub struct Write<'t> {
    tx: &'t mut dyn Tx,
    ports: &'t Ports,
    topics: Vec<Topic>,
    messages: Vec<MessageId>,
}

impl<'t> Write<'t> {
    pub(crate) fn new(tx: &'t mut dyn Tx, ports: &'t Ports) -> Self {
        Self { tx, ports, topics: Vec::new(), messages: Vec::new() }
    }

    /// Has the tasks that wait on `topic` woken once the transaction is durable.
    pub fn wake(&mut self, topic: Topic) {
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    /// Has those woken who wait for what becomes of these messages, once the transaction is durable.
    pub(crate) fn told_of<'m>(&mut self, messages: impl IntoIterator<Item = &'m MessageId>) {
        self.messages.extend(messages.into_iter().cloned());
    }

    /// The ports, for what needs neither rows nor waiting: sealing, randomness.
    pub fn ports(&self) -> &'t Ports {
        self.ports
    }

    /// Limits of the rules.
    pub fn limits(&self) -> &'t Limits {
        &self.ports.limits
    }

    /// Now.
    pub fn now(&self) -> UtcMs {
        self.ports.now()
    }

    /// A fresh id, made by `make` (such as `DeviceId::new`).
    pub fn fresh<T>(&self, make: impl FnOnce(i64, u128) -> T) -> T {
        self.ports.fresh(make)
    }

    pub(crate) fn into_wakeups(self) -> (Vec<Topic>, Vec<MessageId>) {
        (self.topics, self.messages)
    }
}

impl<'t> Deref for Write<'t> {
    type Target = dyn Tx + 't;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl DerefMut for Write<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.tx
    }
}
