//! Plugins as the core and the HTTP listener use them, and the REST core as plugins use it.
//!
//! What a guest answers has been checked by the runtime before it comes out here. What it could not answer (trap, deadline,
//! memory, bad answer, …) is a [`PluginFailure`]; which way the work falls then is decided by the caller of each hook.

mod http;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::address::ChatKind;
use crate::id::{DeviceId, TenantId};
use crate::model::access::Caller;
use crate::model::event::Event;

pub use http::{
    Answer, AnswerBody, Handled, Limit, LimitBy, LimitHeaders, Mount, PartValue, PluginRequest, PluginResponse,
    Refusal, RequestContent, RequestPart, RestRequest, Route, Upload,
};

/// Which hooks a plugin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Shapes webhook bodies.
    WebhookFormat,
    /// Says when a message may go.
    Pacing,
    /// Serves HTTP requests.
    HttpHandler,
}

impl Hook {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::WebhookFormat, Self::Pacing, Self::HttpHandler];

    /// The name of the interface, in manifests, exports, logs, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebhookFormat => "webhook-format",
            Self::Pacing => "pacing",
            Self::HttpHandler => "http-handler",
        }
    }
}

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
    /// What it asked for and got; what is not listed, it can't do.
    pub grants: Vec<Granted>,
}

/// What can be granted to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Requests of the REST core with the credentials of the caller being served.
    Rest,
    /// Acting for whoever's credentials stand in a request's body or path.
    Assume,
}

impl Grant {
    /// The name in manifests and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Assume => "assume",
        }
    }
}

/// A grant that a plugin was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What.
    pub kind: Grant,
    /// What for, as its manifest says.
    pub why: String,
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
    /// There is no such plugin, or it lacks the hook.
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

/// The plugin runtime.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// What is installed, by id. The same list until something is installed or removed.
    fn list(&self) -> Arc<[PluginInfo]>;

    /// Shapes events for one subscription: one answer per event, in order.
    async fn format(&self, plugin: &str, tenant: &TenantId, events: &[Event]) -> Result<Vec<Formatted>, PluginFailure>;

    /// Says when messages of one device may go: one answer per query, in order.
    async fn pace(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        state: PaceDevice,
        queries: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure>;

    /// Serves a request.
    async fn handle(&self, plugin: &str, request: PluginRequest) -> Result<Handled, PluginFailure>;

    /// Says what the host refuses in the words of the plugin's API.
    async fn refuse(&self, plugin: &str, refusal: Refusal) -> Result<Answer, PluginFailure>;
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

/// The REST core without a socket in between: what a dialect's `rest` import calls.
#[async_trait]
pub trait Rest: Send + Sync {
    /// Runs a request of the REST core with the caller's credentials (`None`: without any). `path` carries the query.
    async fn call(&self, caller: Option<Caller>, request: RestRequest) -> PluginResponse;

    /// Who owns a key or token that stood in a request's body or path. Bad ones are counted by the request's sender.
    async fn identify(&self, key: &str, peer: Option<IpAddr>) -> Identified;
}
