//! SQL that truly differs between the two databases; of each pair the first text is SQLite's, the second Postgres's.
//!
//! SQLite has one writer at a time, so nothing needs a lock. On Postgres a writing transaction takes its row locks in this
//! order: device, messages, tenant, subscriptions, deliveries. Who keeps to it never waits in a circle.

statements! {
    /// A device by id; locked until the end. `NO KEY`, so that rows which only refer to it can be added meanwhile.
    DEVICE_LOAD_LOCKED =
        concat!("SELECT ", device_columns!(), " FROM devices WHERE id = $1"),
        concat!("SELECT ", device_columns!(), " FROM devices WHERE id = $1 FOR NO KEY UPDATE");

    /// A device that is about to be removed; nothing that refers to it can be added any more.
    DEVICE_LOCK_FOR_DELETE =
        "SELECT id FROM devices WHERE tenant_id = $1 AND id = $2",
        "SELECT id FROM devices WHERE tenant_id = $1 AND id = $2 FOR UPDATE";

    /// Messages by WhatsApp id; locked until the end, in one order.
    MESSAGES_SENT_LOCKED =
        concat!(
            "SELECT ", message_columns!(), " FROM messages
             WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id"
        ),
        concat!(
            "SELECT ", message_columns!(), " FROM messages
             WHERE device_id = $1 AND direction = 'out' AND whatsapp_id IN ({$}) ORDER BY id FOR NO KEY UPDATE"
        );

    /// The lock of a tenant's outbox.
    TENANTS_LOCK =
        "SELECT id FROM tenants WHERE id IN ({$}) ORDER BY id",
        "SELECT id FROM tenants WHERE id IN ({$}) ORDER BY id FOR NO KEY UPDATE";

    /// Subscriptions an event may be wanted by; they can't be removed before the deliveries are stored.
    WEBHOOKS_CANDIDATES =
        concat!(
            "SELECT ", webhook_columns!(), " FROM webhooks
             WHERE tenant_id = $1 AND state = 'enabled' AND (device_id IS NULL OR device_id = $2) ORDER BY id"
        ),
        concat!(
            "SELECT ", webhook_columns!(), " FROM webhooks
             WHERE tenant_id = $1 AND state = 'enabled' AND (device_id IS NULL OR device_id = $2) ORDER BY id FOR KEY SHARE"
        );

    /// Claims what is due. `due_ms` is there for one of each lane only, so order within a lane needs no check.
    /// On Postgres the choice stands apart: inside `IN (…)` it might be made more than once.
    DELIVERIES_CLAIM =
        "UPDATE deliveries SET due_ms = $2, claimed_ms = $1
             WHERE id IN (SELECT id FROM deliveries WHERE state = 'pending' AND due_ms <= $1 ORDER BY due_ms LIMIT $3)
             RETURNING id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq",
        "WITH chosen AS MATERIALIZED (
                 SELECT id FROM deliveries WHERE state = 'pending' AND due_ms <= $1 ORDER BY due_ms LIMIT $3
                 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE deliveries SET due_ms = $2, claimed_ms = $1 FROM chosen WHERE deliveries.id = chosen.id
             RETURNING deliveries.id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq";

    /// As `DELIVERIES_CLAIM`, of one webhook.
    DELIVERIES_CLAIM_OF =
        "UPDATE deliveries SET due_ms = $2, claimed_ms = $1
             WHERE id IN (
                 SELECT id FROM deliveries WHERE webhook_id = $4 AND state = 'pending' AND due_ms <= $1
                 ORDER BY due_ms LIMIT $3)
             RETURNING id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq",
        "WITH chosen AS MATERIALIZED (
                 SELECT id FROM deliveries WHERE webhook_id = $4 AND state = 'pending' AND due_ms <= $1
                 ORDER BY due_ms LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE deliveries SET due_ms = $2, claimed_ms = $1 FROM chosen WHERE deliveries.id = chosen.id
             RETURNING deliveries.id, tenant_id, webhook_id, event_id, attempts, created_ms, event_seq";

    /// What waits behind heads of lanes, `$1` deliveries of each at most. SQLite can't limit a joined part by itself: there
    /// the last one wanted is looked up first.
    DELIVERIES_BEHIND =
        "SELECT d.id, d.tenant_id, d.webhook_id, d.event_id, d.attempts, d.created_ms, d.event_seq
             FROM deliveries h CROSS JOIN deliveries d
             WHERE h.id IN ({$}) AND d.webhook_id = h.webhook_id AND d.lane = h.lane AND d.state = 'pending'
                 AND d.event_seq > h.event_seq AND d.event_seq <= COALESCE((
                     SELECT n.event_seq FROM deliveries n
                     WHERE n.webhook_id = h.webhook_id AND n.lane = h.lane AND n.state = 'pending'
                         AND n.event_seq > h.event_seq
                     ORDER BY n.event_seq LIMIT 1 OFFSET $1 - 1), 9223372036854775807)",
        "SELECT d.id, d.tenant_id, d.webhook_id, d.event_id, d.attempts, d.created_ms, d.event_seq
             FROM deliveries h CROSS JOIN LATERAL (
                 SELECT n.* FROM deliveries n
                 WHERE n.webhook_id = h.webhook_id AND n.lane = h.lane AND n.state = 'pending'
                     AND n.event_seq > h.event_seq
                 ORDER BY n.event_seq LIMIT $1) AS d
             WHERE h.id IN ({$})";
}
