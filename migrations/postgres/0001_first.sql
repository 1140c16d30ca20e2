-- The first tables. Ids are prefixed ULIDs, times are Unix milliseconds, enums are their lower-case names, JSON is text.

CREATE TABLE tenants (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    -- The newest `events.seq`. The row is also the lock of the tenant's outbox: who raises, finishes or replays holds it.
    event_seq BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE access_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the key.
    hash BYTEA NOT NULL UNIQUE,
    -- JSON list of names.
    scopes TEXT COLLATE "C" NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT
);
CREATE INDEX access_keys_page ON access_keys (tenant_id, id);

CREATE TABLE idempotency_keys (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);

CREATE TABLE devices (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason_code TEXT COLLATE "C",
    reason_text TEXT COLLATE "C",
    state_since_ms BIGINT NOT NULL,
    deadline_ms BIGINT,
    wanted TEXT COLLATE "C" NOT NULL,
    jid TEXT COLLATE "C",
    lid TEXT COLLATE "C",
    push_name TEXT COLLATE "C",
    created_ms BIGINT NOT NULL
);
CREATE INDEX devices_page ON devices (tenant_id, id);
CREATE INDEX devices_wanted ON devices (id) WHERE wanted = 'running';
CREATE INDEX devices_deadline ON devices (deadline_ms) WHERE deadline_ms IS NOT NULL;

CREATE TABLE messages (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Implied by the device, therefore no reference.
    tenant_id TEXT COLLATE "C" NOT NULL,
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    direction TEXT COLLATE "C" NOT NULL,
    chat_id TEXT COLLATE "C" NOT NULL,
    chat_pn TEXT COLLATE "C",
    chat_lid TEXT COLLATE "C",
    -- All three absent on messages of the device's own account.
    sender_id TEXT COLLATE "C",
    sender_pn TEXT COLLATE "C",
    sender_lid TEXT COLLATE "C",
    sender_name TEXT COLLATE "C",
    whatsapp_id TEXT COLLATE "C" NOT NULL,
    -- JSON.
    content TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    error_code TEXT COLLATE "C",
    error_text TEXT COLLATE "C",
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
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    -- No reference: events outlive their device.
    device_id TEXT COLLATE "C",
    lane TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    -- JSON.
    payload TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX events_seq ON events (tenant_id, seq);
CREATE INDEX events_age ON events (at_ms);

CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    device_id TEXT COLLATE "C" REFERENCES devices (id) ON DELETE CASCADE,
    url TEXT COLLATE "C" NOT NULL,
    -- JSON list of filters.
    events TEXT COLLATE "C" NOT NULL,
    -- JSON object.
    headers TEXT COLLATE "C" NOT NULL,
    format TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C",
    failing_since_ms BIGINT,
    created_ms BIGINT NOT NULL,
    sealed_secret BYTEA NOT NULL
);
CREATE INDEX webhooks_page ON webhooks (tenant_id, id);
CREATE INDEX webhooks_device ON webhooks (device_id, id);

CREATE TABLE deliveries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- Implied by the subscription, therefore no reference.
    tenant_id TEXT COLLATE "C" NOT NULL,
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    -- No reference: a finished delivery outlives its event.
    event_id TEXT COLLATE "C" NOT NULL,
    event_kind TEXT COLLATE "C" NOT NULL,
    event_seq BIGINT NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
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
    delivery_id TEXT COLLATE "C" NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    at_ms BIGINT NOT NULL,
    -- Starts at 1 again after a replay.
    number BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status BIGINT,
    error TEXT COLLATE "C",
    format TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (delivery_id, at_ms, number)
);

-- What sessions must remember: Signal keys, app-state keys and the like, sealed.
CREATE TABLE key_records (
    device_id TEXT COLLATE "C" NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    expires_ms BIGINT,
    PRIMARY KEY (device_id, kind, id)
);
