-- Who uses the gateway, and what other systems call things by.

-- Numbers that count up within a tenant, one counter for each kind of thing. A number is never given twice, so the newest
-- one is kept here and not read from the rows. Indexes on numbers begin with the number: they find one thing, and are no way
-- to list those of a tenant, which would then have to be sorted.
CREATE TABLE counters (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    newest BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind)
);

ALTER TABLE devices ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
-- JSON object: namespace to value. The same pairs are in `device_refs`, which keeps them unique and finds devices by them.
ALTER TABLE devices ADD COLUMN refs TEXT NOT NULL DEFAULT '{}';
-- JSON object.
ALTER TABLE devices ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
UPDATE devices SET number = v.number
FROM (SELECT id AS row_id, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY id) AS number FROM devices) AS v
WHERE devices.id = v.row_id;
INSERT INTO counters (tenant_id, kind, newest) SELECT tenant_id, 'device', MAX(number) FROM devices GROUP BY tenant_id;
CREATE UNIQUE INDEX devices_number ON devices (number, tenant_id);

CREATE TABLE device_refs (
    -- Implied by the device, therefore no reference.
    tenant_id TEXT NOT NULL,
    namespace TEXT NOT NULL,
    value TEXT NOT NULL,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, namespace, value)
);
CREATE UNIQUE INDEX device_refs_device ON device_refs (device_id, namespace);

ALTER TABLE access_keys ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
-- The one device that a key reaches; empty for keys of the whole tenant.
ALTER TABLE access_keys ADD COLUMN device_id TEXT REFERENCES devices (id) ON DELETE CASCADE;
-- The key's text, sealed, where its owner wants to see it again.
ALTER TABLE access_keys ADD COLUMN sealed_secret BLOB;
-- When the operator preset it for its tenant; empty for keys that were made otherwise.
ALTER TABLE access_keys ADD COLUMN preset_ms BIGINT;
CREATE INDEX access_keys_preset ON access_keys (id) WHERE preset_ms IS NOT NULL AND revoked_ms IS NULL;
CREATE INDEX access_keys_device ON access_keys (device_id, id);
UPDATE access_keys SET number = v.number
FROM (SELECT id AS row_id, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY id) AS number FROM access_keys) AS v
WHERE access_keys.id = v.row_id;
INSERT INTO counters (tenant_id, kind, newest) SELECT tenant_id, 'key', MAX(number) FROM access_keys GROUP BY tenant_id;
CREATE UNIQUE INDEX access_keys_number ON access_keys (number, tenant_id);

ALTER TABLE webhooks ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
-- How the signing key is written: `whsec` (base64 behind a prefix) or `text` (the text's own bytes).
ALTER TABLE webhooks ADD COLUMN secret_form TEXT NOT NULL DEFAULT 'whsec';
-- JSON object for the plugin that shapes the bodies.
ALTER TABLE webhooks ADD COLUMN format_data TEXT;
UPDATE webhooks SET number = v.number
FROM (SELECT id AS row_id, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY id) AS number FROM webhooks) AS v
WHERE webhooks.id = v.row_id;
INSERT INTO counters (tenant_id, kind, newest) SELECT tenant_id, 'webhook', MAX(number) FROM webhooks GROUP BY tenant_id;
CREATE UNIQUE INDEX webhooks_number ON webhooks (number, tenant_id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    -- Digits in international form.
    mobile TEXT,
    -- In lower case.
    email TEXT,
    -- Argon2id as a PHC string.
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Logins under an earlier version no longer count.
    login_version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_number ON users (number, tenant_id);
CREATE UNIQUE INDEX users_mobile ON users (mobile);
CREATE UNIQUE INDEX users_email ON users (email);
CREATE INDEX users_page ON users (tenant_id, id);
