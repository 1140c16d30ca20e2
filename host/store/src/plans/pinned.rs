//! Which index each statement uses over the tables of [`super::filled`].
//!
//! A statement is explained with typical values. Postgres makes its plan either for the values or, after a few runs, for any
//! values; both plans are looked at. SQLite's plan does not depend on them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use super::filled;
use crate::statement::{Statement, Text, all};
use crate::testing::{Home, Kind};
use crate::{Db, StoreConfig};

/// What is expected of a statement's plan.
struct Pin {
    /// The statement, without the crate's name.
    statement: &'static str,
    /// Every index that has to be used, by its name on Postgres; of those joined by `|` one is enough.
    indexes: &'static [&'static str],
    /// What the placeholders stand for, as SQL, lists with two entries; empty where the plan can't depend on it.
    binds: &'static str,
}

const fn pin(statement: &'static str, indexes: &'static [&'static str], binds: &'static str) -> Pin {
    Pin { statement, indexes, binds }
}

/// Statements that may read a table whole, each for the reason given where it is declared.
const MAY_SCAN: [&str; 6] = [
    "access::TENANT_TOTAL",
    "access::KEY_ANY",
    "db::CHECK",
    "db::STEPS_DONE",
    "device::COUNT_BY_STATE",
    "plugin::OFFER_LIST",
];

/// Statements whose plan for any values may read a table whole on Postgres: it has to suppose that `LIMIT $2` lets a tenth of
/// the table through. The plan for real values costs far less, so Postgres goes on making that one.
const MAY_SCAN_FOR_ANY_VALUES: [&str; 4] = ["audit::PURGE", "event::PURGE", "media::PURGE", "outbox::PURGE"];

/// Statements that sort what they found: few rows, whose number the caller bounds.
const MAY_SORT: [&str; 6] = [
    "message::SENT",
    "message::SENT_LOCKED",
    "message::LIST_ID",
    "message::LIST_ID_BYTES",
    "message::BY_WHATSAPP_ID",
    "message::BY_WHATSAPP_ID_DEVICE",
];

const PINS: &[Pin] = &[
    pin("access::TENANT_INSERT", &[], ""),
    pin("access::TENANT_BY_NAME", &["tenants_name_key"], "'n1000005'"),
    pin("access::TENANT_FIND", &["tenants_pkey"], "'t1000001'"),
    pin("access::TENANT_LIST", &["tenants_pkey"], "'z', 20, 0"),
    pin("access::TENANT_TOTAL", &[], "1000"),
    pin("access::NUMBER_NEXT", &[], "'t1000001', 'device'"),
    pin("access::NUMBERED_DEVICE", &["devices_number"], "'t1000001', 100"),
    pin("access::NUMBERED_KEY", &["access_keys_number"], "'t1000006', 5"),
    pin("access::NUMBERED_USER", &["users_number"], "'t1000006', 5"),
    pin("access::NUMBERED_WEBHOOK", &["webhooks_number"], "'t1000001', 100"),
    pin("access::KEY_INSERT", &[], ""),
    pin("access::KEY_BY_HASH", &["access_keys_hash_key"], "'h1000005'"),
    pin("access::KEY_FIND", &["access_keys_pkey|access_keys_page"], "'t1000006', 'k1000005'"),
    pin("access::KEY_LIST", &["access_keys_page"], "'t1000006', 'z', 20, 0"),
    pin("access::KEY_LIST_DEVICE", &["access_keys_device|access_keys_page"], "'t1000006', 'z', 20, 0, 'd1000100'"),
    pin("access::KEY_TOTAL", &["access_keys_page|access_keys_number"], "'t1000006', 1000"),
    pin(
        "access::KEY_TOTAL_DEVICE",
        &["access_keys_device|access_keys_page|access_keys_number"],
        "'t1000006', 1000, 'd1000100'",
    ),
    pin("access::KEY_COUNT", &["access_keys_page|access_keys_number"], "'t1000006'"),
    pin("access::KEY_ANY", &[], "1"),
    pin("access::KEY_CHANGE", &["access_keys_pkey|access_keys_page"], "'t1000006', 'k1000005', 'n', '[]'"),
    pin("access::KEY_PRESET", &["access_keys_pkey|access_keys_page"], "'t1000006', 'k1000005', 1"),
    pin("access::KEY_LIST_PRESET", &["access_keys_preset"], ""),
    pin("access::KEY_REVOKE", &["access_keys_pkey|access_keys_page"], "'t1000006', 'k1000005', 1"),
    pin("access::IDEMPOTENCY_INSERT", &[], ""),
    pin("access::IDEMPOTENCY_ANSWER", &["idempotency_keys_pkey"], "'t1000006', 'k1000005', 'x'"),
    pin("access::IDEMPOTENCY_FIND", &["idempotency_keys_pkey"], "'t1000006', 'k1000005'"),
    pin("access::IDEMPOTENCY_PURGE", &["idempotency_keys_age"], "500"),
    pin("analytics::ADD", &[], ""),
    pin("analytics::LIST", &["message_counts_pkey"], "'t1000001', 5, 9, 1000"),
    pin("analytics::LIST_DEVICE", &["message_counts_pkey|message_counts_device"], "'t1000001', 5, 9, 1000, 'd1000100'"),
    pin("audit::INSERT", &[], ""),
    pin("audit::LIST", &["audit_log_page"], "'t1000001', 'z', 20, 0"),
    pin("audit::TOTAL", &["audit_log_page"], "'t1000001', 1000"),
    pin("audit::PURGE", &["audit_log_age", "audit_log_pkey"], "500, 100"),
    pin("db::CHECK", &[], ""),
    pin("db::PROBE_ADD", &[], ""),
    pin("db::PROBE_REMOVE", &["tenants_pkey"], ""),
    pin("db::STEPS_DONE", &[], ""),
    pin("db::SEALED_SECRET", &["webhooks_pkey"], ""),
    pin("db::SEALED_RECORD", &["key_records_pkey"], ""),
    pin("device::INSERT", &[], ""),
    pin("device::FIND", &["devices_pkey|devices_page"], "'t1000001', 'd1000100'"),
    pin("device::LOAD", &["devices_pkey"], "'d1000100'"),
    pin("device::LIST", &["devices_page"], "'t1000001', 'z', 20, 0, NULL"),
    pin("device::LIST_NAMED", &["device_refs_pkey|device_refs_device"], "'t1000001', 'z', 20, 0, NULL, 'shop', NULL"),
    pin("device::TOTAL", &["devices_page|devices_number"], "'t1000001', 1000, NULL"),
    pin("device::TOTAL_NAMED", &["device_refs_pkey"], "'t1000001', 1000, NULL, 'shop', NULL"),
    pin("device::REFS_FORGET", &["device_refs_device"], "'d1000100'"),
    pin("device::REFS_INSERT", &[], ""),
    pin("device::REFS_SET", &["devices_pkey|devices_page"], "'t1000001', 'd1000100', '{}'"),
    pin("device::BY_REF", &["device_refs_pkey"], "'t1000001', 'shop', 'x1000100'"),
    pin("device::SETTINGS_SET", &["devices_pkey|devices_page"], "'t1000001', 'd1000100', '{}'"),
    pin("device::COUNT", &["devices_page|devices_number"], "'t1000001'"),
    pin("device::COUNT_BY_STATE", &[], ""),
    pin("device::RENAME", &["devices_pkey|devices_page"], "'t1000001', 'd1000100', 'n'"),
    pin("device::WANT", &["devices_pkey"], "'d1000100', 'running'"),
    pin("device::CHANGE", &["devices_pkey"], "'d1000100', 's', NULL, NULL, 1, NULL, NULL, NULL, NULL"),
    pin("device::FORGET_ACCOUNT", &["devices_pkey"], "'d1000100'"),
    pin("device::DELETE_MESSAGES", &["messages_page|messages_chat|messages_whatsapp|messages_out"], "'d1000005'"),
    pin("device::DELETE", &["devices_pkey|devices_page"], "'t1000001', 'd1000100'"),
    pin("device::WANTED", &["devices_wanted"], "'d1000100', 20"),
    pin("device::OVERDUE", &["devices_deadline"], "1, 20"),
    pin("event::TAKE_SEQS", &["tenants_pkey"], "'t1000001', 1"),
    pin("event::INSERT", &[], ""),
    pin("event::REMOVE", &["events_pkey"], "'e1000005', 'e1000006'"),
    pin(
        "outbox::INSERT",
        &["deliveries_lane"],
        "'t1000001', 'v', 'h1000005', 'e', 'k', 1, 'l', 1, 1, 'u', 'h1000005', 'e', 'k', 2, 'l', 1, 0",
    ),
    pin("event::LIST", &["events_seq"], "'t1000001', 5, 20"),
    pin("event::LIST_BYTES", &["events_seq"], "'t1000001', 5, 20"),
    pin("event::FIND", &["events_pkey"], "'t1000001', 'e1000005'"),
    pin("event::LAST_SEQ", &["tenants_pkey"], "'t1000001'"),
    pin("event::LOAD_MANY", &["events_pkey"], "'e1000005', 'e1000006'"),
    pin("event::PURGE", &["events_age", "events_pkey", "deliveries_waiting"], "500, 100"),
    pin("device::LOAD_LOCKED", &["devices_pkey"], "'d1000100'"),
    pin("device::LOCK_FOR_DELETE", &["devices_pkey|devices_page"], "'t1000001', 'd1000100'"),
    pin("message::SENT_LOCKED", &["messages_whatsapp"], "'d1000100', 'w1000006', 'w1000007'"),
    pin("outbox::TENANTS_LOCK", &["tenants_pkey"], "'t1000001', 't1000002'"),
    pin("webhook::ENABLED", &["webhooks_page|webhooks_number"], "'t1000001'"),
    pin("outbox::claim::CLAIM", &["deliveries_due", "deliveries_pkey"], "2000, 3000, 100"),
    pin("outbox::claim::CLAIM_OF", &["deliveries_webhook_due", "deliveries_pkey"], "2000, 3000, 100, 'h1000101'"),
    pin("outbox::claim::WAITING", &["deliveries_webhook_due"], "'h1000101', 50"),
    pin("outbox::claim::BEHIND", &["deliveries_pkey", "deliveries_lane"], "31, 'v1000200', 'v1000400'"),
    pin("key_record::GET", &["key_records_pkey"], "'d1000005', 'session', 'r1000005'"),
    pin("key_record::GET_MANY", &["key_records_pkey"], "'d1000005', 'session', 'r1000005', 'r1000006'"),
    pin("key_record::LIST", &["key_records_pkey"], "'d1000005', 'session', 'r'"),
    pin("key_record::LIST_BELOW", &["key_records_pkey"], "'d1000005', 'session', 'r', 's'"),
    pin("key_record::PUT", &[], ""),
    pin("key_record::DELETE", &["key_records_pkey"], "'d1000005', 'session', 'r1000005', 'r1000006'"),
    pin("key_record::DELETE_FROM", &["key_records_pkey"], "'d1000005', 'session', 'r'"),
    pin("key_record::DELETE_BETWEEN", &["key_records_pkey"], "'d1000005', 'session', 'r', 's'"),
    pin("key_record::TAKE", &["key_records_pkey"], "'d1000005', 'session', 'r1000005'"),
    pin("key_record::PURGE", &["key_records_pkey"], "'d1000005', 'session', 50"),
    pin("key_record::WIPE", &["key_records_pkey"], "'d1000005'"),
    pin("media::INSERT", &[], ""),
    pin("media::FIND", &["media_pkey|media_page"], "'t1000001', 'x1000100'"),
    pin("media::FIND_FETCHED", &["media_message"], "'t1000001', 'd1000101', 'm1000100'"),
    pin("media::LIST", &["media_page"], "'t1000001', 'z', 20, 0"),
    pin("media::TOTAL", &["media_page|media_usage"], "'t1000001', 1000"),
    pin("media::USAGE", &["media_usage|media_page"], "'t1000001'"),
    pin("media::KEEP", &["media_pkey|media_page"], "'t1000001', 'x1000100', 1"),
    pin("media::DELETE", &["media_pkey|media_page"], "'t1000001', 'x1000100'"),
    pin("media::PURGE", &["media_expiry", "media_pkey"], "500, 100"),
    pin("media::USED", &["media_digest"], "'g1000005', 'g1000006'"),
    pin("message::INSERT", &[], ""),
    pin("message::FIND", &["messages_pkey|messages_page"], "'t1000001', 'd1000100', 'm1000005'"),
    pin("message::LIST", &["messages_page"], "'t1000001', 'd1000100', 'z', 20, NULL, NULL, 0"),
    pin("message::LIST_CHAT", &["messages_chat"], "'t1000001', 'd1000100', 'z', 20, 'in', NULL, 0, 'c1000005'"),
    pin("message::LIST_ID", &["messages_whatsapp"], "'t1000001', 'd1000100', 'z', 20, NULL, NULL, 0, NULL, 'w1000006'"),
    pin("message::LIST_BYTES", &["messages_page"], "'t1000001', 'd1000100', 'z', 20, NULL, 'read', 0"),
    pin("message::LIST_CHAT_BYTES", &["messages_chat"], "'t1000001', 'd1000100', 'z', 20, 'in', NULL, 0, 'c1000005'"),
    pin(
        "message::LIST_ID_BYTES",
        &["messages_whatsapp"],
        "'t1000001', 'd1000100', 'z', 20, NULL, NULL, 0, NULL, 'w1000006'",
    ),
    pin(
        "message::TOTAL",
        &["messages_page|messages_chat|messages_whatsapp|messages_out"],
        "'t1000001', 'd1000100', 1000, NULL, NULL",
    ),
    pin("message::TOTAL_CHAT", &["messages_chat|messages_out"], "'t1000001', 'd1000100', 1000, NULL, NULL, 'c1000005'"),
    pin("message::TOTAL_ID", &["messages_whatsapp"], "'t1000001', 'd1000100', 1000, NULL, NULL, NULL, 'w1000006'"),
    pin("message::DELETE_FILE", &["messages_pkey"], "'t1000001', 'm1000005', 1"),
    pin("message::FILE_DELETED", &["messages_pkey"], "'t1000001', 'm1000005'"),
    pin("message::change::FIND_LOCKED", &["messages_pkey|messages_page"], "'t1000001', 'd1000100', 'm1000005'"),
    pin("message::change::CHANGE", &["messages_pkey"], "'m1000005', '{}', NULL"),
    pin("message::change::CHANGES", &["messages_about"], "'t1000001', 'm1000005', 'z', 20, 0"),
    pin("message::FIND_ANYWHERE", &["messages_pkey"], "'t1000001', 'm1000005'"),
    pin("message::BY_WHATSAPP_ID", &["messages_whatsapp"], "'t1000001', 'w1000006', 20"),
    pin("message::BY_WHATSAPP_ID_DEVICE", &["messages_whatsapp"], "'t1000001', 'w1000006', 20, 'd1000100'"),
    pin("message::SENT", &["messages_whatsapp"], "'d1000100', 'w1000006', 'w1000007'"),
    pin(
        "message::PROGRESS",
        &["messages_pkey"],
        "'m1000006', 'read', NULL, NULL, 1, 1, 1, NULL, NULL, 'm1000007', 'read', NULL, NULL, 1, 1, 1, NULL, NULL",
    ),
    pin("message::QUEUED", &["messages_queued"], "'d1000100', '', 20"),
    pin("message::COUNT_QUEUED", &["messages_queued"], "'d1000100'"),
    pin("message::SENT_BEFORE", &["messages_out"], "'d1000100', 'c1000005'"),
    pin("outbox::NEXT_DUE", &["deliveries_due"], ""),
    pin("outbox::RELEASE", &["deliveries_due"], "249000"),
    pin("outbox::FIND", &["deliveries_pkey|deliveries_page"], "'t1000001', 'v1000005'"),
    pin("outbox::LIST", &["deliveries_page"], "'t1000002', 'z', 20, 0, NULL"),
    pin("outbox::LIST_WEBHOOK", &["deliveries_webhook"], "'t1000002', 'z', 20, 0, NULL, 'h1000101'"),
    pin("outbox::LIST_DEAD", &["deliveries_dead"], "'t1000002', 'z', 20, 0, NULL"),
    pin("outbox::TOTAL", &["deliveries_page"], "'t1000002', 1000, NULL"),
    pin("outbox::TOTAL_WEBHOOK", &["deliveries_webhook"], "'t1000002', 1000, NULL, 'h1000101'"),
    pin("outbox::TOTAL_DEAD", &["deliveries_dead"], "'t1000002', 1000, NULL"),
    pin("outbox::ATTEMPTS", &["delivery_attempts_pkey"], "'v1000005'"),
    pin("outbox::PURGE", &["deliveries_finished", "deliveries_pkey"], "500, 100"),
    pin("outbox::COUNT_PENDING", &["deliveries_due|deliveries_lane|deliveries_waiting"], ""),
    pin("outbox::COUNT_DEAD", &["deliveries_dead|deliveries_dead_span"], ""),
    pin("outbox::OLDEST_PENDING", &["deliveries_waiting"], ""),
    pin("outbox::settle::TENANTS_OF", &["deliveries_pkey"], "'v1000100', 'v1000200'"),
    pin(
        "outbox::settle::FINISH",
        &["deliveries_pkey", "deliveries_lane"],
        "'v1000100', 'delivered', 1, 1, 1, 'x', 'v1000200', 'pending', 1, 1, 1, NULL",
    ),
    pin("outbox::settle::HOLD", &["deliveries_pkey"], "3000, 2000, 'v1000100', 'v1000200'"),
    pin("outbox::settle::LOG_ATTEMPT", &[], ""),
    pin("outbox::settle::PROMOTE", &["deliveries_pkey", "deliveries_lane"], "1, 'v1000100', 'v1000200'"),
    pin("outbox::settle::REPLAY", &["deliveries_pkey|deliveries_page", "events_pkey"], "'t1000001', 'v1000005'"),
    pin("outbox::settle::HURRY", &["deliveries_pkey|deliveries_page"], "'t1000001', 'v1000100', 1"),
    pin(
        "outbox::settle::WAITS_ITS_TURN",
        &["deliveries_pkey|deliveries_page", "deliveries_lane"],
        "'t1000001', 'v1000100'",
    ),
    pin("outbox::settle::DEMOTE_LANE", &["deliveries_lane"], "'h1000101', 'c1000100'"),
    pin("outbox::settle::LANE_HEAD", &["deliveries_lane"], "'h1000101', 'c1000100'"),
    pin("outbox::settle::REPLAY_DEAD", &["deliveries_dead_span", "events_pkey"], "'t1000002', 'h1000102', 1, 250000"),
    pin("outbox::settle::DEMOTE_WEBHOOK", &["deliveries_lane"], "'h1000101'"),
    pin("outbox::settle::DEMOTE_ALL", &["deliveries_due", "deliveries_lane"], ""),
    pin("outbox::settle::PROMOTE_WEBHOOK", &["deliveries_lane"], "'h1000101', 1"),
    pin("plugin::VERSION_INSERT", &[], ""),
    pin("plugin::VERSION_LIST", &["plugin_versions_plugin"], "'p1000005'"),
    pin("plugin::VERSION_FIND", &["plugin_versions_pkey"], "'x1000005'"),
    pin("plugin::VERSION_DELETE", &["plugin_versions_pkey"], "'x1000005'"),
    pin("plugin::OFFER_PUT", &[], ""),
    pin("plugin::OFFER_FIND", &["plugin_offers_pkey"], "'p1000005'"),
    pin("plugin::OFFER_LIST", &[], ""),
    pin("plugin::OFFER_DELETE", &["plugin_offers_pkey"], "'p1000005'"),
    pin("plugin::enablement::PUT", &[], ""),
    pin("plugin::enablement::LIST", &["plugin_enablements_place"], "'t1000006', 'p1000005'"),
    pin("plugin::enablement::OF_TENANT", &["plugin_enablements_place"], "'t1000006'"),
    pin("plugin::enablement::OF_ALL", &["plugin_enablements_pkey"], "'b1000005', 20"),
    pin("plugin::enablement::DELETE", &["plugin_enablements_place"], "'t1000006', 'p1000005', 'd1000100'"),
    pin("plugin::kv::GET", &["plugin_kv_key"], "'t1000006', 'p1000005', '', 'k1000005', 1"),
    pin("plugin::kv::PUT", &[], ""),
    pin("plugin::kv::DELETE", &["plugin_kv_key"], "'t1000006', 'p1000005', '', 'k1000005'"),
    pin("plugin::kv::LIST", &["plugin_kv_key"], "'t1000006', 'p1000005', '', 'k1', '', 'k2', 1, 20"),
    pin("plugin::kv::SIZE", &["plugin_kv_key"], "'t1000006', 'p1000005', ''"),
    pin("plugin::kv::PURGE", &["plugin_kv_expiry|plugin_kv_key"], "'t1000006', 'p1000005', '', 1"),
    pin("user::INSERT", &[], ""),
    pin("user::FIND", &["users_pkey|users_page"], "'t1000006', 'u1000005'"),
    pin("user::BY_MOBILE", &["users_mobile"], "'o1000005'"),
    pin("user::BY_EMAIL", &["users_email"], "'a1000005'"),
    pin("user::LIST", &["users_page"], "'t1000006', 'z', 20, 0"),
    pin("user::COUNT", &["users_page|users_number"], "'t1000006'"),
    pin("user::CHANGE", &["users_pkey|users_page"], "'t1000006', 'u1000005', 'n', NULL, NULL, 'p', 'owner', 2"),
    pin("user::LOGGED_IN", &["users_pkey|users_page"], "'t1000006', 'u1000005', 1"),
    pin("user::REMOVE", &["users_pkey|users_page"], "'t1000006', 'u1000005'"),
    pin("user::COUNT_ROLES", &["users_page|users_number"], "'t1000006', 'owner', 'admin'"),
    pin("user::DEVICES", &["member_devices_pkey"], "'t1000006', 'u1000005'"),
    pin("user::DEVICES_FORGET", &["member_devices_pkey"], "'t1000006', 'u1000005'"),
    pin("user::DEVICES_ADD", &[], ""),
    pin("webhook::INSERT", &[], ""),
    pin("webhook::FIND", &["webhooks_pkey|webhooks_page"], "'t1000001', 'h1000100'"),
    pin("webhook::LOAD_MANY", &["webhooks_pkey"], "'h1000100', 'h1000101'"),
    pin("webhook::LIST", &["webhooks_page"], "'t1000001', 'z', 20, 0"),
    pin("webhook::LIST_DEVICE", &["webhooks_device|webhooks_page"], "'t1000001', 'z', 20, 0, 'd1000100'"),
    pin("webhook::TOTAL", &["webhooks_page|webhooks_number"], "'t1000001', 1000"),
    pin("webhook::TOTAL_DEVICE", &["webhooks_device|webhooks_page|webhooks_number"], "'t1000001', 1000, 'd1000100'"),
    pin("webhook::COUNT", &["webhooks_page|webhooks_number"], "'t1000001'"),
    pin(
        "webhook::CHANGE",
        &["webhooks_pkey|webhooks_page"],
        "'t1000001', 'h1000100', NULL, NULL, NULL, NULL, 'enabled', NULL, NULL, NULL, NULL, NULL",
    ),
    pin("webhook::UNSEALED", &["webhooks_unsealed"], "100"),
    pin("webhook::UNSEALED_DATA", &["webhooks_unsealed_data"], "100"),
    pin("webhook::FAILING", &["webhooks_pkey"], "'h1000100', 1"),
    pin("webhook::HEALTHY", &["webhooks_pkey"], "'h1000100'"),
    pin("webhook::DELETE", &["webhooks_pkey|webhooks_page"], "'t1000001', 'h1000100'"),
];

fn short(statement: &Statement) -> &'static str {
    statement.name.strip_prefix("portico_store::").expect("statements are of this crate")
}

