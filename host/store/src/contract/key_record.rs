//! Key records.

use std::time::Duration;

use portico_core::device::Device;
use portico_core::id::DeviceId;
use portico_core::ports::keys::{KeyRecords, KeyWrite};
use portico_core::ports::store::DeviceTx;
use portico_core::time::UtcMs;

use crate::testing::{Fixture, Kind};

fn put(kind: &'static str, id: &str, value: u8) -> KeyWrite {
    KeyWrite::Put { kind, id: id.to_owned(), value: vec![value], expires: None }
}

async fn device(fx: &'static Fixture) -> &'static Device {
    let tenant = fx.tenant("t").await;
    fx.device(&tenant).await
}

async fn ids(fx: &'static Fixture, device: &DeviceId, kind: &'static str, prefix: &str) -> Vec<String> {
    fx.db.list(device, kind, prefix).await.unwrap().into_iter().map(|r| r.id).collect()
}

pub(super) async fn writes_apply_in_order(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    let delete = |id: &str| KeyWrite::Delete { kind: "k", id: id.to_owned() };
    let prefix = |kind: &'static str, prefix: &str| KeyWrite::DeletePrefix { kind, prefix: prefix.to_owned() };
    fx.db.apply(&d, vec![put("k", "a", 1), put("k", "b", 2), put("k", "a", 3), put("other", "a", 4)]).await.unwrap();
    assert_eq!(fx.db.get(&d, "k", "a").await.unwrap(), Some(vec![3]));
    fx.db.apply(&d, vec![delete("a"), delete("b"), put("k", "b", 5), put("k", "c", 6), delete("none")]).await.unwrap();
    assert_eq!(fx.db.get(&d, "k", "a").await.unwrap(), None);
    assert_eq!(fx.db.get(&d, "k", "b").await.unwrap(), Some(vec![5]));
    fx.db.apply(&d, vec![put("k", "ba", 7), prefix("k", "b"), put("k", "bb", 8)]).await.unwrap();
    assert_eq!(ids(fx, &d, "k", "").await, ["bb", "c"]);
    fx.db.apply(&d, vec![prefix("k", "")]).await.unwrap();
    assert!(ids(fx, &d, "k", "").await.is_empty());
    assert_eq!(ids(fx, &d, "other", "").await, ["a"]);
    fx.db.apply(&d, Vec::new()).await.unwrap();
}

pub(super) async fn lists_go_by_prefix_in_byte_order(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    let another = device_beside(fx, &d).await;
    let all = ["a", "a:1", "a_1", "a1", "A", "ab", "b", "Ä", "a\u{10FFFF}z"];
    fx.db.apply(&d, all.iter().map(|id| put("k", id, 0)).collect()).await.unwrap();
    fx.db.apply(&another, vec![put("k", "a2", 0)]).await.unwrap();
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(ids(fx, &d, "k", "").await, sorted);
    let wanted: Vec<_> = sorted.into_iter().filter(|id| id.starts_with('a')).collect();
    assert_eq!(ids(fx, &d, "k", "a").await, wanted);
    assert!(ids(fx, &d, "k", "%").await.is_empty());
}

async fn device_beside(fx: &'static Fixture, device: &DeviceId) -> DeviceId {
    let device = device.clone();
    let tenant = fx.read(move |tx| tx.device_load(&device).unwrap()).await.unwrap().tenant;
    fx.device(&tenant).await.id.clone()
}

pub(super) async fn many_records_at_once(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    let names: Vec<String> = (0..812).map(|n| format!("{n:04}")).collect();
    fx.db.apply(&d, names.iter().map(|n| put("prekey", n, 1)).collect()).await.unwrap();
    assert_eq!(ids(fx, &d, "prekey", "").await, names);
    let mut asked: Vec<String> = names.iter().step_by(2).cloned().collect();
    asked.push("none".to_owned());
    let mut found = fx.db.get_many(&d, "prekey", &asked).await.unwrap();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found.len(), 406);
    assert!(found.iter().all(|r| r.value == [1]));
    assert!(fx.db.get_many(&d, "prekey", &[]).await.unwrap().is_empty());
}

