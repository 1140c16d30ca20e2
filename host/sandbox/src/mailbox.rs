//! One device's queue and its link to whoever is connected for it.
//!
//! Invariant: a posted stanza stays queued until the device acknowledges it, whatever happens to the link. A link is
//! first fed from the queue (`Draining`, with back-pressure, by [`drain`]) and then live: each post is offered to it
//! at once. A live link that is full is cut; the client comes back and drains.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use crate::account::Account;
use crate::stanza::{attr, jid_attr, server};

/// How long typing is worth telling.
const HINT_LIFE: Duration = Duration::from_secs(3);
/// Hints one device may have waiting.
const HINTS_MAX: usize = 64;

/// How many stanzas one step of draining takes out of the lock.
const DRAIN_BATCH: usize = 64;

/// A stanza waiting for its acknowledgement.
pub(crate) struct Queued {
    pub(crate) seq: u64,
    pub(crate) node: Arc<Node>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Logged in, has not said `active`.
    Waiting,
    /// The queue is being sent.
    Draining,
    /// Everything queued has been offered.
    Live,
}

/// The way to a connected device.
pub(crate) struct Link {
    id: u64,
    outgoing: mpsc::Sender<Arc<Node>>,
    cut: CancellationToken,
    phase: Phase,
}

/// What happened to a posted stanza.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posted {
    /// Queued; the device is away or still draining.
    Queued,
    /// Queued and handed to the connection.
    Sent,
    /// Queued, and the connection was cut because it was full.
    Overflowed,
}

/// A device's queue and link.
#[derive(Default)]
pub(crate) struct Mailbox {
    queue: VecDeque<Queued>,
    next_seq: u64,
    link: Option<Link>,
    /// What may be lost and came while no link was live, with the time it came. Told when it is still fresh.
    hints: VecDeque<(Instant, Arc<Node>)>,
    /// Stanzas lost to the queue's limit.
    pub(crate) dropped: u64,
}

impl Mailbox {
    /// A mailbox holding what a snapshot kept.
    pub(crate) fn restored(nodes: Vec<Node>) -> Self {
        let mut mailbox = Self::default();
        for node in nodes {
            mailbox.push(Arc::new(node), usize::MAX);
        }
        mailbox
    }

    /// Queues a stanza and offers it to a live link.
    pub(crate) fn post(&mut self, node: Arc<Node>, queue_max: usize) -> Posted {
        self.push(Arc::clone(&node), queue_max);
        match &self.link {
            Some(link) if link.phase == Phase::Live => match link.outgoing.try_send(node) {
                Ok(()) => Posted::Sent,
                Err(_) => {
                    self.cut();
                    Posted::Overflowed
                }
            },
            _ => Posted::Queued,
        }
    }

    fn push(&mut self, node: Arc<Node>, queue_max: usize) {
        if self.queue.len() >= queue_max {
            self.queue.pop_front();
            self.dropped += 1;
        }
        self.next_seq += 1;
        self.queue.push_back(Queued { seq: self.next_seq, node });
    }

    /// Offers a stanza that may be lost (presence, typing) to a live link, or to one that is live soon.
    pub(crate) fn offer(&mut self, node: Arc<Node>) {
        if let Some(link) = self.link.as_ref().filter(|link| link.phase == Phase::Live) {
            // A full link loses the hint. The next stanza that must arrive cuts the link.
            let _ = link.outgoing.try_send(node);
        } else if node.tag == "chatstate" {
            self.hints.push_back((Instant::now(), node));
            if self.hints.len() > HINTS_MAX {
                self.hints.pop_front();
            }
        }
    }

    /// Takes a new link, telling the old one that it was replaced.
    pub(crate) fn attach(&mut self, id: u64, outgoing: mpsc::Sender<Arc<Node>>, cut: CancellationToken) {
        if let Some(old) = self.link.replace(Link { id, outgoing, cut, phase: Phase::Waiting }) {
            let replaced = NodeBuilder::new("stream:error")
                .children([NodeBuilder::new("conflict").attr("type", "replaced").build()])
                .build();
            if old.outgoing.try_send(Arc::new(replaced)).is_err() {
                old.cut.cancel();
            }
        }
    }

    /// Forgets the link when it is still this one; true when it was.
    pub(crate) fn detach(&mut self, id: u64) -> bool {
        let ours = self.link.as_ref().is_some_and(|link| link.id == id);
        if ours {
            self.link = None;
        }
        ours
    }

    /// Ends the link at once; the queue stays.
    pub(crate) fn cut(&mut self) {
        if let Some(link) = self.link.take() {
            link.cut.cancel();
        }
    }

    /// Sends a final stanza on the link and detaches it. The connection closes itself after a stream error.
    pub(crate) fn dismiss(&mut self, last: Node) {
        if let Some(link) = self.link.take()
            && link.outgoing.try_send(Arc::new(last)).is_err()
        {
            link.cut.cancel();
        }
    }

    /// The outgoing side of a live link, for senders that want to wait for room.
    pub(crate) fn live_outgoing(&self) -> Option<mpsc::Sender<Arc<Node>>> {
        self.link.as_ref().filter(|link| link.phase == Phase::Live).map(|link| link.outgoing.clone())
    }