/// What the placeholders of `sql` stand for.
fn values(pin: &Pin, sql: &str) -> Vec<String> {
    if pin.binds.is_empty() {
        let is_last = |n: &usize| sql.contains(&format!("${n}")) && !sql.contains(&format!("${}", n + 1));
        let count = (1..=sql.len()).find(is_last).unwrap_or(0);
        return vec!["NULL".to_owned(); count];
    }
    pin.binds.split(',').map(|bind| bind.trim().to_owned()).collect()
}

/// The statement as sent; where it takes a list, with two entries.
fn sent(text: &'static Text) -> &'static str {
    text.spelled(if text.has_list() { 2 } else { 1 })
}

/// The name that SQLite gives to the index behind a constraint, of which Postgres derives the name.
fn on_sqlite(index: &str) -> String {
    let nth = |table: &str, n| format!("sqlite_autoindex_{table}_{n}");
    match (index.strip_suffix("_pkey"), index) {
        (Some(table), _) => nth(table, 1),
        (None, "tenants_name_key") => nth("tenants", 2),
        (None, "access_keys_hash_key") => nth("access_keys", 2),
        (None, _) => index.to_owned(),
    }
}

#[test]
fn every_statement_is_pinned_once() {
    let pinned: BTreeSet<&str> = PINS.iter().map(|pin| pin.statement).collect();
    let declared: BTreeSet<&str> = all().map(short).collect();
    assert_eq!(pinned, declared);
    assert_eq!(pinned.len(), PINS.len());
}

/// What is wrong with a plan, if anything; `scans` tells lines that read a table whole, `sorts` those that sort rows.
fn fault(
    pin: &Pin,
    plan: &[String],
    name: impl Fn(&str) -> String,
    scans: impl Fn(&str) -> bool,
    sorts: impl Fn(&str) -> bool,
) -> Option<String> {
    let has = |index: &str| {
        let name = name(index);
        plan.iter().any(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name))
    };
    let missing = pin.indexes.iter().find(|any| !any.split('|').any(has));
    let scan = plan.iter().find(|line| !MAY_SCAN.contains(&pin.statement) && scans(line));
    let sort = plan.iter().find(|line| !MAY_SORT.contains(&pin.statement) && sorts(line));
    let why = match (missing, scan, sort) {
        (Some(index), ..) => format!("does not use {index}"),
        (_, Some(line), _) => format!("reads a table whole: {line}"),
        (_, _, Some(line)) => format!("sorts: {line}"),
        (None, None, None) => return None,
    };
    Some(format!("{} {why}\n    {}", pin.statement, plan.join("\n    ")))
}

