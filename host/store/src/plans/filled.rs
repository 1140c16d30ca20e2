//! A database after months of use: a million messages, half of them of one device, and the rest in proportion.

use rusqlite::Connection;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

// Rows are numbered from 1: tenant `t1000001`, device `d1000001` and so on. The device `d1000100` of the tenant `t1000001` has
// half of all messages, older than those of all others, and the subscription `h1000101` of the tenant `t1000002` half of all
// deliveries: a page of the newest must not be looked for among those of the others.

/// Fills the tables of an SQLite database. It gets no statistics: the gateway never runs `ANALYZE` there.
pub(super) fn fill_sqlite(connection: &Connection) {
    connection.execute_batch(&format!("BEGIN; {}; COMMIT", inserts())).expect("the tables are filled");
}

/// Fills the tables of a Postgres database, and gathers statistics as autovacuum does. References are not checked meanwhile,
/// which would take most of the time; the rows keep to them.
pub(super) async fn fill_postgres(connection: &mut PgConnection) {
    let inserts = inserts().replace(" AS BLOB)", " AS BYTEA)");
    let batch = format!("BEGIN; SET LOCAL session_replication_role = replica; {inserts}; COMMIT; ANALYZE");
    connection.execute(AssertSqlSafe(batch)).await.expect("the tables are filled");
}

fn inserts() -> String {
    TABLES.map(|table| table.insert()).join("; ")
}

/// How one table is filled: `columns` from `values`, in which `i` is the number of the row.
struct Table {
    rows: u32,
    columns: &'static str,
    values: &'static str,
}

impl Table {
    /// `[x: …]` in the values stands for the id of the kind `x` with that number.
    fn insert(&self) -> String {
        let mut values = String::new();
        for part in self.values.split('[') {
            match part.split_once(']') {
                Some((id, rest)) => {
                    let (kind, number) = id.split_once(": ").expect("an id's kind and number");
                    values.push_str(&format!("'{kind}' || CAST(1000000 + ({number}) AS TEXT){rest}"));
                }
                None => values.push_str(part),
            }
        }
        let Self { rows, columns, .. } = self;
        format!(
            "INSERT INTO {columns} WITH RECURSIVE n (i) AS (
                 SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             SELECT {values} FROM n"
        )
    }
}

