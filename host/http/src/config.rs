//! Settings of the REST API: most of section `[server]` of the configuration.

use std::time::Duration;

use portico_core::setting::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether strangers may make a tenant of their own with `POST /v1/keys`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUp {
    /// They may not: a key is needed to make keys.
    #[default]
    Closed,
    /// They may: a request without credentials makes a tenant with one key.
    Open,
}

/// How many requests may come: a bucket of `burst` requests that refills at `per_minute`. As a setting it is the number of
/// requests a minute, and a quarter of them may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(from = "u32", into = "u32")]
#[schemars(with = "u32")]
pub struct Rate {
    /// Requests a minute in the long run, at least 1.
    pub per_minute: u32,
    /// Requests at once, at least 1.
    pub burst: u32,
}

impl From<u32> for Rate {
    fn from(per_minute: u32) -> Self {
        Self { per_minute, burst: per_minute.div_ceil(4) }
    }
}

impl From<Rate> for u32 {
    fn from(rate: Rate) -> Self {
        rate.per_minute
    }
}

/// Which limits of dialects hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DialectLimits {
    /// Those that the dialects declare.
    #[default]
    Declared,
    /// A thousand times as high ones. Answers still tell what is left.
    Raised,
}

/// An origin whose pages may call a dialect: the dialect's mount and the origin (`*`: every one), with `=` in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CorsOrigin {
    /// The name of the mount, as below `/d/`.
    pub mount: String,
    /// Scheme, host and port as browsers send them, or `*`.
    pub origin: String,
}

impl TryFrom<String> for CorsOrigin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not `<mount>=<origin>`, such as `accounts=https://app.example.com`");
        let (mount, origin) = text.split_once('=').ok_or_else(wrong)?;
        let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
            matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains('/')
        });
        let is_plain = origin.bytes().all(|b| b.is_ascii_graphic());
        if mount.is_empty() || !is_plain || !(is_origin || origin == "*") {
            return Err(wrong());
        }
        Ok(Self { mount: mount.to_owned(), origin: origin.to_owned() })
    }
}

impl From<CorsOrigin> for String {
    fn from(CorsOrigin { mount, origin }: CorsOrigin) -> Self {
        format!("{mount}={origin}")
    }
}

