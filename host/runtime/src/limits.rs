//! Every limit of the runtime, with its default.

use std::time::Duration;

use portico_core::ports::plugins::Hook;

/// How often running guests are looked at. CPU limits count in these.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Items of one call at most; the host cuts longer batches.
pub(crate) const BATCH_ITEMS_MAX: usize = 100;
/// Bytes of payload in one call at most, unless a single item is larger.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Bytes of a webhook body at most.
pub(crate) const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of an HTTP answer's body at most.
pub(crate) const RESPONSE_BODY_BYTES_MAX: usize = 4 << 20;
/// Headers of a webhook at most.
pub(crate) const WEBHOOK_HEADERS_MAX: usize = 32;
/// Headers of an HTTP answer at most.
pub(crate) const RESPONSE_HEADERS_MAX: usize = 64;
/// Bytes of one header at most, name and value together.
pub(crate) const HEADER_BYTES_MAX: usize = 8 << 10;
/// The longest a message may be held or delayed by one answer.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of a plugin's explanation that are kept.
pub(crate) const DETAIL_BYTES_MAX: usize = 500;
/// Bytes of a log line that are kept, fields included.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 1 << 10;
/// Elements of all tables of an instance.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Linear memory that the pool's slots have room for; hooks are allowed no more.
pub(crate) const POOL_MEMORY_BYTES_MAX: usize = 64 << 20;
/// Component instances alive at once in the pool, over all plugins.
pub(crate) const POOL_INSTANCES: u32 = 256;

/// What one call of a hook may use.
#[derive(Clone, Copy, Debug)]
pub struct HookLimits {
    /// Wall-clock time, waiting for host calls included.
    pub wall: Duration,
    /// Time spent running, in steps of 10 ms.
    pub cpu: Duration,
    /// Linear memory.
    pub memory_bytes: usize,
    /// Bytes copied out of the guest, per crossing.
    pub copy_bytes: usize,
    /// Calls of one plugin at once.
    pub at_once: usize,
    /// Calls of one plugin that may wait for their turn; more are refused as busy.
    pub waiting_max: usize,
    /// Tenants of one plugin whose failures are kept apart; with more, those without recent failures are forgotten first.
    pub breakers_max: usize,
}

/// The limits of a runtime. The gateway takes the defaults: no setting changes them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of `webhook-format`, per batch.
    pub webhook_format: HookLimits,
    /// Of `pacing`, per batch.
    pub pacing: HookLimits,
    /// Of `http-handler`, per request.
    pub http_handler: HookLimits,
    /// Size of a component.
    pub component_bytes: usize,
    /// Size of what the compiler makes of one.
    pub compiled_bytes: usize,
    /// Lines a plugin may log in a minute.
    pub log_lines_per_minute: u32,
    /// Requests of the REST core in one call.
    pub rest_calls: u32,
    /// Bytes of a request to the REST core, and of its answer.
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
            component_bytes: 4 << 20,
            compiled_bytes: 64 << 20,
            log_lines_per_minute: 120,
            rest_calls: 32,
            rest_body_bytes: 4 << 20,
        }
    }
}

impl Limits {
    /// The limits of one hook, its memory cut to what the pool has room for.
    pub fn of(&self, hook: Hook) -> HookLimits {
        let limits = match hook {
            Hook::WebhookFormat => self.webhook_format,
            Hook::Pacing => self.pacing,
            Hook::HttpHandler => self.http_handler,
        };
        HookLimits { memory_bytes: limits.memory_bytes.min(POOL_MEMORY_BYTES_MAX), ..limits }
    }
}
