-- When its owner deleted the file of a message: links to it lead nowhere from then on. The message itself stays.
ALTER TABLE messages ADD COLUMN file_deleted_ms BIGINT;

-- Whether a plugin serves requests without credentials; absent: as it serves tenants that did not say anything.
ALTER TABLE plugin_offers ADD COLUMN public_routes TEXT COLLATE "C";

-- What becomes of a plugin's work while it fails; absent: what is usual for the hook.
ALTER TABLE plugin_enablements ADD COLUMN on_failure TEXT COLLATE "C";
