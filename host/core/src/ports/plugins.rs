//! Plugins as the core and the HTTP listener use them, and the REST core as plugins use it.
//!
//! What a guest answers has been checked by the runtime before it comes out here. What it could not answer (trap, deadline,
//! memory, bad answer, …) is a [`PluginFailure`]; which way the work falls then is decided by the caller of each hook.

mod http;
mod socket;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::address::ChatKind;
use crate::error::Result;
use crate::id::{DeviceId, EventId, TenantId};
use crate::model::access::Caller;
use crate::model::event::Event;
use crate::model::plugin::schema::Schema;

pub use crate::model::plugin::{Grant, Granted, Hook};
pub use http::{
    Answer, AnswerBody, Handled, Limit, LimitBy, LimitHeaders, Mount, PartValue, PluginRequest, PluginResponse,
    Refusal, RequestContent, RequestPart, RestRequest, Route, Upload,
};
pub use socket::{SOCKET_EVENTS_MAX, SocketAnswer, SocketCall, SocketEndpoint, SocketHappening, SocketReply};

/// An installed plugin.
#[derive(Clone, Debug)]
pub struct PluginInfo {
    /// Its id, as in its manifest.
    pub id: String,
    /// Its version.
    pub version: String,
    /// For people.
    pub name: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// What it exports.
    pub hooks: Vec<Hook>,
    /// Its place in the URL space, if it serves requests.
    pub mount: Option<Mount>,
    /// What it serves there.
    pub routes: Arc<[Route]>,
    /// Where its clients open sockets.
    pub sockets: Arc<[SocketEndpoint]>,
    /// What it asks for and why; what is not listed, it can't be granted.
    pub grants: Vec<Granted>,
}

/// A version that the runtime has loaded.
#[derive(Debug)]
pub struct Package {
    /// What it is.
    pub info: PluginInfo,
    /// Its manifest.
    pub manifest: String,
    /// The schema of its settings, if it has one.
    pub schema: Option<Schema>,
}

/// Why a plugin gave no usable answer. The names are metric labels and log fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}`: {outcome:?}: {detail}")]
pub struct PluginFailure {
    /// Which plugin.
    pub plugin: String,
    /// What kind of end it was.
    pub outcome: Outcome,
    /// For the operator.
    pub detail: String,
}

/// How a call ended, other than well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The settings can't work.
    Config,
    /// The input can't be handled.
    InvalidInput,
    /// Something it needs is down.
    Unavailable,
    /// A host call was refused.
    Denied,
    /// The plugin says it has a bug.
    Internal,
    /// It trapped.
    Trap,
    /// It used up its CPU time.
    Cpu,
    /// It used up its wall-clock time.
    Wall,
    /// It wanted more memory than it may have.
    Memory,
    /// It copied more across the boundary than it may.
    CopyLimit,
    /// Its answer breaks a rule.
    BadAnswer,
    /// Too many calls at once.
    Busy,
    /// It failed too often lately for this tenant, which leaves it alone for a while.
    Breaker,
    /// There is no such plugin, it lacks the hook, or it is off.
    Missing,
}

/// What a webhook body should look like.
#[derive(Clone, Debug)]
pub enum Formatted {
    /// Send this.
    Send(Parts),
    /// This subscriber gets none of it; why.
    Skip(String),
}

/// Events as a format plugin shaped them.
#[derive(Clone, Debug)]
pub struct FormattedBatch {
    /// The version that did.
    pub digest: Arc<str>,
    /// One answer per event, in order.
    pub answers: Vec<Formatted>,
}

/// The HTTP parts of a delivery.
#[derive(Clone, Debug)]
pub struct Parts {
    /// `POST`, `PUT` or `PATCH`.
    pub method: String,
    /// On top of the subscription's own.
    pub headers: Vec<(String, String)>,
    /// Of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// How the host signs beside Standard Webhooks.
    pub signing: Vec<Signing>,
}

/// A signature the host adds beside the Standard Webhooks headers, with the subscription's key. It signs the body as the plugin
/// made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// How.
    pub scheme: SigningScheme,
    /// Where it goes.
    pub placement: Placement,
    /// Put before the value, e.g. `sha256=`.
    pub prefix: String,
    /// What of the secret is the key.
    pub key: SigningKey,
}

/// Where a signature goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Into this header.
    Header(String),
    /// Into this member, added at the end of a body that is a JSON object.
    BodyField(String),
}

/// What of a subscription's secret is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// The bytes it encodes.
    Decoded,
    /// Its text.
    Text,
}

/// How a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningScheme {
    /// HMAC-SHA256 in hex.
    HmacSha256Hex,
    /// HMAC-SHA256 in base64.
    HmacSha256Base64,
}

/// What pacing is told about a message.
#[derive(Clone, Debug)]
pub struct PaceQuery {
    /// To match answers.
    pub id: String,
    /// The chat.
    pub chat_kind: ChatKind,
    /// The first message this device ever sends there.
    pub first_contact: bool,
    /// `text`, …
    pub kind: String,
    /// Length of the text.
    pub characters: u32,
    /// How long it has waited already.
    pub waited: Duration,
}

/// What pacing is told about the device.
#[derive(Clone, Debug)]
pub struct PaceDevice {
    /// Days since it was made.
    pub age_days: u32,
    /// Messages waiting.
    pub queued: u32,
    /// Since the last message went out.
    pub since_last_send: Option<Duration>,
}

