//! `w:g2`: everything a client asks about groups and communities.
//!
//! A request is answered first; then the members hear of the change ([`News`]). Rules of who may do what are in
//! [`crate::groups`]. A refusal changes nothing.

mod community;
mod create;
mod joining;
mod members;
mod settings;

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use crate::groups::Group;
use crate::groups::announce::News;
use crate::groups::describe;
use crate::network::Network;
use crate::relay::Author;
use crate::stanza::{attr, attr_or_empty, children, error, jid_attr, result};

/// Groups one batch query may name.
const BATCH_MAX: usize = 1_000;

/// Why a request is refused: a code and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(u16, &'static str);

const BAD_REQUEST: Refused = Refused(400, "bad-request");
const NOT_AUTHORIZED: Refused = Refused(401, "not-authorized");
const FORBIDDEN: Refused = Refused(403, "forbidden");
const NOT_FOUND: Refused = Refused(404, "item-not-found");
const CONFLICT: Refused = Refused(409, "conflict");
const GONE: Refused = Refused(410, "gone");
const FULL: Refused = Refused(500, "resource-limit");
const UNKNOWN: Refused = Refused(501, "feature-not-implemented");

/// What goes into the answer, and what members hear afterwards.
#[derive(Default)]
pub(super) struct Done {
    inside: Vec<Node>,
    news: Vec<News>,
}

impl Done {
    fn with(inside: Node) -> Self {
        Self { inside: vec![inside], news: Vec::new() }
    }

    fn news(news: News) -> Self {
        Self { inside: Vec::new(), news: vec![news] }
    }

    fn and(mut self, news: News) -> Self {
        self.news.push(news);
        self
    }
}

type Outcome = Result<Done, Refused>;

/// One request about groups.
struct Ask<'a> {
    network: &'a Network,
    author: &'a Author,
    /// The group it is addressed to, or the bare server.
    to: Jid,
    /// The first child, which names what is asked.
    child: &'a Node,
}

impl Ask<'_> {
    /// The asking account's number.
    fn me(&self) -> &str {
        &self.author.account.pn
    }

    /// The addressed group, whoever asks.
    fn any_group(&self) -> Result<Arc<Group>, Refused> {
        self.network.groups.find_jid(&self.to).ok_or(NOT_FOUND)
    }

    /// The addressed group, for its members.
    fn group(&self) -> Result<Arc<Group>, Refused> {
        let group = self.any_group()?;
        if group.has(self.me()) { Ok(group) } else { Err(FORBIDDEN) }
    }

    /// The addressed group, for its admins.
    fn group_as_admin(&self) -> Result<Arc<Group>, Refused> {
        let group = self.group()?;
        if group.with(|state| state.is_admin(self.me())) { Ok(group) } else { Err(NOT_AUTHORIZED) }
    }

    /// The numbers of the accounts `<participant jid/>` children name, with the JID as asked for those nobody has.
    fn participants(&self, node: &Node) -> Vec<Result<String, Jid>> {
        children(node)
            .iter()
            .filter(|child| child.tag == "participant")
            .filter_map(|child| jid_attr(child, "jid"))
            .map(|jid| self.network.directory.find_jid(&jid).map(|account| account.pn.clone()).ok_or(jid))
            .collect()
    }
}

/// Answers one request; the news are to be told after the answer was written.
pub(crate) fn answer(network: &Network, author: &Author, id: &str, node: &Node) -> (Node, Vec<News>) {
    let to = jid_attr(node, "to").unwrap_or_else(|| Jid::new("", Server::Group));
    let kind = attr_or_empty(node, "type");
    let outcome = match children(node).first() {
        Some(child) => route(&Ask { network, author, to: to.clone(), child }, &kind),
        None => Err(BAD_REQUEST),
    };
    let (mut reply, news) = match outcome {
        Ok(Done { inside, news }) => (result(id, inside), news),
        Err(Refused(code, text)) => (error(id, code, text), Vec::new()),
    };
    reply.attrs.insert("from", to);
    (reply, news)
}

