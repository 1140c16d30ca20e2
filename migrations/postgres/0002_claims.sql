-- When the present attempt was claimed; empty while nobody works on the delivery. Tells claims of a process that is gone
-- from retries that wait their time: `due_ms` lies ahead for both.
ALTER TABLE deliveries ADD COLUMN claimed_ms BIGINT;
