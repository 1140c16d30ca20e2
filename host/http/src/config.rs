//! Settings of the HTTP side: limits, each with its default, and the few choices an operator has.

use std::time::Duration;

/// Whether strangers may make a tenant of their own with `POST /v1/keys`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUp {
    /// They may not: a key is needed to make keys.
    #[default]
    Closed,
    /// They may: a request without credentials makes a tenant with one key.
    Open,
}

/// How many requests may come: a bucket of `burst` requests that refills at `per_minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a minute in the long run, at least 1.
    pub per_minute: u32,
    /// Requests at once, at least 1.
    pub burst: u32,
}

/// The settings of the HTTP side.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Whether strangers may make keys.
    pub sign_up: SignUp,
    /// A line on top of every page, such as a warning that this is no real WhatsApp.
    pub sandbox_banner: Option<String>,
    /// Bytes of a request body at most.
    pub body_bytes_max: usize,
    /// How long a request may take until its answer begins, body included.
    pub request_timeout: Duration,
    /// Requests that run at once; further ones wait.
    pub concurrent_requests: usize,
    /// Requests of one tenant under way at once, bodies still coming included; further ones are refused with 429.
    pub concurrent_per_tenant: u32,
    /// Requests of one tenant to routes that need `keys:write` or `server:admin`, under way at once. They count here and not
    /// in `concurrent_per_tenant`, so that a key can be revoked while it takes up everything else.
    pub reserved_per_tenant: u32,
    /// Permits kept for such requests, beside `concurrent_requests`.
    pub reserved_requests: usize,
    /// Requests of one key whose bodies are still coming; further ones are refused with 429.
    pub bodies_per_key: u32,
    /// How long a body may take to arrive, on top of what `body_bytes_per_second_min` allows for its length.
    pub body_grace: Duration,
    /// Bytes a second at which a body has to arrive; a slower one is refused with 408. 0: no such limit.
    pub body_bytes_per_second_min: usize,
    /// Keys looked up at once, to find out who sends a request.
    pub key_lookups: usize,
    /// How long a request waits for a permit before it is refused with 503.
    pub queue_timeout: Duration,
    /// Bytes of request bodies held at once for all requests without good credentials together, at least one whole body.
    pub anonymous_bodies_bytes: usize,
    /// Requests of one key; `None`: no limit.
    pub rate_per_key: Option<Rate>,
    /// Requests of all keys of one tenant together; `None`: no limit.
    pub rate_per_tenant: Option<Rate>,
    /// Requests without good credentials from one address; `None`: no limit.
    pub rate_anonymous: Option<Rate>,
    /// Keys, tenants and addresses whose rate is remembered at once.
    pub rate_callers_max: usize,
    /// Event streams (WebSocket and SSE) of one tenant at once.
    pub streams_per_tenant: u32,
    /// Events read from the store at once for a stream or a page, at most; [`portico_core::limits::Limits::page_bytes`]
    /// may end it earlier.
    pub events_page: u32,
    /// Silence after which a stream is shown to be alive.
    pub stream_heartbeat: Duration,
    /// How long a stream's client may take to accept what is sent before it is dropped; it resumes by `seq`.
    pub stream_send_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            sign_up: SignUp::Closed,
            sandbox_banner: None,
            body_bytes_max: 1 << 20,
            request_timeout: Duration::from_secs(30),
            concurrent_requests: 512,
            concurrent_per_tenant: 256,
            reserved_per_tenant: 16,
            reserved_requests: 16,
            bodies_per_key: 64,
            body_grace: Duration::from_secs(10),
            body_bytes_per_second_min: 4 * 1024,
            key_lookups: 64,
            queue_timeout: Duration::from_secs(5),
            anonymous_bodies_bytes: 32 << 20,
            rate_per_key: Some(Rate { per_minute: 6_000, burst: 1_000 }),
            rate_per_tenant: Some(Rate { per_minute: 30_000, burst: 5_000 }),
            rate_anonymous: Some(Rate { per_minute: 120, burst: 60 }),
            rate_callers_max: 10_000,
            streams_per_tenant: 100,
            events_page: 200,
            stream_heartbeat: Duration::from_secs(20),
            stream_send_timeout: Duration::from_secs(10),
        }
    }
}