fn route(ask: &Ask<'_>, kind: &str) -> Outcome {
    match (kind, ask.child.tag.as_ref()) {
        ("get", "query") => query(ask),
        ("get", "participating") => participating(ask),
        ("get", "pictures") => pictures(ask),
        ("get", "invite") => joining::invite(ask),
        ("get", "membership_approval_requests") => joining::requests(ask),
        ("get", "query_linked") => community::query_linked(ask),
        ("get", "linked_groups_participants") => community::participants(ask),
        ("set", "create") => create::create(ask),
        ("set", "leave") => members::leave(ask),
        ("set", "add" | "remove" | "promote" | "demote") => members::change(ask),
        ("set", "invite") => joining::set_invite(ask),
        ("set", "accept") => joining::accept(ask),
        ("set", "membership_requests_action") => joining::decide(ask),
        ("set", "cancel_membership_requests") => joining::cancel(ask),
        ("set", "revoke") => joining::revoke(ask),
        ("set", "links") => community::link(ask),
        ("set", "unlink") => community::unlink(ask),
        ("set", "delete_parent") => community::delete(ask),
        ("set", "join_linked_group") => community::join(ask),
        ("set", "ack") => Ok(Done::default()),
        ("set", _) => settings::set(ask),
        _ => Err(UNKNOWN),
    }
}

/// One group, or several by `<group jid/>` children.
fn query(ask: &Ask<'_>) -> Outcome {
    if ask.to.user.is_empty() {
        return batch(ask);
    }
    let group = ask.group().or_else(|refused| community::through_parent(ask).ok_or(refused))?;
    let theirs = attr(ask.child, "phash");
    // A client that holds this very member list is told nothing, which means "not modified".
    if theirs.is_some() && describe::hash(ask.network, &group).as_deref() == theirs.as_deref() {
        return Ok(Done::default());
    }
    Ok(Done::with(describe::group(ask.network, &group)))
}

fn batch(ask: &Ask<'_>) -> Outcome {
    let asked: Vec<Jid> = children(ask.child).iter().filter_map(|group| jid_attr(group, "jid")).collect();
    if asked.len() > BATCH_MAX {
        return Err(BAD_REQUEST);
    }
    let describe = |jid: &Jid| {
        let refused = |code: u16| NodeBuilder::new("group").attr("id", jid.user.as_str()).attr("error", code).build();
        match ask.network.groups.find_jid(jid) {
            Some(group) if group.has(ask.me()) => describe::group(ask.network, &group),
            Some(_) => refused(403),
            None => refused(404),
        }
    };
    let groups: Vec<Node> = asked.iter().map(describe).collect();
    Ok(Done::with(NodeBuilder::new("groups").children(groups).build()))
}

/// `<pictures><picture jid type/>…`: those that have one.
fn pictures(ask: &Ask<'_>) -> Outcome {
    let asked = children(ask.child).iter().take(BATCH_MAX);
    let shown = asked.filter_map(|picture| {
        let jid = jid_attr(picture, "jid")?;
        let id = ask.network.groups.find_jid(&jid)?.with(|state| state.picture.clone())?;
        let mut node = super::picture::describe(ask.network, &id, &attr_or_empty(picture, "type"));
        node.attrs.insert("jid", jid);
        Some(node)
    });
    Ok(Done::with(NodeBuilder::new("pictures").children(shown.collect::<Vec<_>>()).build()))
}

fn participating(ask: &Ask<'_>) -> Outcome {
    let groups = ask.network.groups.all();
    let groups = groups.iter().filter(|group| group.has(ask.me())).map(|group| describe::group(ask.network, group));
    Ok(Done::with(NodeBuilder::new("groups").children(groups.collect::<Vec<_>>()).build()))
}
