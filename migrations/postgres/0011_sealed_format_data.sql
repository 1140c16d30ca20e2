-- What a subscription tells its format plugin may hold credentials, so it is sealed. Rows from before have it in `format_data`
-- until the next start has sealed it; from then on that is empty.
ALTER TABLE webhooks ADD COLUMN sealed_format_data BYTEA;
CREATE INDEX webhooks_unsealed_data ON webhooks (id) WHERE format_data IS NOT NULL;