pub(super) async fn a_record_is_taken_once(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    fx.db.apply(&d, vec![put("prekey", "1", 7)]).await.unwrap();
    let takers: Vec<_> = (0..8)
        .map(|_| {
            let d = d.clone();
            tokio::spawn(async move { fx.db.take(&d, "prekey", "1").await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    assert_eq!(taken, [vec![7]]);
    assert_eq!(fx.db.get(&d, "prekey", "1").await.unwrap(), None);
}

pub(super) async fn expired_records_are_purged_and_all_are_wiped(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    let expiring =
        |id: &str, at| KeyWrite::Put { kind: "k", id: id.to_owned(), value: vec![], expires: Some(UtcMs(at)) };
    fx.db.apply(&d, vec![expiring("a", 10), expiring("b", 11), put("k", "c", 0), put("other", "d", 0)]).await.unwrap();
    assert_eq!(fx.db.purge(&d, "k", UtcMs(10)).await.unwrap(), 1);
    assert_eq!(ids(fx, &d, "k", "").await, ["b", "c"]);
    // Putting a record again without an end gives it none.
    fx.db.apply(&d, vec![put("k", "b", 1)]).await.unwrap();
    assert_eq!(fx.db.purge(&d, "k", UtcMs(99)).await.unwrap(), 0);
    fx.db.wipe(&d).await.unwrap();
    assert!(ids(fx, &d, "k", "").await.is_empty() && ids(fx, &d, "other", "").await.is_empty());
}

pub(super) async fn sessions_write_side_by_side_and_see_their_writes(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let mut sessions = Vec::new();
    for _ in 0..12 {
        let d = fx.device(tenant).await.id.clone();
        sessions.push(tokio::spawn(async move {
            for n in 0..20u8 {
                fx.db.apply(&d, vec![put("s", "counter", n), put("s", &n.to_string(), n)]).await.unwrap();
                // Through another connection: it is committed.
                assert_eq!(fx.db.get(&d, "s", "counter").await.unwrap(), Some(vec![n]));
            }
            // Transactions get their turn in between.
            fx.write(move |tx| {
                assert!(tx.device_load(&d).unwrap().is_some());
            })
            .await;
        }));
    }
    for session in sessions {
        tokio::time::timeout(Duration::from_secs(60), session).await.expect("nobody starves").unwrap();
    }
    assert_eq!(fx.number("SELECT COUNT(*) FROM key_records").await, 12 * 21);
}

pub(super) async fn a_write_for_a_missing_device_fails_alone(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    let missing = DeviceId::new(1, 1);
    // Held up, so that all of them come to share a commit on SQLite.
    let (release, released) = std::sync::mpsc::channel::<()>();
    // An error means that the sender was dropped.
    let held = tokio::spawn(fx.write(move |_| released.recv().is_err()));
    let writers: Vec<_> = (0..9)
        .map(|n| {
            let target = if n % 3 == 1 { missing.clone() } else { d.clone() };
            tokio::spawn(async move {
                let writes = vec![put("k", &format!("{n}a"), n), put("k", &format!("{n}b"), n)];
                fx.db.apply(&target, if n % 2 == 0 { writes } else { writes[..1].to_vec() }).await.is_ok()
            })
        })
        .collect();
    drop(release);
    assert!(held.await.unwrap());
    for (n, writer) in writers.into_iter().enumerate() {
        assert_eq!(writer.await.unwrap(), n % 3 != 1, "writer {n}");
    }
    assert_eq!(ids(fx, &d, "k", "").await, ["0a", "0b", "2a", "2b", "3a", "5a", "6a", "6b", "8a", "8b"]);
}

pub(super) async fn a_list_is_whole_or_nothing(fx: &'static Fixture) {
    let d = device(fx).await.id.clone();
    fx.db.apply(&d, vec![put("k", "a", 1)]).await.unwrap();
    // The second statement of the list fails; the first one is undone.
    let name = if fx.kind == Kind::Sqlite {
        "CREATE TRIGGER refuse BEFORE DELETE ON key_records BEGIN SELECT RAISE(ABORT, 'no'); END"
    } else {
        "CREATE RULE refuse AS ON DELETE TO key_records DO INSTEAD INSERT INTO key_records VALUES (NULL)"
    };
    fx.execute(name).await;
    let delete = KeyWrite::Delete { kind: "k", id: "a".to_owned() };
    assert!(fx.db.apply(&d, vec![put("k", "a", 2), put("k", "b", 2), delete]).await.is_err());
    assert_eq!(fx.db.get(&d, "k", "a").await.unwrap(), Some(vec![1]));
    assert_eq!(ids(fx, &d, "k", "").await, ["a"]);
    fx.db.apply(&d, vec![put("k", "c", 3)]).await.unwrap();
}
