-- What is kept under an `Idempotency-Key` is the whole answer from now on, and fingerprints are keyed. Keys of before can't be
-- turned into either.
DELETE FROM idempotency_keys;

-- Members: the users of a tenant, with roles. Who made a member: a manager manages the agents that it made.
ALTER TABLE users ADD COLUMN made_by TEXT;
ALTER TABLE users ADD COLUMN last_login_ms BIGINT;

-- The devices that agents and viewers reach.
CREATE TABLE member_devices (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, device_id)
);
CREATE INDEX member_devices_device ON member_devices (device_id);

-- Keys that could do everything of their tenant go on to.
UPDATE access_keys SET scopes = REPLACE(scopes, '"keys:write"', '"keys:write","members:write","analytics:read"')
WHERE scopes LIKE '%"devices:read"%' AND scopes LIKE '%"devices:write"%' AND scopes LIKE '%"messages:read"%'
    AND scopes LIKE '%"messages:write"%' AND scopes LIKE '%"webhooks:read"%' AND scopes LIKE '%"webhooks:write"%'
    AND scopes LIKE '%"keys:write"%' AND scopes NOT LIKE '%"members:write"%';
