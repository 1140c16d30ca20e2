//! Requests (`<iq>`): one table from what is asked to who answers.
//!
//! Adding a request: a row in [`answer`], a function in the file of its area, a row in the README's table. Invariant:
//! every request is answered; one without a row gets error 501 and is counted.

mod app_state;
pub(crate) mod channels;
pub(crate) mod groups;
pub(crate) mod keys;
mod mex;
mod picture;
mod settings;
mod usync;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::connection::{Ended, Session, Standing};
use crate::faults::{self, Effect, Place, Victim};
use crate::network::Network;
use crate::pairing;
use crate::phone::companions::{share_key, unlink};
use crate::relay::Author;
use crate::stanza::{attr, attr_or_empty, children, error, jid_attr, result};

/// Seconds a client may use one set of media hosts.
const MEDIA_TTL_S: u32 = 3600;

/// One request and who makes it.
struct Request<'a> {
    id: &'a str,
    node: &'a Node,
    /// The first child, which names what is asked.
    child: Option<&'a Node>,
}

/// Answers a request, or takes the client's answer to one of ours.
pub(crate) async fn handle(network: &Arc<Network>, session: &mut Session, node: &Node) -> Result<(), Ended> {
    let id = attr_or_empty(node, "id");
    let kind = attr_or_empty(node, "type");
    if kind == "result" || kind == "error" {
        pairing::answered(network, session, &id, node).await?;
        return Ok(());
    }
    let reply = match &session.standing {
        Standing::Device(author) => {
            let author = author.clone();
            let of = attr_or_empty(node, "xmlns");
            let victim = Victim { phone: &author.account.pn, device: author.device, of: &of };
            match faults::delayed(network.faults.strike(Place::Request, victim)).await {
                Some(Effect::Drop) => return Ok(()),
                Some(Effect::Refuse(code)) => return session.send(error(&id, code, "fault")).await,
                _ => {}
            }
            let request = Request { id: &id, node, child: children(node).first() };
            let (reply, news) = match attr(node, "xmlns").as_deref() {
                Some("w:g2") => groups::answer(network, &author, &id, node),
                _ => (answer(network, &author, &request), Vec::new()),
            };
            let refused = attr(&reply, "type").is_some_and(|kind| kind == "error");
            session.send(reply).await?;
            if refused {
                return Ok(());
            }
            news.into_iter().for_each(|news| news.tell(network));
            return follow_up(network, session, &author, node, &kind).await;
        }
        Standing::Applicant(_) => answer_applicant(network, session, &id, node),
        Standing::Nobody => error(&id, 401, "not-authorized"),
    };
    session.send(reply).await
}

/// What must come after the answer has been written.
async fn follow_up(
    network: &Arc<Network>,
    session: &Session,
    author: &Author,
    node: &Node,
    kind: &str,
) -> Result<(), Ended> {
    match (attr_or_empty(node, "xmlns").as_str(), kind) {
        ("passive", "set") if node.get_optional_child("active").is_some() => session.activate(network),
        ("encrypt", "set") => {
            let (network, author) = (Arc::clone(network), author.clone());
            let tracker = network.tasks.clone();
            tracker.spawn(async move { share_key(&network, &author.account, author.device).await });
        }
        ("md", "set") if node.get_optional_child("remove-companion-device").is_some() => {
            let device = node
                .get_optional_child("remove-companion-device")
                .and_then(|remove| jid_attr(remove, "jid"))
                .map_or(author.device, |jid| jid.device);
            unlink(network, &author.account, device);
        }
        _ => {}
    }
    Ok(())
}

fn answer_applicant(network: &Network, session: &Session, id: &str, node: &Node) -> Node {
    match (attr_or_empty(node, "xmlns").as_str(), children(node).first()) {
        ("w:p", _) => pong(id),
        ("md", Some(child)) if child.tag == "link_code_companion_reg" => {
            pairing::code::answer(network, session, id, child)
        }
        _ => unknown(network, id, node),
    }
}

fn answer(network: &Network, author: &Author, request: &Request<'_>) -> Node {
    let Request { id, node, child } = *request;
    let (xmlns, kind) = (attr_or_empty(node, "xmlns"), attr_or_empty(node, "type"));
    let tag = child.map(|child| child.tag.as_ref()).unwrap_or_default();
    match (xmlns.as_str(), kind.as_str(), tag) {
        ("w:p", _, _) => pong(id),
        ("passive", "set", _) => result(id, vec![]),
        ("encrypt", "get", "key") => keys::fetch(network, request),
        ("encrypt", "get", "count") => keys::count(author, request),
        ("encrypt", "get", "digest") => keys::digest(author, request),
        ("encrypt", "set", "rotate") => keys::rotate(network, author, request),
        ("encrypt", "set", _) => keys::upload(network, author, request),
        ("usync", "get", "usync") => usync::answer(network, request),
        ("w:sync:app:state", _, _) => app_state::sync(network, author, request),
        ("w:m", "set", _) => result(id, vec![media_conn(network)]),
        ("abt", "get", _) => settings::props(author, request),
        ("blocklist", "get", _) => settings::block_list(author, request),
        ("blocklist", "set", _) => settings::block(network, author, request),
        ("privacy", "get", _) => settings::privacy(author, request),
        ("privacy", "set", _) => settings::set_privacy(network, author, request),
        ("status", "set", _) => settings::set_about(network, author, request),
        ("w:profile:picture", "get", _) => picture::get(network, author, request),
        ("w:profile:picture", "set", _) => picture::set(network, author, request),
        ("w:biz", "get", _) => settings::business(request),
        ("newsletter", _, _) => channels::answer(network, author, request),
        ("w:mex", "get", "query") => mex::answer(network, author, request),
        ("md", "set", "remove-companion-device") => settings::logout(author, request),
        ("disappearing_mode" | "urn:xmpp:whatsapp:dirty" | "w:stats" | "spam" | "tos", _, _) => result(id, vec![]),
        ("urn:xmpp:whatsapp:push", "set", _) => result(id, vec![]),
        _ => unknown(network, id, node),
    }
}

/// The answer to a ping; `t` lets the client measure its clock's offset.
fn pong(id: &str) -> Node {
    let mut pong = result(id, vec![]);
    pong.attrs.insert("t", crate::clock::now_s());
    pong
}

fn unknown(network: &Network, id: &str, node: &Node) -> Node {
    network.counters.unknown_requests.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(
        xmlns = %attr(node, "xmlns").unwrap_or_default(),
        request = %children(node).first().map(|child| child.tag.as_ref()).unwrap_or_default(),
        "sandbox answers an unknown request with 501"
    );
    error(id, 501, "feature-not-implemented")
}

fn media_conn(network: &Network) -> Node {
    let host = NodeBuilder::new("host").attr("hostname", network.media.host()).attr("type", "primary").build();
    NodeBuilder::new("media_conn")
        .attr("auth", "sandbox")
        .attr("ttl", MEDIA_TTL_S)
        .attr("auth_ttl", MEDIA_TTL_S)
        .attr("max_buckets", 12u8)
        .children([host])
        .build()
}