fn statements() -> BTreeMap<&'static str, &'static Statement> {
    all().map(|statement| (short(statement), statement)).collect()
}

/// A database with its tables, closed again.
async fn migrated(kind: Kind) -> Home {
    let home = Home::new(kind).await;
    Db::open(&StoreConfig::at(home.url())).await.expect("a fresh database opens").close().await;
    home
}

#[tokio::test]
async fn sqlite_plans_are_as_pinned() {
    let home = migrated(Kind::Sqlite).await;
    let url = home.url();
    let connection = Connection::open(url.strip_prefix("sqlite:").expect("a file")).unwrap();
    filled::fill_sqlite(&connection);
    let (statements, mut faults) = (statements(), Vec::new());
    for pin in PINS {
        let explain = format!("EXPLAIN QUERY PLAN {}", sent(&statements[pin.statement].sqlite));
        let mut explain = connection.prepare(&explain).unwrap();
        let mut rows = explain.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>("detail").unwrap());
        }
        // The rows of `VALUES` and of a recursive part are scanned by nature, and partial indexes hold only what is asked for.
        let scans = |line: &str| {
            let of_a_list = line == "SCAN v"
                || line == "SCAN waiting"
                || line == "SCAN counted"
                || line.contains("CONSTANT ROW")
                || line.contains("VALUES CLAUSE");
            line.starts_with("SCAN ") && !line.contains(" INDEX ") && !of_a_list
        };
        let sorts = |line: &str| line.contains("TEMP B-TREE FOR ORDER BY");
        faults.extend(fault(pin, &plan, on_sqlite, scans, sorts));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn postgres_plans_are_as_pinned() {
    let home = migrated(Kind::Postgres).await;
    let options: sqlx::postgres::PgConnectOptions = home.url().parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    filled::fill_postgres(&mut connection).await;
    let (statements, mut faults) = (statements(), Vec::new());
    for pin in PINS {
        let sql = sent(&statements[pin.statement].postgres);
        let values = values(pin, sql);
        let execute = if values.is_empty() { "p".to_owned() } else { format!("p({})", values.join(", ")) };
        for mode in ["force_custom_plan", "force_generic_plan"] {
            if mode == "force_generic_plan" && MAY_SCAN_FOR_ANY_VALUES.contains(&pin.statement) {
                continue;
            }
            let explain = format!(
                "SET plan_cache_mode = {mode}; PREPARE p AS {sql}; EXPLAIN (COSTS OFF) EXECUTE {execute}; DEALLOCATE p"
            );
            let rows = connection.fetch_all(AssertSqlSafe(explain)).await;
            let rows = rows.unwrap_or_else(|e| panic!("{}: {e}", pin.statement));
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            faults.extend(fault(pin, &plan, str::to_owned, |line| line.contains("Seq Scan on "), |_| false));
        }
    }
    // Before the assertion, so that a failed test leaves no large database behind.
    home.remove().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
