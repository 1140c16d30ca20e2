//! The hook `dialect-socket`: the sockets of a documented API.
//!
//! The host keeps the connection; the plugin says what goes over it. What it has to remember of a client, such as what that
//! subscribed to, is a [`Socket::State`], which the host stores as JSON between two calls.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::exports::portico::plugin::dialect_socket as wit;
use crate::gateway::Gateway;
use crate::{Context, HookError};

pub use wit::{Event, Opening};

/// One place where clients open sockets, at the root and below the plugin's own mount.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Such as `/` or `/ws`; no parameters.
    pub path: &'static str,
    /// Query parameters that hold credentials, of which a client needs one.
    pub credentials: &'static [&'static str],
    /// Names of events that [`Socket::frames`] is called for, such as `message.received`.
    pub events: &'static [&'static str],
}

/// The sockets of a documented API.
pub trait Socket: Sized + 'static {
    /// Where clients open them.
    const ENDPOINTS: &'static [Endpoint];

    /// What is remembered of one client; small, and never text of a message.
    type State: Serialize + DeserializeOwned;

    /// A client with good credentials opens a socket. `None` gives it up.
    fn opened(ctx: &Context, opening: &Opening, core: &Gateway) -> Result<Option<Reply<Self::State>>, HookError>;

    /// A client says something. `None` where it is no word of this API: another one behind the same path may know it.
    fn received(
        ctx: &Context,
        state: Self::State,
        message: &str,
        core: &Gateway,
    ) -> Result<Option<Reply<Self::State>>, HookError>;

    /// Events of the tenant, in order, whether the client wants them or not. An error closes the socket.
    fn frames(
        ctx: &Context,
        state: Self::State,
        events: &[Event],
        core: &Gateway,
    ) -> Result<Reply<Self::State>, HookError>;
}

/// How a socket goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<S> {
    /// What to remember.
    pub state: S,
    /// What to send, each as one text message.
    pub frames: Vec<Value>,
    /// Close the socket behind them, for this reason.
    pub close: Option<String>,
}

impl<S> Reply<S> {
    /// Nothing to send.
    pub fn new(state: S) -> Self {
        Self { state, frames: Vec::new(), close: None }
    }

    /// The same with frames.
    #[must_use]
    pub fn frames(mut self, frames: impl IntoIterator<Item = Value>) -> Self {
        self.frames.extend(frames);
        self
    }

    /// The same, and then the socket is closed for this reason.
    #[must_use]
    pub fn closing(mut self, reason: impl Into<String>) -> Self {
        self.close = Some(reason.into());
        self
    }
}

impl Event {
    /// What the event is about, as a type of the REST core.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, HookError> {
        serde_json::from_str(&self.payload)
            .map_err(|e| HookError::InvalidInput(format!("the payload of {} is of another shape: {e}", self.name)))
    }

    /// What another system calls the device, in a namespace of its own.
    pub fn device_ref(&self, namespace: &str) -> Option<&str> {
        self.refs.iter().find(|(known, _)| known == namespace).map(|(_, value)| value.as_str())
    }
}

/// What `sockets` says of a dialect.
pub(crate) fn declared<T: Socket>() -> Vec<wit::Endpoint> {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let declared = |endpoint: &Endpoint| wit::Endpoint {
        path: endpoint.path.into(),
        credentials: texts(endpoint.credentials),
        events: texts(endpoint.events),
    };
    T::ENDPOINTS.iter().map(declared).collect()
}

/// What was remembered.
pub(crate) fn remembered<S: DeserializeOwned>(state: &str) -> Result<S, HookError> {
    // Another version of the plugin may have written it.
    serde_json::from_str(state).map_err(|e| HookError::InvalidInput(format!("the state of a socket is unknown: {e}")))
}

/// A reply as the host takes it.
pub(crate) fn written<S: Serialize>(reply: Reply<S>) -> Result<wit::Reply, HookError> {
    let state = serde_json::to_string(&reply.state)
        .map_err(|e| HookError::Internal(format!("writing the state of a socket: {e}")))?;
    let frames = reply.frames.iter().map(Value::to_string).collect();
    Ok(wit::Reply { state, frames, close: reply.close })
}

/// A reply, or none, as the host takes it.
pub(crate) fn outcome<S: Serialize>(reply: Option<Reply<S>>) -> Result<wit::Outcome, HookError> {
    match reply {
        Some(reply) => written(reply).map(wit::Outcome::Reply),
        None => Ok(wit::Outcome::Pass),
    }
}
