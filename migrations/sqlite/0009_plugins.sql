-- Plugins: what is installed, who may use it and how far, what tenants and devices made of it, and what plugins keep.

CREATE TABLE plugin_versions (
    -- SHA-256 of the component, whose bytes lie in the data folder under this name.
    digest TEXT NOT NULL PRIMARY KEY,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    origin TEXT NOT NULL,
    manifest TEXT NOT NULL,
    -- JSON Schema.
    settings_schema TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX plugin_versions_plugin ON plugin_versions (plugin, created_ms);

CREATE TABLE plugin_offers (
    plugin TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL REFERENCES plugin_versions (digest),
    previous_digest TEXT REFERENCES plugin_versions (digest),
    -- JSON list of names; absent: all it asks for.
    grants_max TEXT,
    -- JSON list of ids; absent: all.
    tenants TEXT,
    default_state TEXT NOT NULL,
    revision BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
-- For the references.
CREATE INDEX plugin_offers_digest ON plugin_offers (digest);
CREATE INDEX plugin_offers_previous ON plugin_offers (previous_digest);

CREATE TABLE plugin_enablements (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- No reference: what a tenant decided outlives a plugin that is removed and comes back.
    plugin TEXT NOT NULL,
    -- Absent: all devices of the tenant.
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    -- JSON object, without secrets.
    settings TEXT NOT NULL,
    -- JSON list of names.
    secret_names TEXT NOT NULL,
    sealed_secrets BLOB,
    -- JSON list of names; absent: all that are offered.
    grants TEXT,
    position BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX plugin_enablements_place ON plugin_enablements (tenant_id, plugin, COALESCE(device_id, ''));
CREATE INDEX plugin_enablements_device ON plugin_enablements (device_id) WHERE device_id IS NOT NULL;

CREATE TABLE plugin_kv (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    plugin TEXT NOT NULL,
    -- Absent: the tenant as a whole.
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version BIGINT NOT NULL,
    expires_ms BIGINT
);
CREATE UNIQUE INDEX plugin_kv_key ON plugin_kv (tenant_id, plugin, COALESCE(device_id, ''), key);
CREATE INDEX plugin_kv_device ON plugin_kv (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX plugin_kv_expiry ON plugin_kv (tenant_id, plugin, COALESCE(device_id, ''), expires_ms) WHERE expires_ms IS NOT NULL;

-- The version of the format plugin that shaped a delivery first, which its retries keep.
ALTER TABLE deliveries ADD COLUMN shaped_by TEXT;
