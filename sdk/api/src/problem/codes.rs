//! Every problem code with its status, its title and what to do: the source of `/docs/problems`.

use serde::{Deserialize, Serialize};

/// Declares the codes. The advice is also the documentation of the variant.
macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal: $advice:literal;)*) => {
        /// What kind of problem it is: a stable code in snake_case, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ProblemCode {
            $(
                #[doc = $advice]
                #[serde(rename = $code)]
                $name,
            )*
        }

        impl ProblemCode {
            /// Every code, in the order of their statuses.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status it comes with.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// What kind of problem it is, for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice),* }
            }

            /// The code of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request", 400, "A value can't be used":
        "Correct the value that `field` names; `detail` says what would be right.";
    MalformedJson = "malformed_json", 400, "The body is not JSON": "Send one JSON object in UTF-8.";
    BodyIncomplete = "body_incomplete", 400, "The body did not arrive":
        "The connection broke while the body was sent; send the request again.";
    Unauthenticated = "unauthenticated", 401, "No usable key":
        "Send a valid key as `Authorization: Bearer …` or `X-API-Key`. Unknown, expired and revoked keys are not told apart.";
    Forbidden = "forbidden", 403, "The key may not do this": "Use a key that has the scope which `detail` names.";
    NotFound = "not_found", 404, "Not found":
        "Check the path and the id; things of other tenants are not found either.";
    DeviceNotFound = "device_not_found", 404, "No such device":
        "GET /v1/devices lists the devices of this key's tenant.";
    MethodNotAllowed = "method_not_allowed", 405, "Other methods only":
        "The header `Allow` names the methods of this path.";
    BodyTooSlow = "body_too_slow", 408, "The body came too slowly":
        "Send the request again; its body has to arrive at the rate that `detail` names.";
    DeviceNotReady = "device_not_ready", 409, "The device is not ready":
        "`state` tells where it stands and `detail` what to do first.";
    AlreadyPaired = "already_paired", 409, "The device is linked already": "Log it out first to link another account.";
    IdempotencyKeyReused = "idempotency_key_reused", 409, "Idempotency-Key used before":
        "The key came with another request within its lifetime; use a fresh key for each new request.";
    TooManyDevices = "too_many_devices", 409, "Limit of devices reached": "Delete a device, or raise the limit.";
    KeyNotRevealable = "key_not_revealable", 409, "The key's text can't be shown":
        "Only the texts of keys that were made with `revealable` are kept; make another key.";
    RefTaken = "ref_taken", 409, "Another device has this ref":
        "Refs are unique within their namespace; take it away from the other device first.";
    UserExists = "user_exists", 409, "There is such a user already":
        "Log in, or use another mobile number or e-mail address.";
    LastAdmin = "last_admin", 409, "The last one who may do everything":
        "Give another member the role `admin` first.";
    TooManyMembers = "too_many_members", 409, "Limit of members reached":
        "Remove a member first, or raise the limit.";
    TenantExists = "tenant_exists", 409, "There is such a tenant already": "Choose another name.";
    TooManyKeys = "too_many_keys", 409, "Limit of keys reached":
        "Revoke a key first; each device raises the limit.";
    TooManyWebhooks = "too_many_webhooks", 409, "Limit of webhooks reached":
        "Delete a webhook first; each device raises the limit.";
    PresetKeyRevoked = "preset_key_revoked", 409, "The preset key was revoked":
        "Set a fresh key; a revoked one never works again.";
    IdempotencyKeyExpired = "idempotency_key_expired", 409, "Idempotency-Key forgotten":
        "The key was forgotten just now; send the request again.";
    Conflict = "conflict", 409, "Changed by somebody else":
        "Another request changed the same thing at the same moment; look at it and send the request again.";
    RevisionConflict = "revision_conflict", 409, "There is a newer revision":
        "Somebody changed it since `revision` was read; look at it and send the change again.";
    PluginInUse = "plugin_in_use", 409, "The plugin can't be removed or changed like that":
        "`detail` says what is in the way and what to do first.";
    TooManyPlugins = "too_many_plugins", 409, "Limit of plugins reached": "Remove a plugin first, or raise the limit.";
    DeliveryNotReplayable = "delivery_not_replayable", 409, "The delivery can't be sent again":
        "`detail` says what is in the way: an older delivery of its chat, or an event that is no longer kept.";
    TooMuchMedia = "too_much_media", 409, "Limit of files reached":
        "Delete files, or wait until some expire; `detail` names the limit.";
    MessageNotChangeable = "message_not_changeable", 409, "The message can't be changed like that":
        "`detail` says what is in the way: it is somebody else's, too old, deleted, or was never sent.";
    MediaGone = "media_gone", 410, "The file is gone":
        "It expired or was deleted, here or at WhatsApp; upload it again, or ask the sender to send it again.";
    TooLarge = "too_large", 413, "Too large": "Send less; `detail` names the limit in bytes.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Not the content type taken here":
        "Send JSON with `Content-Type: application/json`.";
    RangeNotSatisfiable = "range_not_satisfiable", 416, "No such part of the file":
        "The header `Content-Range` names the size of the file.";
    MediaTypeMismatch = "media_type_mismatch", 422, "The file is of another type":
        "`detail` says what the bytes are and what was declared or is needed.";
    MediaUrlFailed = "media_url_failed", 422, "The URL gave no file":
        "`detail` says what the other server answered; it must answer 200 with the file.";
    NotOnWhatsapp = "not_on_whatsapp", 422, "Not on WhatsApp": "The number has no WhatsApp account; check it.";
    NotGroupMember = "not_group_member", 422, "Not in the group":
        "The account is not a member of this group; join it, or have an admin add the account.";
    NotGroupAdmin = "not_group_admin", 422, "Not an admin of the group":
        "Only admins may do this; have an admin promote the account.";
    InviteInvalid = "invite_invalid", 422, "The invite leads nowhere":
        "It was revoked, is misspelt, or the group is closed; ask for a new link.";
    RefusedByWhatsapp = "refused_by_whatsapp", 422, "WhatsApp said no":
        "`detail` holds WhatsApp's reason; sending the same again does not help.";
    PairingCodeRefused = "pairing_code_refused", 422, "WhatsApp gave no pairing code":
        "Check the number and try again later, or scan the QR code instead.";
    Busy = "busy", 429, "Not yet": "Wait for the seconds in `Retry-After`, then try again.";
    RateLimited = "rate_limited", 429, "Too many requests":
        "Wait for the seconds in `Retry-After`; the `RateLimit-*` headers tell how much is left.";
    Internal = "internal", 500, "The gateway failed":
        "A bug or a broken installation; the log has the reason under `request_id`.";
    Unsupported = "unsupported", 501, "Can't be done":
        "WhatsApp or this version can't do it; `detail` says what can be done instead.";
    PluginFailed = "plugin_failed", 502, "A plugin gave no usable answer":
        "The plugin has a bug or a limit that is too low; the log names the reason.";
    Overloaded = "overloaded", 503, "Too much at once": "Wait for the seconds in `Retry-After`, then try again.";
    Unavailable = "unavailable", 503, "Something is down":
        "The same request may work later; `Retry-After` says when to try.";
    PluginUnavailable = "plugin_unavailable", 503, "A plugin is busy or resting":
        "It gets too many requests or failed too often lately; try again later.";
    Timeout = "timeout", 504, "No answer in time":
        "The request may still take effect; repeat it with the same `Idempotency-Key`.";
    PluginTimeout = "plugin_timeout", 504, "A plugin took too long":
        "The request may have taken effect; look before you repeat it.";
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_codes_and_stand_in_json() {
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::from_name(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
        assert_eq!(ProblemCode::from_name("other"), None);
    }

    #[test]
    fn every_code_is_documented() {
        for code in ProblemCode::ALL {
            assert!((400..600).contains(&code.status()), "{code}");
            assert!(!code.title().is_empty() && code.advice().ends_with('.'), "{code}");
        }
        assert!(ProblemCode::ALL.is_sorted_by_key(|code| code.status()));
    }
}