/// When a message may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// After this long.
    Go {
        /// From now.
        delay: Duration,
    },
    /// Ask again after this long.
    Hold {
        /// From now.
        retry_after: Duration,
        /// For people.
        reason: String,
    },
    /// Never; why.
    Deny(String),
}

/// Who gets events that are shaped, and what its format is told beside them.
#[derive(Clone)]
pub struct Subscription {
    /// Whose it is.
    pub tenant: TenantId,
    /// The webhook's id.
    pub id: String,
    /// What its owner gave along when it was made.
    pub data: Map<String, Value>,
    /// The devices that the events are about.
    pub devices: BTreeMap<DeviceId, DeviceNames>,
    /// Tokens of links to the files of messages that the events are about.
    pub file_links: BTreeMap<EventId, String>,
}

/// Hides what its owner gave along, which may be a secret.
impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("tenant", &self.tenant).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Subscription {
    /// One without anything to tell.
    pub fn plain(tenant: &TenantId) -> Self {
        Self {
            tenant: tenant.clone(),
            id: String::new(),
            data: Map::new(),
            devices: BTreeMap::new(),
            file_links: BTreeMap::new(),
        }
    }
}

/// What a device is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNames {
    /// Its number within the tenant.
    pub number: u32,
    /// What other systems call it: namespaces and values.
    pub refs: Vec<(String, String)>,
}

/// The plugin runtime.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// The current version of everything that is installed, by id. The same list until something is installed or removed.
    fn list(&self) -> Arc<[PluginInfo]>;

    /// Checks a component, compiles it, tries it out and keeps its bytes. From then on it can be called by its digest; whether it
    /// is, is not decided here. Installing the same bytes again changes nothing.
    ///
    /// # Errors
    /// `Invalid` when the component is refused, with what to do about it.
    async fn install(&self, component: Vec<u8>) -> Result<Arc<Package>>;

    /// Loads a version whose bytes are kept.
    ///
    /// # Errors
    /// `NotFound` when they are not, `Invalid` when they can't be used any more.
    async fn load(&self, digest: &str) -> Result<Arc<Package>>;

    /// Forgets a version that nothing names any more, with its bytes.
    async fn forget(&self, digest: &str);

    /// Shapes events for one subscription: one answer per event, in order. `digest` names the version that shaped them before:
    /// it does so again although the plugin may be off by now. Where it is not kept any more the current one does.
    async fn format(
        &self,
        plugin: &str,
        digest: Option<&str>,
        to: &Subscription,
        events: &[Event],
    ) -> Result<FormattedBatch, PluginFailure>;

    /// Says when messages of one device may go: one answer per query, in order. Where no plugin with this hook is on, all may go
    /// at once.
    async fn pace(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        state: PaceDevice,
        queries: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure>;

    /// Serves a request. A plugin that is off for whoever asks passes it on.
    async fn handle(&self, plugin: &str, request: PluginRequest) -> Result<Handled, PluginFailure>;

    /// Says what the host refuses in the words of the plugin's API.
    async fn refuse(&self, plugin: &str, refusal: Refusal) -> Result<Answer, PluginFailure>;

    /// Tells a plugin what happened on a socket of its clients. One that is off for the caller's tenant passes an opening, and
    /// fails as missing afterwards.
    async fn socket(&self, plugin: &str, call: SocketCall) -> Result<SocketAnswer, PluginFailure>;
}

/// Who owns a key.
#[derive(Clone, Debug)]
pub enum Identified {
    /// This caller.
    Known(Caller),
    /// Nobody any more, or nobody ever.
    Unknown,
    /// Not told: too many bad ones came from there lately.
    TooMany,
}

/// Whose value of a plugin it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvScope {
    /// The tenant.
    pub tenant: TenantId,
    /// The plugin's id.
    pub plugin: String,
    /// The device; `None`: the tenant as a whole.
    pub device: Option<DeviceId>,
}

/// A value that a plugin keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvValue {
    /// The bytes.
    pub value: Vec<u8>,
    /// Grows with every write; 1 for the first.
    pub version: u32,
}

/// Values that plugins keep: what the `kv` import calls. Limits are checked here.
#[async_trait]
pub trait PluginKv: Send + Sync {
    /// A value, if there is one that has not expired.
    async fn get(&self, scope: &KvScope, key: &str) -> Result<Option<KvValue>>;

    /// Writes a value and gives its version. `expect` is the version it must have: 0 for none. `None` writes in any case.
    ///
    /// # Errors
    /// `Conflict` when it has another version, `Invalid` and `TooLarge` when key or value break a limit.
    async fn set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        expect: Option<u32>,
        ttl: Option<Duration>,
    ) -> Result<u32>;

    /// Removes a value; says whether there was one.
    async fn delete(&self, scope: &KvScope, key: &str) -> Result<bool>;

    /// Keys that begin with `prefix`, in byte order, beginning after `after`, at most `limit`.
    async fn list(&self, scope: &KvScope, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>>;
}

/// The REST core without a socket in between: what a dialect's `rest` import calls.
#[async_trait]
pub trait Rest: Send + Sync {
    /// Runs a request of the REST core with the caller's credentials (`None`: without any). `path` carries the query.
    async fn call(&self, caller: Option<Caller>, request: RestRequest) -> PluginResponse;

    /// Who owns a key or token that stood in a request's body or path. Bad ones are counted by the request's sender.
    async fn identify(&self, key: &str, peer: Option<IpAddr>) -> Identified;
}
