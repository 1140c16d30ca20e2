-- What a request was answered, sealed, instead of the id of what it made. Keys of before can't be turned into answers.
DROP TABLE idempotency_keys;
CREATE TABLE idempotency_keys (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    idempotency_key TEXT NOT NULL,
    -- Identifies the request that the key came with first.
    fingerprint TEXT NOT NULL,
    -- Empty until the request is answered, which is in the transaction that takes the key.
    sealed_answer BLOB NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);
