//! Column lists, once per row type. Rows are read by name, so order means nothing.
//!
//! They are macros because `concat!` takes literals only.

/// Of `AccessKeyRow`.
macro_rules! access_key_columns {
    () => {
        "id, tenant_id, name, scopes, created_ms, expires_ms, revoked_ms"
    };
}

/// Of `DeviceRow`.
macro_rules! device_columns {
    () => {
        "id, tenant_id, name, state, reason_code, reason_text, state_since_ms, deadline_ms, wanted, jid, lid, push_name, \
         created_ms"
    };
}

/// Of `MessageRow`.
macro_rules! message_columns {
    () => {
        "id, tenant_id, device_id, direction, chat_id, chat_pn, chat_lid, sender_id, sender_pn, sender_lid, sender_name, \
         whatsapp_id, content, status, error_code, error_text, created_ms, timestamp_ms, sent_ms, delivered_ms, read_ms, \
         played_ms, failed_ms"
    };
}

/// Of `EventRow`.
macro_rules! event_columns {
    () => {
        "id, tenant_id, seq, kind, device_id, lane, at_ms, payload"
    };
}

/// Of `WebhookRow`.
macro_rules! webhook_columns {
    () => {
        "id, tenant_id, device_id, url, events, headers, format, state, reason, failing_since_ms, created_ms, sealed_secret"
    };
}

/// Of `DeliveryRow`.
macro_rules! delivery_columns {
    () => {
        "id, tenant_id, webhook_id, event_id, event_kind, state, attempts, due_ms, created_ms, finished_ms"
    };
}
