-- The first tables. Ids are prefixed ULIDs, times are Unix milliseconds, enums are their lower-case names, JSON is text.

CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- The newest `events.seq`. The row is also the lock of the tenant's outbox: who raises, finishes or replays holds it.
    event_seq BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE access_keys (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- SHA-256 of the key.
    hash BLOB NOT NULL UNIQUE,
    -- JSON list of names.
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);
CREATE INDEX access_keys_page ON access_keys (tenant_id, id);

CREATE TABLE idempotency_keys (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    resource TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);

CREATE TABLE devices (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason_code TEXT,
    reason_text TEXT,
    state_since_ms BIGINT NOT NULL,
    deadline_ms BIGINT,
    wanted TEXT NOT NULL,
    jid TEXT,
    lid TEXT,
    push_name TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX devices_page ON devices (tenant_id, id);
CREATE INDEX devices_wanted ON devices (id) WHERE wanted = 'running';
CREATE INDEX devices_deadline ON devices (deadline_ms) WHERE deadline_ms IS NOT NULL;

CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    -- Implied by the device, therefore no reference.
    tenant_id TEXT NOT NULL,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    direction TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    chat_pn TEXT,
    chat_lid TEXT,
    -- All three absent on messages of the device's own account.
    sender_id TEXT,
    sender_pn TEXT,
    sender_lid TEXT,
    sender_name TEXT,
    whatsapp_id TEXT NOT NULL,
    -- JSON.
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    error_code TEXT,
    error_text TEXT,
    created_ms BIGINT NOT NULL,
    timestamp_ms BIGINT NOT NULL,
    sent_ms BIGINT,
    delivered_ms BIGINT,
    read_ms BIGINT,
    played_ms BIGINT,
    failed_ms BIGINT
);
-- WhatsApp's id is unique within chat and sender only; it stands early so that receipts find their message.
CREATE UNIQUE INDEX messages_whatsapp ON messages (device_id, whatsapp_id, chat_id, COALESCE(sender_id, ''));
CREATE INDEX messages_page ON messages (device_id, id);
CREATE INDEX messages_chat ON messages (device_id, chat_id, id);
CREATE INDEX messages_queued ON messages (device_id, id) WHERE status = 'queued';
CREATE INDEX messages_out ON messages (device_id, chat_id) WHERE direction = 'out';

CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- No reference: events outlive their device.
    device_id TEXT,
    lane TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    -- JSON.
    payload TEXT NOT NULL
);
CREATE UNIQUE INDEX events_seq ON events (tenant_id, seq);
CREATE INDEX events_age ON events (at_ms);

CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- JSON list of filters.
    events TEXT NOT NULL,
    -- JSON object.
    headers TEXT NOT NULL,
    format TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    failing_since_ms BIGINT,
    created_ms BIGINT NOT NULL,
    sealed_secret BLOB NOT NULL
);
CREATE INDEX webhooks_page ON webhooks (tenant_id, id);
CREATE INDEX webhooks_device ON webhooks (device_id, id);

CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    -- Implied by the subscription, therefore no reference.
    tenant_id TEXT NOT NULL,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    -- No reference: a finished delivery outlives its event.
    event_id TEXT NOT NULL,
    event_kind TEXT NOT NULL,
    event_seq BIGINT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When the next attempt is due, or the lease of the present one ends. Only the oldest pending delivery of a lane has
    -- one; the others wait behind it, so that neither claiming nor asking for the next due time ever looks at them.
    due_ms BIGINT,
    -- The event's `at_ms`.
    created_ms BIGINT NOT NULL,
    finished_ms BIGINT
);
CREATE INDEX deliveries_due ON deliveries (due_ms) WHERE state = 'pending' AND due_ms IS NOT NULL;
CREATE INDEX deliveries_lane ON deliveries (webhook_id, lane, event_seq) WHERE state = 'pending';
-- Also tells which events are still needed.
CREATE INDEX deliveries_waiting ON deliveries (created_ms, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (tenant_id, id) WHERE state = 'dead';
CREATE INDEX deliveries_dead_span ON deliveries (webhook_id, created_ms) WHERE state = 'dead';
CREATE INDEX deliveries_page ON deliveries (tenant_id, id);
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_finished ON deliveries (finished_ms) WHERE finished_ms IS NOT NULL;

CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    at_ms BIGINT NOT NULL,
    -- Starts at 1 again after a replay.
    number BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    format TEXT NOT NULL,
    PRIMARY KEY (delivery_id, at_ms, number)
);

-- What sessions must remember: Signal keys, app-state keys and the like, sealed.
CREATE TABLE key_records (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (device_id, kind, id)
);
