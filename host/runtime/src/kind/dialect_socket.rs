//! The hook `dialect-socket`: endpoints as data, and what happens on one connection in, its new state and frames out.

use std::collections::BTreeMap;

use portico_core::event::{Event, EventKind};
use portico_core::id::DeviceId;
use portico_core::ports::plugins::{
    DeviceNames, Hook, SocketAnswer, SocketCall, SocketEndpoint, SocketHappening, SocketReply,
};
use serde::de::IgnoredAny;
use wasmtime::Store;

use super::{GuestResult, HookCall, HookKind};
use crate::bindings::dialect_socket as wit;
use crate::bindings::types::Context;
use crate::breaker::FailureMode;
use crate::guest::Guest;
use crate::limits::{
    HookLimits, Limits, ROUTE_PATH_BYTES_MAX, SOCKET_CREDENTIALS_MAX, SOCKET_FRAMES_BYTES_MAX, SOCKET_FRAMES_MAX,
    SOCKET_REASON_BYTES_MAX, SOCKETS_MAX,
};
use crate::services::Serving;

/// The hook.
pub(crate) struct Kind;

impl HookKind for Kind {
    const HOOK: Hook = Hook::DialectSocket;
    const ON_FAILURE: FailureMode = FailureMode::FailOpen;
    const PURE: bool = false;
    type Export = wit::GuestIndices;
    type Smoke = Sockets;

    fn limits(limits: &Limits) -> HookLimits {
        limits.dialect_socket
    }

    fn smoke() -> Option<Sockets> {
        Some(Sockets)
    }
}

/// Asks for the endpoints.
pub(crate) struct Sockets;

impl HookCall for Sockets {
    type Kind = Kind;
    type Raw = Vec<wit::Endpoint>;
    type Answer = Vec<SocketEndpoint>;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        _: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        Ok(Ok(hook.call_sockets(store).await?))
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        if raw.len() > SOCKETS_MAX {
            return Err(format!("{} sockets, at most {SOCKETS_MAX} are allowed", raw.len()));
        }
        let endpoints: Vec<_> = raw.into_iter().map(endpoint).collect::<Result<_, _>>()?;
        for (i, one) in endpoints.iter().enumerate() {
            if endpoints[..i].iter().any(|other| other.path == one.path) {
                return Err(format!("the socket `{}` is there twice", one.path));
            }
        }
        Ok(endpoints)
    }
}

/// One endpoint, if it keeps the rules. A slash at the end of its path says the same as none.
fn endpoint(raw: wit::Endpoint) -> Result<SocketEndpoint, String> {
    let wit::Endpoint { path, credentials, events } = raw;
    let named = |why: &str| format!("the socket `{path}` {why}");
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let segments = path.strip_prefix('/');
    let segments = segments.map(|rest| rest.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(rest));
    let is_path =
        |rest: &str| rest.is_empty() || rest.split('/').all(|s| !matches!(s, "" | "." | "..") && s.bytes().all(plain));
    if path.len() > ROUTE_PATH_BYTES_MAX || !segments.is_some_and(is_path) {
        return Err(named("has a path that is none: segments are literal"));
    }
    if !(1..=SOCKET_CREDENTIALS_MAX).contains(&credentials.len()) {
        return Err(named(&format!("must name 1 to {SOCKET_CREDENTIALS_MAX} query parameters with credentials")));
    }
    let kinds = events.iter().map(|name| EventKind::from_name(name).ok_or(name));
    let kinds = kinds.collect::<Result<Vec<_>, _>>().map_err(|name| named(&format!("names no event: `{name}`")))?;
    if kinds.is_empty() || kinds.len() > EventKind::ALL.len() {
        return Err(named("must name some events, each once"));
    }
    Ok(SocketEndpoint { path: format!("/{}", segments.unwrap_or_default()), credentials, events: kinds })
}

/// Something that happened on a connection.
pub(crate) struct Happening {
    call: Call,
    state_bytes_max: usize,
}

enum Call {
    Opened(wit::Opening),
    Received(String, String),
    Frames(String, Vec<wit::Event>),
}

impl Happening {
    /// The call as the guest sees it, and on whose behalf it is made.
    pub(crate) fn new(call: SocketCall, state_bytes_max: usize) -> (Self, Serving) {
        let SocketCall { caller, peer, what } = call;
        let call = match what {
            SocketHappening::Opened { endpoint, query } => Call::Opened(wit::Opening {
                endpoint: u32::try_from(endpoint).unwrap_or(u32::MAX),
                query,
                device: caller.device().map(ToString::to_string),
                scopes: caller.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
            }),
            SocketHappening::Received { state, message } => Call::Received(state, message),
            SocketHappening::Events { state, events, names } => {
                Call::Frames(state, events.iter().map(|event| to_wit(event, &names)).collect())
            }
        };
        (Self { call, state_bytes_max }, Serving::Request { caller: Some(caller), peer })
    }

