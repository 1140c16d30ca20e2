-- Files of tenants. The bytes are in the blob store, under the SHA-256 of what they are; several rows may name one file.
CREATE TABLE media (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- SHA-256 in hexadecimal digits.
    digest TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    file_name TEXT,
    origin TEXT NOT NULL,
    -- Both present on files that were fetched for an incoming message.
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    message_id TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX media_page ON media (tenant_id, id);
-- What a tenant's files take up is answered from this index alone.
CREATE INDEX media_usage ON media (tenant_id, bytes);
CREATE INDEX media_digest ON media (digest);
CREATE INDEX media_expiry ON media (expires_ms);
CREATE INDEX media_device ON media (device_id);
-- A file is fetched once for a message.
CREATE UNIQUE INDEX media_message ON media (message_id);
