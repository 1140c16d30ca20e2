//! The plugins on the other side of one socket.
//!
//! Where several plugins serve one path, the client has to tell which API it speaks. Its first message that one of them
//! replies to decides: that one has the client for itself from then on. Some clients never say anything; so all are served
//! until then, but nothing is sent before the client had a moment for its first message: one that is about to subscribe must
//! not get events of another API.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::ws::close_code;
use portico_core::access::Caller;
use portico_core::device::names::names;
use portico_core::event::{Event, EventKind};
use portico_core::ports::plugins::{
    Outcome, PluginFailure, SOCKET_EVENTS_MAX, SocketAnswer, SocketCall, SocketHappening, SocketReply,
};
use tokio::time::Instant;

use super::endpoints::{Claim, Table};
use crate::api::App;
use crate::dialect;
use crate::metrics::Gauge;
use crate::problem::Problem;

/// How long a client has for its first message before all plugins that want it are served.
const FIRST_MESSAGE_WAIT: Duration = Duration::from_secs(2);
/// How often a call that found the plugin busy or left alone is made again, and after which wait. Together they outlast the
/// pause of a circuit breaker.
const RETRIES: u32 = 20;
const RETRY_WAIT: Duration = Duration::from_secs(2);
/// Frames that wait for one client's first message at most.
const HELD_MAX: usize = 1_000;

/// Why this side ends a socket: code and reason of the close frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended(pub(super) u16, pub(super) String);

/// What is sent, and whether that was all.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) frames: Vec<String>,
    pub(super) ended: Option<Ended>,
}

/// One plugin.
struct Party {
    plugin: String,
    kinds: Vec<EventKind>,
    state: String,
    /// Said before the client had its moment.
    held: Vec<String>,
    close: Option<String>,
    _open: Gauge,
}

/// All that are left.
pub(super) struct Parties {
    app: App,
    caller: Caller,
    peer: Option<IpAddr>,
    list: Vec<Party>,
    choosing: Option<Instant>,
}

impl Parties {
    /// Asks the plugins whether they take the client.
    pub(super) async fn opened(
        app: &App,
        table: &Table,
        claims: &[Claim],
        query: Vec<(String, String)>,
        caller: Caller,
        peer: Option<IpAddr>,
    ) -> Result<Self, Problem> {
        let mut parties = Self { app: app.clone(), caller, peer, list: Vec::new(), choosing: None };
        let mut failure = None;
        for claim in claims {
            let what = SocketHappening::Opened { endpoint: claim.endpoint, query: query.clone() };
            match parties.once(table.plugin(claim), what).await {
                Ok(SocketAnswer::Reply(SocketReply { state, frames, close })) => parties.list.push(Party {
                    plugin: table.plugin(claim).to_owned(),
                    kinds: table.endpoint(claim).events.clone(),
                    state,
                    held: frames,
                    close,
                    _open: app.metrics.socket(table.name(claim)),
                }),
                Ok(SocketAnswer::Pass) => {}
                Err(failed) => failure = Some(failed),
            }
        }
        match (parties.list.len(), failure) {
            (0, Some(failure)) => Err(dialect::failed(&failure)),
            (0, None) => Err(Problem::no_route()),
            (1, _) => Ok(parties),
            _ => Ok(Self { choosing: Some(Instant::now() + FIRST_MESSAGE_WAIT), ..parties }),
        }
    }

    /// Until when nothing is sent, because the client may still say which API it speaks.
    pub(super) fn choosing(&self) -> Option<Instant> {
        self.choosing
    }

    /// The client had its moment: what was said before, by those that are left.
    pub(super) fn begun(&mut self) -> Said {
        let mut said = self.released();
        self.closed(&mut said);
        said
    }

    fn released(&mut self) -> Said {
        self.choosing = None;
        let frames = self.list.iter_mut().flat_map(|party| std::mem::take(&mut party.held));
        Said { frames: frames.collect(), ended: None }
    }

    /// The client said something.
    pub(super) async fn received(&mut self, message: &str) -> Said {
        let mut said = Said::default();
        let mut at = 0;
        while let Some(party) = self.list.get(at) {
            let what = SocketHappening::Received { state: party.state.clone(), message: message.to_owned() };
            match self.call(&party.plugin, what).await {
                Ok(SocketAnswer::Reply(reply)) => {
                    // From here on the client is this one's.
                    let taken = self.list.swap_remove(at);
                    self.list = vec![taken];
                    said.frames.extend(self.released().frames);
                    self.reply(0, reply, &mut said);
                    break;
                }
                Ok(SocketAnswer::Pass) => at += 1,
                Err(failure) => self.failed(at, &failure, &mut said),
            }
        }
        self.closed(&mut said);
        said
    }