    fn reply(&self, raw: wit::Reply) -> Result<SocketReply, String> {
        let wit::Reply { state, frames, close } = raw;
        if state.len() > self.state_bytes_max {
            return Err(format!(
                "the state has {} bytes, {} are allowed (`plugins.socket_state_bytes`)",
                state.len(),
                self.state_bytes_max
            ));
        }
        serde_json::from_str::<IgnoredAny>(&state).map_err(|e| format!("the state is no JSON: {e}"))?;
        if frames.len() > SOCKET_FRAMES_MAX || frames.iter().map(String::len).sum::<usize>() > SOCKET_FRAMES_BYTES_MAX {
            return Err(format!(
                "one call may send {SOCKET_FRAMES_MAX} frames with {SOCKET_FRAMES_BYTES_MAX} bytes together"
            ));
        }
        if close.as_ref().is_some_and(|reason| reason.len() > SOCKET_REASON_BYTES_MAX) {
            return Err(format!("the reason to close is longer than {SOCKET_REASON_BYTES_MAX} bytes"));
        }
        Ok(SocketReply { state, frames, close })
    }
}

fn to_wit(event: &Event, names: &BTreeMap<DeviceId, DeviceNames>) -> wit::Event {
    let names = event.device.as_ref().and_then(|device| names.get(device));
    wit::Event {
        id: event.id.to_string(),
        seq: u64::try_from(event.seq).unwrap_or(0),
        name: event.kind.as_str().to_owned(),
        at: u64::try_from(event.timestamp.0).unwrap_or(0),
        device: event.device.as_ref().map(ToString::to_string),
        device_number: names.map(|names| names.number),
        refs: names.map(|names| names.refs.clone()).unwrap_or_default(),
        payload: event.data.to_string(),
    }
}

impl HookCall for Happening {
    type Kind = Kind;
    type Raw = wit::Outcome;
    type Answer = SocketAnswer;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        match &self.call {
            Call::Opened(opening) => hook.call_opened(store, context, opening).await,
            Call::Received(state, message) => hook.call_received(store, context, state, message).await,
            Call::Frames(state, events) => {
                Ok(hook.call_frames(store, context, state, events).await?.map(wit::Outcome::Reply))
            }
        }
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        match raw {
            wit::Outcome::Reply(reply) => self.reply(reply).map(SocketAnswer::Reply),
            wit::Outcome::Pass => Ok(SocketAnswer::Pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(path: &str, credentials: &[&str], events: &[&str]) -> wit::Endpoint {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        wit::Endpoint { path: path.into(), credentials: texts(credentials), events: texts(events) }
    }

    #[test]
    fn endpoints_that_cannot_be_served_are_refused() {
        for (path, known) in [("/", "/"), ("/ws/", "/ws"), ("/ws", "/ws"), ("/a/b.c", "/a/b.c")] {
            assert_eq!(endpoint(raw(path, &["token"], &["device.qr"])).expect(path).path, known);
        }
        for path in ["", "ws", "//", "/a//b", "/{id}", "/a/..", "/a b"] {
            assert!(endpoint(raw(path, &["token"], &["device.qr"])).is_err(), "{path}");
        }
        assert!(endpoint(raw("/", &[], &["device.qr"])).is_err(), "a socket without credentials");
        assert!(endpoint(raw("/", &["token"], &[])).is_err());
        assert!(endpoint(raw("/", &["token"], &["device.lost"])).is_err());
        let many = |count: usize| (0..count).map(|n| raw(&format!("/{n}"), &["token"], &["device.qr"])).collect();
        assert!(Sockets.check(many(SOCKETS_MAX)).is_ok());
        assert!(Sockets.check(many(1_000)).is_err());
        assert!(Sockets.check(vec![raw("/a", &["t"], &["device.qr"]), raw("/a/", &["t"], &["device.qr"])]).is_err());
    }

    #[test]
    fn replies_that_break_a_rule_are_refused() {
        let happening = Happening { call: Call::Received(String::new(), String::new()), state_bytes_max: 10 };
        let good = wit::Reply { state: "{}".into(), frames: vec!["a".into()], close: None };
        assert!(happening.reply(good.clone()).is_ok());
        let breakers: [fn(&mut wit::Reply); 5] = [
            |r| r.state = "[1, 2, 3, 4]".into(),
            |r| r.state = "{".into(),
            |r| r.frames = vec![String::new(); SOCKET_FRAMES_MAX + 1],
            |r| r.frames = vec!["x".repeat(SOCKET_FRAMES_BYTES_MAX + 1)],
            |r| r.close = Some("x".repeat(SOCKET_REASON_BYTES_MAX + 1)),
        ];
        for (i, breaks) in breakers.iter().enumerate() {
            let mut reply = good.clone();
            breaks(&mut reply);
            assert!(happening.reply(reply).is_err(), "rule {i}");
        }
    }
}
