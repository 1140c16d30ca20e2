//! Every problem code with its title and what to do: the source of `/docs/problems`.

use axum::http::StatusCode;

/// One code.
pub(crate) struct Entry {
    /// As in `code`.
    pub(crate) code: &'static str,
    /// The status it usually comes with.
    pub(crate) status: u16,
    /// As in `title`.
    pub(crate) title: &'static str,
    /// What to do about it.
    pub(crate) advice: &'static str,
}

const fn entry(code: &'static str, status: u16, title: &'static str, advice: &'static str) -> Entry {
    Entry { code, status, title, advice }
}

/// All codes, in the order of their statuses.
pub(crate) const ALL: &[Entry] = &[
    entry(
        "invalid_request",
        400,
        "A value can't be used",
        "Correct the value that `field` names; `detail` says what would be right.",
    ),
    entry("malformed_json", 400, "The body is not JSON", "Send one JSON object in UTF-8."),
    entry(
        "body_incomplete",
        400,
        "The body did not arrive",
        "The connection broke while the body was sent; send the request again.",
    ),
    entry(
        "unauthenticated",
        401,
        "No usable key",
        "Send a valid key as `Authorization: Bearer …` or `X-API-Key`. Unknown, expired and revoked keys are not told apart.",
    ),
    entry("forbidden", 403, "The key may not do this", "Use a key that has the scope which `detail` names."),
    entry("not_found", 404, "Not found", "Check the path and the id; things of other tenants are not found either."),
    entry("device_not_found", 404, "No such device", "GET /v1/devices lists the devices of this key's tenant."),
    entry("method_not_allowed", 405, "Other methods only", "The header `Allow` names the methods of this path."),
    entry(
        "body_too_slow",
        408,
        "The body came too slowly",
        "Send the request again; its body has to arrive at the rate that `detail` names.",
    ),
    entry(
        "device_not_ready",
        409,
        "The device is not ready",
        "`state` tells where it stands and `detail` what to do first.",
    ),
    entry("already_paired", 409, "The device is linked already", "Log it out first to link another account."),
    entry(
        "idempotency_key_reused",
        409,
        "Idempotency-Key used before",
        "The key came with another request within its lifetime; use a fresh key for each new request.",
    ),
    entry("too_many_devices", 409, "Limit of devices reached", "Delete a device, or raise the limit."),
    entry("too_many_keys", 409, "Limit of keys reached", "Revoke a key first; the limit is fixed."),
    entry("too_many_webhooks", 409, "Limit of webhooks reached", "Delete a webhook first; the limit is fixed."),
    entry("too_large", 413, "Too large", "Send less; `detail` names the limit in bytes."),
    entry(
        "unsupported_media_type",
        415,
        "Not the content type taken here",
        "Send JSON with `Content-Type: application/json`.",
    ),
    entry("not_on_whatsapp", 422, "Not on WhatsApp", "The number has no WhatsApp account; check it."),
    entry("busy", 429, "Not yet", "Wait for the seconds in `Retry-After`, then try again."),
    entry(
        "rate_limited",
        429,
        "Too many requests",
        "Wait for the seconds in `Retry-After`; the `RateLimit-*` headers tell how much is left.",
    ),
    entry(
        "internal",
        500,
        "The gateway failed",
        "A bug or a broken installation; the log has the reason under `request_id`.",
    ),
    entry(
        "unsupported",
        501,
        "Can't be done",
        "WhatsApp or this version can't do it; `detail` says what can be done instead.",
    ),
    entry(
        "plugin_failed",
        502,
        "A plugin gave no usable answer",
        "The plugin has a bug or a limit that is too low; the log names the reason.",
    ),
    entry("overloaded", 503, "Too much at once", "Wait for the seconds in `Retry-After`, then try again."),
    entry("unavailable", 503, "Something is down", "The same request may work later; `Retry-After` says when to try."),
    entry(
        "plugin_unavailable",
        503,
        "A plugin is busy or resting",
        "It gets too many requests or failed too often lately; try again later.",
    ),
    entry(
        "timeout",
        504,
        "No answer in time",
        "The request may still take effect; repeat it with the same `Idempotency-Key`.",
    ),
    entry(
        "plugin_timeout",
        504,
        "A plugin took too long",
        "The request may have taken effect; look before you repeat it.",
    ),
];

/// The title of a code; of its status when a new code has none yet.
pub(crate) fn title(code: &str, status: StatusCode) -> &'static str {
    let known = ALL.iter().find(|e| e.code == code);
    known.map_or_else(|| status.canonical_reason().unwrap_or("Problem"), |e| e.title)
}
