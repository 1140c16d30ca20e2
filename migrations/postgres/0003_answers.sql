-- What a request was answered, sealed, instead of the id of what it made. Keys of before can't be turned into answers.
DROP TABLE idempotency_keys;
CREATE TABLE idempotency_keys (
    tenant_id TEXT COLLATE "C" NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    -- Identifies the request that the key came with first.
    fingerprint TEXT COLLATE "C" NOT NULL,
    -- Empty until the request is answered, which is in the transaction that takes the key.
    sealed_answer BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);