const TABLES: [Table; 21] = [
    Table { rows: 1_000, columns: "tenants (id, name, event_seq, created_ms)", values: "[t: i], [n: i], 0, i" },
    Table {
        rows: 10_000,
        columns: "access_keys (id, number, tenant_id, name, hash, scopes, created_ms)",
        values: "[k: i], i, [t: i % 1000 + 1], 'n', CAST([h: i] AS BLOB), '{}', i",
    },
    Table {
        rows: 10_000,
        columns: "users (id, number, tenant_id, name, mobile, email, password_hash, role, login_version, created_ms)",
        values: "[u: i], i, [t: i % 1000 + 1], 'n', [o: i], [a: i], 'p', 'owner', 1, i",
    },
    Table {
        rows: 4_000,
        columns: "counters (tenant_id, kind, newest)",
        values:
            "[t: i % 1000 + 1], CASE i % 4 WHEN 0 THEN 'device' WHEN 1 THEN 'key' WHEN 2 THEN 'user' ELSE 'webhook' END
             || CAST(i / 1000 AS TEXT), i",
    },
    Table {
        rows: 100_000,
        columns: "idempotency_keys (tenant_id, idempotency_key, fingerprint, sealed_answer, created_ms)",
        values: "[t: i % 1000 + 1], [k: i], 'f', CAST('x' AS BLOB), i",
    },
    Table {
        rows: 2_000,
        columns: "devices (id, number, tenant_id, name, state, state_since_ms, deadline_ms, wanted, created_ms)",
        values: "[d: i], i, [t: i % 100 + 1], 'n', 'connected', i, CASE WHEN i % 20 = 0 THEN i END,
             CASE WHEN i % 10 = 0 THEN 'running' ELSE 'stopped' END, i",
    },
    Table {
        rows: 200_000,
        columns: "message_counts (tenant_id, day, device_id, sent, delivered, read, failed, received)",
        values: "[t: i % 100 + 1], i / 2000, [d: i % 2000 + 1], 1, 1, 1, 1, 1",
    },
    Table {
        rows: 250_000,
        columns: "audit_log (id, tenant_id, user_id, action, at_ms)",
        values: "[l: i], [t: i % 100 + 1], [u: i % 10000 + 1], 'send', i",
    },
    Table {
        rows: 20_000,
        columns: "member_devices (tenant_id, user_id, device_id)",
        values: "[t: (i + 1) % 1000 + 1], [u: i % 10000 + 1], [d: i % 1999 + 1]",
    },
    Table {
        rows: 4_000,
        columns: "device_refs (tenant_id, namespace, value, device_id)",
        values: "[t: i % 100 + 1], CASE WHEN i <= 2000 THEN 'shop' ELSE 'crm' END, [x: i], [d: (i - 1) % 2000 + 1]",
    },
    Table {
        rows: 1_000_000,
        columns: "messages (id, tenant_id, device_id, direction, chat_id, whatsapp_id, content, status, created_ms,
             timestamp_ms)",
        values: "[m: i],
             [t: CASE WHEN i <= 500000 THEN 1 ELSE ((i - 500001) / 250 + 1) % 100 + 1 END],
             [d: CASE WHEN i <= 500000 THEN 100 ELSE (i - 500001) / 250 + 1 END],
             CASE WHEN i % 4 < 2 THEN 'in' ELSE 'out' END, [c: i / 200], [w: i], '{}',
             CASE WHEN i % 1000 = 2 THEN 'queued' WHEN i % 4 < 2 THEN 'received' ELSE 'read' END, i, i",
    },
    Table {
        rows: 100_000,
        columns: "media (id, tenant_id, digest, bytes, media_type, origin, device_id, message_id, created_ms, expires_ms)",
        values: "[x: i], [t: i % 100 + 1], [g: i], i, 'image/jpeg', 'incoming', [d: i % 2000 + 1], [m: i], i, i",
    },
    Table {
        rows: 250_000,
        columns: "events (id, tenant_id, seq, kind, lane, at_ms, payload)",
        values: "[e: i], [t: i % 100 + 1], i, 'message.received', [c: i % 5000], i, '{}'",
    },
    Table {
        rows: 2_000,
        columns: "webhooks (id, number, tenant_id, device_id, url, events, headers, format, state, created_ms, sealed_secret)",
        values: "[h: i], i, [t: i % 100 + 1], CASE WHEN i % 2 = 0 THEN [d: i] END, 'u', '{}', '{}',
             'f', 'enabled', i, CAST('x' AS BLOB)",
    },
    Table {
        rows: 250_000,
        columns:
            "deliveries (id, tenant_id, webhook_id, event_id, event_kind, event_seq, lane, state, attempts, due_ms,
             created_ms, finished_ms)",
        values: "[v: i], [t: CASE WHEN i <= 125000 THEN 2 ELSE i % 100 + 1 END],
             [h: CASE WHEN i <= 125000 THEN 101 ELSE i % 2000 + 1 END], [e: i], 'message.received', i, [c: i % 5000],
             CASE WHEN i % 100 = 0 THEN 'pending' WHEN i % 50 = 1 THEN 'dead' ELSE 'delivered' END, 1,
             CASE WHEN i % 200 = 0 THEN i END, i, CASE WHEN i % 100 = 0 THEN NULL ELSE i END",
    },
    Table {
        rows: 250_000,
        columns: "delivery_attempts (delivery_id, at_ms, number, duration_ms, format)",
        values: "[v: i], i, 1, 1, 'f'",
    },
    Table {
        rows: 250_000,
        columns: "key_records (device_id, kind, id, value, expires_ms)",
        values: "[d: i % 2000 + 1], CASE WHEN i % 3 = 0 THEN 'session' ELSE 'pre_key' END, [r: i],
             CAST('x' AS BLOB), CASE WHEN i % 3 = 0 THEN i END",
    },
    Table {
        rows: 10_000,
        columns: "plugin_versions (digest, plugin, version, origin, manifest, created_ms)",
        values: "[x: i], [p: i % 1000 + 1], '1.0.0', 'uploaded', '', i",
    },
    Table {
        rows: 1_000,
        columns: "plugin_offers (plugin, digest, default_state, revision, changed_ms)",
        values: "[p: i], [x: i], 'on', 1, i",
    },
    Table {
        rows: 100_000,
        columns:
            "plugin_enablements (id, tenant_id, plugin, device_id, state, settings, secret_names, position, revision,
             changed_ms)",
        values:
            "[b: i], [t: i % 1000 + 1], [p: i / 1000 + 1], CASE WHEN i % 2 = 0 THEN [d: i % 2000 + 1] END, 'on', '{}',
             '{}', 0, 1, i",
    },
    Table {
        rows: 200_000,
        columns: "plugin_kv (tenant_id, plugin, key, value, version, expires_ms)",
        values: "[t: i % 1000 + 1], [p: i % 7 + 1], [k: i], CAST('x' AS BLOB), 1, CASE WHEN i % 3 = 0 THEN i END",
    },
];
