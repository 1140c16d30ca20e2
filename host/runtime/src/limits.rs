//! Every limit of the runtime: section `[plugins]` of the configuration, and those that are part of the plugin interface and
//! therefore constants.

use std::time::Duration;

use portico_core::setting::{Millis, Seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often running guests are interrupted to check their CPU time, which is counted in these ticks.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Items of one call at most; the host cuts longer batches.
pub(crate) const BATCH_ITEMS_MAX: usize = 100;
/// Bytes of payload in one call at most, unless a single item is larger.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Bytes of a webhook body at most.
pub(crate) const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of an HTTP answer's body at most.
pub(crate) const RESPONSE_BODY_BYTES_MAX: usize = 4 << 20;
/// Signatures of a webhook at most, beside that of Standard Webhooks.
pub(crate) const SIGNATURES_MAX: usize = 4;
/// Headers of a webhook at most.
pub(crate) const WEBHOOK_HEADERS_MAX: usize = 32;
/// Keys that one call may try to act with.
pub(crate) const ASSUMED_KEYS_MAX: u32 = 4;
/// Routes of one plugin at most.
pub(crate) const ROUTES_MAX: usize = 1_000;
/// Bytes of a route's path at most.
pub(crate) const ROUTE_PATH_BYTES_MAX: usize = 256;
/// Headers with credentials that one route names at most.
pub(crate) const ROUTE_HEADERS_MAX: usize = 8;
/// Headers of an HTTP answer at most.
pub(crate) const RESPONSE_HEADERS_MAX: usize = 64;
/// Places where clients of one plugin open sockets, at most.
pub(crate) const SOCKETS_MAX: usize = 8;
/// Query parameters with credentials that one such place names at most.
pub(crate) const SOCKET_CREDENTIALS_MAX: usize = 4;
/// Frames that one call sends at most.
pub(crate) const SOCKET_FRAMES_MAX: usize = 1_000;
/// Bytes of the frames that one call sends, at most.
pub(crate) const SOCKET_FRAMES_BYTES_MAX: usize = 4 << 20;
/// Bytes of the reason in a close frame, as the protocol has it.
pub(crate) const SOCKET_REASON_BYTES_MAX: usize = 123;
/// Bytes of one header at most, name and value together.
pub(crate) const HEADER_BYTES_MAX: usize = 8 << 10;
/// The longest a message may be held or delayed by one answer.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of a plugin's explanation that are kept.
pub(crate) const DETAIL_BYTES_MAX: usize = 500;
/// Bytes of a log line that are kept, fields included.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 1 << 10;
/// Log lines of one call at most; further ones are dropped.
pub(crate) const LOG_LINES_PER_CALL_MAX: u32 = 1_000;
/// Elements of all tables of an instance.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Linear memory that the pool's slots have room for; hooks are allowed no more.
pub(crate) const POOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// What one call of a hook may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HookLimits {
    /// Wall-clock time of one call in milliseconds, waiting for host calls included.
    #[serde(rename = "wall_ms", with = "Millis")]
    #[schemars(range(min = 1, max = 600_000))]
    pub wall: Duration,
    /// CPU time of one call in milliseconds, counted in steps of 10 ms.
    #[serde(rename = "cpu_ms", with = "Millis")]
    #[schemars(range(min = 10, max = 600_000))]
    pub cpu: Duration,
    /// Linear memory of one instance, in bytes; at most 64 MiB.
    #[schemars(range(min = 65_536, max = 67_108_864))]
    pub memory_bytes: usize,
    /// Bytes copied out of the guest in one call of a function, either way.
    #[schemars(range(min = 1_024))]
    pub copy_bytes: usize,
    /// Calls of one plugin at once, of which a tenant has at most a quarter. Calls that wait for the host are not counted.
    #[schemars(range(min = 1, max = 10_000))]
    pub at_once: usize,
    /// Calls of one plugin that may wait for a permit, of which a tenant has at most a quarter; more are refused as busy.
    pub waiting_max: usize,
    /// Tenants, and devices with settings of their own, whose failures are counted separately, per plugin. With more than this,
    /// those without recent failures are forgotten first.
    #[schemars(range(min = 1))]
    pub breakers_max: usize,
}

/// The limits of a runtime.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// One call of the hook `webhook-format`, which takes a batch of events.
    pub webhook_format: HookLimits,
    /// One call of the hook `pacing`, which takes a batch of messages.
    pub pacing: HookLimits,
    /// One call of the hook `http-handler`, which takes one request.
    pub http_handler: HookLimits,
    /// One call of the hook `dialect-socket`, which takes one message of a client or a batch of events.
    pub dialect_socket: HookLimits,
    /// Bytes of the state that is kept for a plugin between two calls about one socket, at most.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub socket_state_bytes: usize,
    /// Bytes of a component at most.
    #[schemars(range(min = 1_024))]
    pub component_bytes: usize,
    /// Bytes of the machine code compiled from one component, at most.
    #[schemars(range(min = 1_024))]
    pub compiled_bytes: usize,
    /// How long compiling one component may take, in seconds. The largest allowed one takes a few seconds.
    #[serde(rename = "compile_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub compile_timeout: Duration,
    /// Instances alive at once, over all plugins, of which a tenant has at most a quarter; further calls wait, and are refused as
    /// busy when too many do.
    #[schemars(range(min = 1, max = 10_000))]
    pub instances_max: u32,
    /// Lines a plugin may log in a minute, for each tenant.
    pub log_lines_per_minute: u32,
    /// Requests of the REST core that one call may make.
    pub rest_calls: u32,
    /// Values that one call may read, write, remove or list.
    pub kv_calls: u32,
    /// Bytes of the body of such a request, and of its answer.
    pub rest_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let pure = HookLimits {
            wall: Duration::from_secs(1),
            cpu: Duration::from_millis(500),
            memory_bytes: 32 << 20,
            copy_bytes: 16 << 20,
            at_once: 16,
            waiting_max: 256,
            breakers_max: 1_024,
        };
        Self {
            webhook_format: pure,
            pacing: HookLimits {
                wall: Duration::from_millis(250),
                cpu: Duration::from_millis(100),
                memory_bytes: 16 << 20,
                copy_bytes: 4 << 20,
                ..pure
            },
            http_handler: HookLimits {
                wall: Duration::from_secs(30),
                cpu: Duration::from_secs(1),
                at_once: 64,
                ..pure
            },
            dialect_socket: HookLimits { wall: Duration::from_secs(5), at_once: 64, ..pure },
            socket_state_bytes: 16 << 10,
            component_bytes: 4 << 20,
            compiled_bytes: 64 << 20,
            compile_timeout: Duration::from_secs(60),
            instances_max: 256,
            log_lines_per_minute: 120,
            rest_calls: 32,
            kv_calls: 256,
            rest_body_bytes: 4 << 20,
        }
    }
}

impl HookLimits {
    /// With memory cut to what the pool has room for.
    pub(crate) fn within_pool(self) -> Self {
        Self { memory_bytes: self.memory_bytes.min(POOL_MEMORY_BYTES_MAX), ..self }
    }
}