/// Everything the listener can be told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpConfig {
    /// Whether strangers may make keys. No setting of its own: the gateway decides it by `server.sign_up`.
    #[serde(skip)]
    pub sign_up: SignUp,
    /// A line on top of every page, such as a warning that this is no real WhatsApp. No setting.
    #[serde(skip)]
    pub sandbox_banner: Option<String>,
    /// Where clients reach the REST API, without a slash at the end; links to files begin with it. No setting of its own: the
    /// gateway takes it from `server.public_url`.
    #[serde(skip)]
    pub base_url: String,
    /// Bytes of a component that is installed, at most; the plugin runtime has the setting.
    #[serde(skip)]
    pub component_bytes_max: usize,
    /// Bytes of a request body at most.
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub body_bytes_max: usize,
    /// How long a request may take until its answer begins, body included; in seconds.
    #[serde(rename = "request_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub request_timeout: Duration,
    /// Requests that run at once; further ones wait.
    #[schemars(range(min = 1))]
    pub concurrent_requests: usize,
    /// Requests of one tenant under way at once, bodies still coming included; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub concurrent_per_tenant: u32,
    /// Requests of one tenant to routes that need `keys:write` or `server:admin`, under way at once. They count here and not
    /// in `concurrent_per_tenant`, so that a key can be revoked while it takes up everything else.
    #[schemars(range(min = 1))]
    pub reserved_per_tenant: u32,
    /// Permits kept for such requests, beside `concurrent_requests`.
    #[schemars(range(min = 1))]
    pub reserved_requests: usize,
    /// Requests of one key whose bodies are still coming; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub bodies_per_key: u32,
    /// How long a body may take to arrive, on top of what `body_bytes_per_second_min` allows for its length; in seconds.
    #[serde(rename = "body_grace_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub body_grace: Duration,
    /// Bytes a second at which a body has to arrive; a slower one is refused with 408. 0: no such limit.
    pub body_bytes_per_second_min: usize,
    /// How long a request may take that carries a file in or fetches one, in seconds; `request_timeout_s` is for all others.
    #[serde(rename = "transfer_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub transfer_timeout: Duration,
    /// Bytes that the body of an upload may have beside the file.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub upload_fields_bytes_max: usize,
    /// Uploads of one tenant whose bodies are still coming; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub uploads_per_tenant: u32,
    /// Uploads at once, of all tenants together; further ones wait.
    #[schemars(range(min = 1))]
    pub uploads_at_once: usize,
    /// Files of one tenant that are being fetched, by URL or from WhatsApp; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub fetches_per_tenant: u32,
    /// Files of one tenant that are being sent to clients; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub downloads_per_tenant: u32,
    /// How long a send waits at most for what becomes of its message, and a webhook's test for what its receiver answers, if
    /// the client prefers to wait (`Prefer: wait=10`); in seconds. 0: none waits.
    #[serde(rename = "send_wait_max_s", with = "Seconds")]
    #[schemars(range(max = 50))]
    pub send_wait_max: Duration,
    /// Sends and tests of one tenant that wait; further ones are answered at once.
    pub waiting_sends_per_tenant: u32,
    /// Keys looked up at once, to find out who sends a request.
    #[schemars(range(min = 1))]
    pub key_lookups: usize,
    /// How long a request waits for a permit before it is refused with 503; in seconds.
    #[serde(rename = "queue_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub queue_timeout: Duration,
    /// Bytes of request bodies held at once for all requests without good credentials together, at least one whole body.
    #[schemars(range(min = 1))]
    pub anonymous_bodies_bytes: usize,
    /// Requests a key may make per minute; a quarter of them may come at once.
    #[serde(rename = "requests_per_minute")]
    #[schemars(range(min = 1))]
    pub rate_per_key: Option<Rate>,
    /// Requests all keys of a tenant may make per minute together; at least as many as one key.
    #[serde(rename = "tenant_requests_per_minute")]
    #[schemars(range(min = 1))]
    pub rate_per_tenant: Option<Rate>,
    /// Requests without good credentials that one address may make per minute.
    #[serde(rename = "anonymous_requests_per_minute")]
    #[schemars(range(min = 1))]
    pub rate_anonymous: Option<Rate>,
    /// Whether the limits that dialects declare hold as their APIs document them (`declared`) or a thousand times as high
    /// (`raised`). The gateway's own rates hold in any case.
    pub dialect_limits: DialectLimits,
    /// Origins whose pages may call dialects from a browser (CORS), each as `<mount>=<origin>`; `*` stands for every origin. Without
    /// any the gateway says nothing about it, and browsers refuse.
    #[schemars(length(max = 100))]
    pub dialect_cors: Vec<CorsOrigin>,
    /// Keys, tenants and addresses whose rate is remembered at once.
    #[schemars(range(min = 1))]
    pub rate_callers_max: usize,
    /// Event streams (WebSocket and SSE) of one tenant at once.
    #[schemars(range(min = 1))]
    pub streams_per_tenant: u32,
    /// Sockets of dialects' clients at once, of all tenants together; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub sockets_max: u32,
    /// Sockets of one tenant's clients at once; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub sockets_per_tenant: u32,
    /// Sockets at once that one key or login opened; further ones are refused with 429.
    #[schemars(range(min = 1))]
    pub sockets_per_key: u32,
    /// Bytes of one message that a client sends over such a socket, at most; a larger one closes it with 1009.
    #[schemars(range(min = 128, max = 1_048_576))]
    pub socket_frame_bytes_max: usize,
    /// Messages a client may send over such a socket in a minute; one more closes it with 1008.
    #[schemars(range(min = 1))]
    pub socket_messages_per_minute: u32,
    /// Events read from the store at once for a stream or a page, at most; `limits.page_bytes`
    /// may end it earlier.
    #[schemars(range(min = 1))]
    pub events_page: u32,
    /// Silence after which a stream or a socket is shown to be alive; in seconds. One whose client does not answer three times
    /// is given up.
    #[serde(rename = "stream_heartbeat_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub stream_heartbeat: Duration,
    /// How long the client of a stream or a socket may take to accept what is sent before it is dropped (a WebSocket with
    /// 1013); in seconds. A stream resumes by `seq`.
    #[serde(rename = "stream_send_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1))]
    pub stream_send_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            sign_up: SignUp::Closed,
            sandbox_banner: None,
            base_url: "http://127.0.0.1:3000".to_owned(),
            component_bytes_max: 4 << 20,
            body_bytes_max: 1 << 20,
            request_timeout: Duration::from_secs(60),
            concurrent_requests: 512,
            concurrent_per_tenant: 256,
            reserved_per_tenant: 16,
            reserved_requests: 16,
            bodies_per_key: 64,
            body_grace: Duration::from_secs(10),
            body_bytes_per_second_min: 4 * 1024,
            transfer_timeout: Duration::from_secs(600),
            upload_fields_bytes_max: 64 * 1024,
            uploads_per_tenant: 16,
            uploads_at_once: 128,
            fetches_per_tenant: 8,
            downloads_per_tenant: 64,
            send_wait_max: Duration::from_secs(30),
            waiting_sends_per_tenant: 256,
            key_lookups: 64,
            queue_timeout: Duration::from_secs(5),
            anonymous_bodies_bytes: 32 << 20,
            rate_per_key: Some(Rate::from(1_200)),
            rate_per_tenant: Some(Rate::from(6_000)),
            rate_anonymous: Some(Rate::from(120)),
            dialect_limits: DialectLimits::Declared,
            dialect_cors: Vec::new(),
            rate_callers_max: 10_000,
            streams_per_tenant: 50,
            sockets_max: 10_000,
            sockets_per_tenant: 200,
            sockets_per_key: 100,
            socket_frame_bytes_max: 16 * 1024,
            socket_messages_per_minute: 120,
            events_page: 200,
            stream_heartbeat: Duration::from_secs(20),
            stream_send_timeout: Duration::from_secs(10),
        }
    }
}
