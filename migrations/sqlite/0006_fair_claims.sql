-- For claims that go round by webhook: which webhooks wait, and what is due of each.
CREATE INDEX deliveries_webhook_due ON deliveries (webhook_id, due_ms) WHERE state = 'pending' AND due_ms IS NOT NULL;
