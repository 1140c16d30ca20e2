-- Who did what.
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- One of both is there. No references: an entry outlives who made it, and the device.
    user_id TEXT,
    key_id TEXT,
    action TEXT NOT NULL,
    device_id TEXT,
    at_ms BIGINT NOT NULL
);
CREATE INDEX audit_log_page ON audit_log (tenant_id, id);
CREATE INDEX audit_log_age ON audit_log (at_ms);

-- How many messages of a device took which step on which day. Counted with the events that tell of the steps.
CREATE TABLE message_counts (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- Days since 1970, UTC.
    day BIGINT NOT NULL,
    -- No reference: what was counted stays when the device is removed.
    device_id TEXT NOT NULL,
    sent BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    read BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, device_id)
);
CREATE INDEX message_counts_device ON message_counts (device_id, day);
