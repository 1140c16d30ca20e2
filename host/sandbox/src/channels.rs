//! Channels (WhatsApp calls them newsletters): posts that anyone may follow. They are not end-to-end encrypted, so the
//! server keeps them and counts reactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore_binary::{Jid, Server};

use crate::clock::now_s;
use crate::identity::{random, random_hex};
use crate::sync::held;

/// The number of a channel's first post; clients take smaller ones for none.
const FIRST_POST: u64 = 100;

/// One post.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Post {
    /// The stanza's id, which edits name.
    pub(crate) id: String,
    /// The number within the channel, which reactions and pages name.
    pub(crate) server_id: u64,
    pub(crate) t_s: u64,
    /// `text`, `media`, …
    pub(crate) kind: String,
    pub(crate) media_type: Option<String>,
    #[serde(with = "crate::bytes_text")]
    pub(crate) content: Vec<u8>,
    /// The author's number.
    pub(crate) by: String,
    /// Reactions by the reacting number.
    pub(crate) reactions: BTreeMap<String, String>,
}

impl Post {
    /// How often each reaction was given.
    pub(crate) fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for code in self.reactions.values() {
            *counts.entry(code.as_str()).or_default() += 1;
        }
        counts
    }
}

/// One channel.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Channel {
    /// The digits before `@newsletter`.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) created_s: u64,
    pub(crate) invite: String,
    /// The owner's number.
    pub(crate) owner: String,
    pub(crate) followers: BTreeSet<String>,
    /// Followers that muted it.
    pub(crate) muted: BTreeSet<String>,
    pub(crate) posts: VecDeque<Post>,
    next_post: u64,
    /// Devices that hear of reactions, as (number, device), and until when.
    #[serde(skip)]
    pub(crate) live: BTreeMap<(String, u16), u64>,
}

impl Channel {
    /// The channel's JID.
    pub(crate) fn jid(&self) -> Jid {
        Jid::new(self.id.as_str(), Server::Newsletter)
    }

    /// What a number is to the channel.
    pub(crate) fn role(&self, number: &str) -> &'static str {
        match () {
            () if self.owner == number => "owner",
            () if self.followers.contains(number) => "subscriber",
            () => "guest",
        }
    }

    /// Adds a post; beyond the limit the oldest is forgotten.
    pub(crate) fn publish(&mut self, mut post: Post, posts_max: usize) -> u64 {
        post.server_id = self.next_post;
        self.next_post += 1;
        let server_id = post.server_id;
        self.posts.push_back(post);
        if self.posts.len() > posts_max {
            self.posts.pop_front();
        }
        server_id
    }

    /// A page of at most `count` posts before one, oldest first.
    pub(crate) fn page(&self, count: usize, before: Option<u64>) -> Vec<Post> {
        let older: Vec<&Post> =
            self.posts.iter().filter(|post| before.is_none_or(|before| post.server_id < before)).collect();
        older.iter().skip(older.len().saturating_sub(count)).map(|post| (*post).clone()).collect()
    }

    /// The post with this number.
    pub(crate) fn post_mut(&mut self, server_id: u64) -> Option<&mut Post> {
        self.posts.iter_mut().find(|post| post.server_id == server_id)
    }
}

/// All channels, by id.
#[derive(Default)]
pub(crate) struct Channels {
    by_id: Mutex<BTreeMap<String, Channel>>,
}

impl Channels {
    /// Opens a channel; `None` at the limit.
    pub(crate) fn create(&self, owner: &str, name: &str, description: &str, channels_max: usize) -> Option<Channel> {
        let mut by_id = held(&self.by_id);
        if by_id.len() >= channels_max {
            return None;
        }
        let channel = Channel {
            id: format!("1203630{:011}", u64::from_be_bytes(random()) % 100_000_000_000),
            name: name.to_owned(),
            description: description.to_owned(),
            created_s: now_s(),
            invite: random_hex::<11>(),
            owner: owner.to_owned(),
            followers: BTreeSet::new(),
            muted: BTreeSet::new(),
            posts: VecDeque::new(),
            next_post: FIRST_POST,
            live: BTreeMap::new(),
        };
        by_id.insert(channel.id.clone(), channel.clone());
        Some(channel)
    }

    /// Puts a channel back, as a snapshot kept it.
    pub(crate) fn restore(&self, channel: Channel) {
        held(&self.by_id).insert(channel.id.clone(), channel);
    }

    /// Reads or changes one channel.
    pub(crate) fn with<T>(&self, jid: &Jid, action: impl FnOnce(&mut Channel) -> T) -> Option<T> {
        if jid.server != Server::Newsletter {
            return None;
        }
        held(&self.by_id).get_mut(jid.user.as_str()).map(action)
    }

    /// The channel an invite code leads to.
    pub(crate) fn find_invite(&self, code: &str) -> Option<Channel> {
        held(&self.by_id).values().find(|channel| channel.invite == code).cloned()
    }

    /// Removes a channel of this owner.
    pub(crate) fn remove(&self, jid: &Jid, owner: &str) -> Option<Channel> {
        let mut by_id = held(&self.by_id);
        by_id.get(jid.user.as_str()).filter(|channel| channel.owner == owner)?;
        by_id.remove(jid.user.as_str())
    }

    /// All channels, by id.
    pub(crate) fn all(&self) -> Vec<Channel> {
        held(&self.by_id).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: &str) -> Post {
        Post {
            id: id.to_owned(),
            server_id: 0,
            t_s: 1,
            kind: "text".to_owned(),
            media_type: None,
            content: Vec::new(),
            by: "15550100001".to_owned(),
            reactions: BTreeMap::new(),
        }
    }

    #[test]
    fn pages_go_back_from_the_newest() {
        let channels = Channels::default();
        let mut channel = channels.create("15550100001", "News", "", 1).expect("below the limit");
        assert!(channels.create("15550100001", "More", "", 1).is_none());
        for id in ["A", "B", "C", "D"] {
            channel.publish(post(id), 3);
        }
        let ids = |page: Vec<Post>| page.into_iter().map(|post| post.id).collect::<Vec<_>>();
        assert_eq!(ids(channel.page(9, None)), ["B", "C", "D"]);
        assert_eq!(ids(channel.page(1, Some(103))), ["C"]);
        channel.post_mut(103).expect("D").reactions.extend([("1", "x"), ("2", "x")].map(|(a, b)| (a.into(), b.into())));
        assert_eq!(channel.post_mut(103).expect("D").counts(), BTreeMap::from([("x", 2)]));
    }
}
