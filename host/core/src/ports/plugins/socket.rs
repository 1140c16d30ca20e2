//! What the hook `dialect-socket` is told and answers: endpoints as data, and one connection's openings, messages and events.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::DeviceNames;
use crate::id::DeviceId;
use crate::model::access::Caller;
use crate::model::event::{Event, EventKind};

/// Events that one call tells of at most.
pub const SOCKET_EVENTS_MAX: usize = 100;

/// One place where clients of a plugin open sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketEndpoint {
    /// Starts with `/`; no parameters.
    pub path: String,
    /// Query parameters that hold credentials, of which a client needs one.
    pub credentials: Vec<String>,
    /// Kinds of events that the plugin makes frames of.
    pub events: Vec<EventKind>,
}

/// A call about one connection.
#[derive(Clone, Debug)]
pub struct SocketCall {
    /// Whose connection it is.
    pub caller: Caller,
    /// Where it comes from. Plugins are not told.
    pub peer: Option<IpAddr>,
    /// What happened.
    pub what: SocketHappening,
}

/// What happened on a connection.
#[derive(Clone, Debug)]
pub enum SocketHappening {
    /// It is being opened.
    Opened {
        /// The place of the endpoint among the plugin's endpoints.
        endpoint: usize,
        /// Decoded pairs, in order, without credentials.
        query: Vec<(String, String)>,
    },
    /// The client sent a text.
    Received {
        /// What the plugin remembers of the connection, as JSON.
        state: String,
        /// The text.
        message: String,
    },
    /// Events of the tenant happened.
    Events {
        /// What the plugin remembers of the connection, as JSON.
        state: String,
        /// The events, in order; at most [`SOCKET_EVENTS_MAX`].
        events: Vec<Event>,
        /// What their devices are called.
        names: BTreeMap<DeviceId, DeviceNames>,
    },
}

/// What a plugin does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAnswer {
    /// It goes on.
    Reply(SocketReply),
    /// It gives the client up, or has nothing to say to the message. Never the answer to events.
    Pass,
}

/// How a connection goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketReply {
    /// What to remember, as JSON.
    pub state: String,
    /// Texts to send, in order.
    pub frames: Vec<String>,
    /// To be closed behind them, for this reason.
    pub close: Option<String>,
}