    /// True while a client or the phone itself is connected.
    pub(crate) fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// How many stanzas wait for an acknowledgement.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The queued stanzas, oldest first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.queue.iter().map(|queued| queued.node.as_ref())
    }

    /// Removes the first queued stanza of this kind and id that came from this user (or any user, without one).
    pub(crate) fn acknowledge(&mut self, tag: &str, id: &str, from: impl Fn(&Jid) -> bool) -> Option<Arc<Node>> {
        let position = self.queue.iter().position(|queued| {
            queued.node.tag == tag
                && attr(&queued.node, "id").is_some_and(|theirs| theirs == id)
                && jid_attr(&queued.node, "from").is_none_or(|jid| from(&jid))
        })?;
        self.queue.remove(position).map(|queued| queued.node)
    }

    fn begin_drain(&mut self, id: u64) -> Option<(usize, u64)> {
        let link = self.link.as_mut().filter(|link| link.id == id && link.phase == Phase::Waiting)?;
        link.phase = Phase::Draining;
        Some((self.queue.len(), self.next_seq))
    }

    fn next_batch(&mut self, id: u64, after: u64, finish: Finish) -> Step {
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else {
            return Step::Gone;
        };
        let start = self.queue.partition_point(|queued| queued.seq <= after);
        let batch: Vec<_> =
            self.queue.iter().skip(start).take(DRAIN_BATCH).map(|q| (q.seq, Arc::clone(&q.node))).collect();
        match (batch.is_empty(), finish) {
            (false, _) => Step::Batch(batch),
            (true, Finish::Not) => Step::Empty,
            (true, Finish::WhenEmpty) => {
                link.phase = Phase::Live;
                let hints = std::mem::take(&mut self.hints).into_iter();
                Step::Live(hints.filter(|(came, _)| came.elapsed() < HINT_LIFE).map(|(_, node)| node).collect())
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Finish {
    Not,
    WhenEmpty,
}

enum Step {
    Gone,
    Batch(Vec<(u64, Arc<Node>)>),
    Empty,
    /// Everything queued is sent; here is what is left to hint at.
    Live(Vec<Arc<Node>>),
}

/// Sends everything queued over a new link, then the marker that ends the offline messages, then makes the link live.
///
/// Waits for room instead of cutting, so a device that was away for long can catch up over a small link.
pub(crate) async fn drain(account: Arc<Account>, device: u16, link: u64, outgoing: mpsc::Sender<Arc<Node>>) {
    let begun = account.with_device(device, |device| device.mailbox.begin_drain(link)).flatten();
    let Some((waiting, last_waiting)) = begun else {
        return;
    };
    let (mut after, mut marked) = (0, false);
    loop {
        let finish = if marked { Finish::WhenEmpty } else { Finish::Not };
        let step = account.with_device(device, |device| device.mailbox.next_batch(link, after, finish));
        let batch = match step.unwrap_or(Step::Gone) {
            Step::Gone => return,
            Step::Live(hints) => {
                for hint in hints {
                    // The link may be gone again, and the hint with it.
                    let _ = outgoing.send(hint).await;
                }
                return;
            }
            Step::Empty => Vec::new(),
            Step::Batch(batch) => batch,
        };
        let only_new = batch.first().is_none_or(|(seq, _)| *seq > last_waiting);
        if only_new && !marked {
            marked = true;
            if outgoing.send(Arc::new(end_marker(waiting))).await.is_err() {
                return;
            }
        }
        for (seq, node) in batch {
            after = seq;
            let node = if seq <= last_waiting { Arc::new(as_offline(&node)) } else { node };
            if outgoing.send(node).await.is_err() {
                return;
            }
        }
    }
}

fn end_marker(count: usize) -> Node {
    let offline = NodeBuilder::new("offline").attr("count", count.to_string()).build();
    NodeBuilder::new("ib").attr("from", server()).children([offline]).build()
}

fn as_offline(node: &Node) -> Node {
    let mut node = node.clone();
    node.attrs.insert("offline", "1");
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Arc<Node> {
        Arc::new(NodeBuilder::new("message").attr("id", id).attr("from", Jid::pn("15550100001")).build())
    }

    #[test]
    fn keeps_a_stanza_until_its_acknowledgement() {
        let mut mailbox = Mailbox::default();
        assert_eq!(mailbox.post(message("A"), 10), Posted::Queued);
        assert!(mailbox.acknowledge("receipt", "A", |_| true).is_none());
        assert!(mailbox.acknowledge("message", "A", |from| from.user == "15550100002").is_none());
        assert!(mailbox.acknowledge("message", "A", |from| from.user == "15550100001").is_some());
        assert_eq!(mailbox.len(), 0);
    }

    #[test]
    fn a_full_link_is_cut_and_nothing_is_lost() {
        let mut mailbox = Mailbox::default();
        let (outgoing, _incoming) = mpsc::channel(1);
        let cut = CancellationToken::new();
        mailbox.attach(1, outgoing, cut.clone());
        assert!(mailbox.begin_drain(1).is_some());
        assert!(matches!(mailbox.next_batch(1, 0, Finish::WhenEmpty), Step::Live(_)));
        assert_eq!(mailbox.post(message("A"), 10), Posted::Sent);
        assert_eq!(mailbox.post(message("B"), 10), Posted::Overflowed);
        assert!(cut.is_cancelled());
        assert_eq!(mailbox.len(), 2);
    }

    #[test]
    fn the_queue_drops_its_oldest_beyond_the_limit() {
        let mut mailbox = Mailbox::default();
        for id in ["A", "B", "C"] {
            mailbox.post(message(id), 2);
        }
        assert_eq!((mailbox.len(), mailbox.dropped), (2, 1));
        assert!(mailbox.acknowledge("message", "A", |_| true).is_none());
    }
}