    /// Events happened.
    pub(super) async fn events(&mut self, events: &[Event]) -> Said {
        let mut said = Said::default();
        let mut at = 0;
        'parties: while let Some(party) = self.list.get(at) {
            let wanted: Vec<_> = events.iter().filter(|event| party.kinds.contains(&event.kind)).cloned().collect();
            for part in wanted.chunks(SOCKET_EVENTS_MAX) {
                let Some(party) = self.list.get(at) else { break };
                let devices = part.iter().filter_map(|event| event.device.clone()).collect();
                let names = names(&self.app.services.ports, self.caller.tenant(), devices).await;
                let what = SocketHappening::Events { state: party.state.clone(), events: part.to_vec(), names };
                match self.call(&party.plugin, what).await {
                    Ok(SocketAnswer::Reply(reply)) => self.reply(at, reply, &mut said),
                    Ok(SocketAnswer::Pass) => {}
                    Err(failure) => {
                        self.failed(at, &failure, &mut said);
                        continue 'parties;
                    }
                }
            }
            at += 1;
        }
        self.closed(&mut said);
        said
    }

    /// Keeps what a plugin replied.
    fn reply(&mut self, at: usize, reply: SocketReply, said: &mut Said) {
        let choosing = self.choosing.is_some();
        let Some(party) = self.list.get_mut(at) else { return };
        party.state = reply.state;
        party.close = reply.close;
        match choosing {
            true => party.held.extend(reply.frames.into_iter().take(HELD_MAX.saturating_sub(party.held.len()))),
            false => said.frames.extend(reply.frames),
        }
    }

    /// Drops a plugin that gave no usable answer; says how the socket ends when it was the last.
    fn failed(&mut self, at: usize, failure: &PluginFailure, said: &mut Said) {
        let PluginFailure { plugin, outcome, detail } = failure;
        tracing::warn!(plugin.id = plugin, ?outcome, detail, "a plugin gives up a socket");
        self.list.remove(at);
        if self.list.is_empty() {
            said.ended = Some(match outcome {
                Outcome::Missing => Ended(close_code::POLICY, "this API is off for the account".to_owned()),
                outcome if is_passing(*outcome) => {
                    Ended(close_code::AGAIN, "the gateway is busy; open the socket again".to_owned())
                }
                _ => Ended(close_code::ERROR, "the API failed; open the socket again".to_owned()),
            });
        }
    }

    /// Drops those that said enough, once what they said may go out.
    fn closed(&mut self, said: &mut Said) {
        if self.choosing.is_some() {
            return;
        }
        let last = self.list.iter().rev().find_map(|party| party.close.clone());
        self.list.retain(|party| party.close.is_none());
        if let Some(reason) = last
            && self.list.is_empty()
        {
            said.ended = Some(Ended(close_code::NORMAL, reason));
        }
    }

    /// Makes a call, again and again while the plugin is busy or left alone.
    async fn call(&self, plugin: &str, what: SocketHappening) -> Result<SocketAnswer, PluginFailure> {
        for _ in 0..RETRIES {
            match self.once(plugin, what.clone()).await {
                Err(failure) if is_passing(failure.outcome) && !self.app.live.is_stopping() => {
                    tokio::time::sleep(RETRY_WAIT).await;
                }
                other => return other,
            }
        }
        self.once(plugin, what).await
    }

    async fn once(&self, plugin: &str, what: SocketHappening) -> Result<SocketAnswer, PluginFailure> {
        let call = SocketCall { caller: self.caller.clone(), peer: self.peer, what };
        self.app.services.plugins.socket(plugin, call).await
    }
}

/// Whether the same call may succeed a little later.
fn is_passing(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Busy | Outcome::Breaker | Outcome::Unavailable => true,
        Outcome::Config
        | Outcome::InvalidInput
        | Outcome::Denied
        | Outcome::Internal
        | Outcome::Trap
        | Outcome::Cpu
        | Outcome::Wall
        | Outcome::Memory
        | Outcome::CopyLimit
        | Outcome::BadAnswer
        | Outcome::Missing => false,
    }
}
