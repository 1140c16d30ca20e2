-- Plugins: what is installed, who may use it and how far, what tenants and devices made of it, and what plugins keep.

CREATE TABLE plugin_versions (
    -- SHA-256 of the component, whose bytes lie in the data folder under this name.
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    plugin TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    origin TEXT COLLATE "C" NOT NULL,
    manifest TEXT COLLATE "C" NOT NULL,
    -- JSON Schema.
    settings_schema TEXT COLLATE "C",
    created_ms BIGINT NOT NULL
);
CREATE INDEX plugin_versions_plugin ON plugin_versions (plugin, created_ms);

CREATE TABLE plugin_offers (
    plugin TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL REFERENCES plugin_versions (digest),
    previous_digest TEXT COLLATE "C" REFERENCES plugin_versions (digest),
    -- JSON list of names; absent: all it asks for.
    grants_max TEXT COLLATE "C",
    -- JSON list of ids; absent: all.
    tenants TEXT COLLATE "C",
    default_state TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
-- For the references.
CREATE INDEX plugin_offers_digest ON plugin_offers (digest);
CREATE INDEX plugin_offers_previous ON plugin_offers (previous_digest);

CREATE TABLE plugin_enablements (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    -- No reference: what a tenant decided outlives a plugin that is removed and comes back.
    plugin TEXT COLLATE "C" NOT NULL,
    -- Absent: all devices of the tenant.
    device_id TEXT COLLATE "C" REFERENCES devices (id) ON DELETE CASCADE,
    state TEXT COLLATE "C" NOT NULL,
    -- JSON object, without secrets.
    settings TEXT COLLATE "C" NOT NULL,
    -- JSON list of names.
    secret_names TEXT COLLATE "C" NOT NULL,
    sealed_secrets BYTEA,
    -- JSON list of names; absent: all that are offered.
    grants TEXT COLLATE "C",
    position BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX plugin_enablements_place ON plugin_enablements (tenant_id, plugin, COALESCE(device_id, ''));
CREATE INDEX plugin_enablements_device ON plugin_enablements (device_id) WHERE device_id IS NOT NULL;

CREATE TABLE plugin_kv (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    plugin TEXT COLLATE "C" NOT NULL,
    -- Absent: the tenant as a whole.
    device_id TEXT COLLATE "C" REFERENCES devices (id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    value BYTEA NOT NULL,
    version BIGINT NOT NULL,
    expires_ms BIGINT
);
CREATE UNIQUE INDEX plugin_kv_key ON plugin_kv (tenant_id, plugin, COALESCE(device_id, ''), key);
CREATE INDEX plugin_kv_device ON plugin_kv (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX plugin_kv_expiry ON plugin_kv (tenant_id, plugin, COALESCE(device_id, ''), expires_ms) WHERE expires_ms IS NOT NULL;

-- The version of the format plugin that shaped a delivery first, which its retries keep.
ALTER TABLE deliveries ADD COLUMN shaped_by TEXT COLLATE "C";
