-- Headers of subscriptions are credentials: names in the clear, names and values sealed. Rows from before still have both in
-- `headers` until the next start has sealed them; from then on it is `{}`.
ALTER TABLE webhooks ADD COLUMN header_names TEXT COLLATE "C";
ALTER TABLE webhooks ADD COLUMN sealed_headers BYTEA;
CREATE INDEX webhooks_unsealed ON webhooks (id) WHERE headers <> '{}';
