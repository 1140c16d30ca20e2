//! Opening, closing, waiting.

use std::time::Duration;

use portico_core::Error;
use portico_core::id::DeviceId;
use portico_core::ports::keys::{KeyRecords, KeyWrite};
use portico_core::ports::store::{EventTx, Store};

use crate::db::{DbTx, Extent, Mode};
use crate::testing::{Fixture, Kind, raise};
use crate::{Db, Location, OpenError, StoreConfig};

pub(super) async fn rows_survive_closing(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(&tenant).await;
    let write = KeyWrite::Put { kind: "k", id: "a".to_owned(), value: vec![0, 255], expires: None };
    fx.db.apply(&device.id, vec![write]).await.unwrap();
    fx.db.check().await.unwrap();
    fx.db.close().await;
    let again = Db::open(&fx.config).await.unwrap();
    assert_eq!(again.get(&device.id, "k", "a").await.unwrap(), Some(vec![0, 255]));
    assert!(again.device(tenant, &device.id).await.unwrap().is_some());
    again.close().await;
}

pub(super) async fn a_database_of_a_newer_version_is_refused(fx: &'static Fixture) {
    let flag = if fx.kind == Kind::Sqlite { "x'00'" } else { "'\\x00'" };
    fx.execute(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, {flag}, 0)"
    ))
    .await;
    fx.db.close().await;
    let error = Db::open(&fx.config).await.err().expect("it is refused");
    assert!(matches!(error, OpenError::Newer { version: 9999, .. }), "{error}");
}

pub(super) async fn a_second_gateway_on_one_database_is_refused(fx: &'static Fixture) {
    let error = Db::open(&fx.config).await.err().expect("it is refused");
    assert!(matches!(error, OpenError::InUse { .. } | OpenError::Shared), "{error}");
    fx.db.close().await;
    Db::open(&fx.config).await.unwrap().close().await;
}

pub(super) async fn a_second_gateway_migrates_nothing(fx: &'static Fixture) {
    fx.execute("DELETE FROM _sqlx_migrations").await;
    let error = Db::open(&fx.config).await.err().expect("it is refused");
    assert!(matches!(error, OpenError::InUse { .. } | OpenError::Shared), "{error}");
    assert_eq!(fx.number("SELECT COUNT(*) FROM _sqlx_migrations").await, 0);
}

pub(super) async fn a_closed_store_is_unavailable(fx: &'static Fixture) {
    fx.db.close().await;
    assert!(matches!(fx.db.check().await, Err(Error::Unavailable { .. })));
    let write = KeyWrite::Delete { kind: "k", id: "a".to_owned() };
    let refused = fx.db.apply(&DeviceId::new(1, 1), vec![write]).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
}

pub(super) async fn many_transactions_wait_for_their_turn(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let writers: Vec<_> = (0..64)
        .map(|n: u32| {
            tokio::spawn(async move {
                fx.raise(vec![fx.event(tenant, None, &n.to_string())]).await;
                // One that fails, or whose caller goes away, leaves nothing locked.
                fx.undone(move |tx| raise(tx, &[fx.event(tenant, None, "x")])).await;
                let given_up = fx.read(move |tx| tx.event_last_seq(tenant));
                let _ = tokio::time::timeout(Duration::ZERO, given_up).await;
            })
        })
        .collect();
    for writer in writers {
        tokio::time::timeout(Duration::from_secs(60), writer).await.expect("it gets its turn").unwrap();
    }
    assert_eq!(fx.read(move |tx| tx.event_last_seq(tenant).unwrap()).await, 64);
}

#[tokio::test]
async fn a_second_gateway_on_one_sqlite_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig::at(format!("sqlite:{}", dir.path().join("portico.db").display()));
    let first = Db::open(&config).await.unwrap();
    let error = Db::open(&config).await.err().expect("it is refused");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    first.close().await;
    drop(first);
    Db::open(&config).await.unwrap().close().await;
}

#[tokio::test]
async fn when_nobody_can_write_all_that_wait_hear_of_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = StoreConfig::at(format!("sqlite:{}", dir.path().join("portico.db").display()));
    config.acquire_timeout = Duration::from_millis(500);
    let db = Db::open(&config).await.unwrap();
    let (begun, beginning) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = db.clone();
    let held = tokio::spawn(async move {
        let hold = move |_: &mut DbTx<'_>| {
            begun.send(()).unwrap();
            // An error means that the sender was dropped.
            Ok(released.recv().is_err())
        };
        holding.with(Mode::Write, Extent::Transaction, hold).await
    });
    beginning.await.unwrap();
    let device = DeviceId::new(1, 1);
    let wipes: Vec<_> = (0..40)
        .map(|_| {
            let (db, device) = (db.clone(), device.clone());
            tokio::spawn(async move { db.wipe(&device).await })
        })
        .collect();
    // One after the other they would take twenty seconds.
    let all = async {
        for wipe in wipes {
            assert!(matches!(wipe.await.unwrap(), Err(Error::Unavailable { .. })));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.expect("they hear of it together");
    drop(release);
    assert!(held.await.unwrap().unwrap(), "the one that was at it is not cut off");
}

#[tokio::test]
async fn a_file_may_have_any_name() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["what?mode=memory", "50%25 off", "a#b c", "file:x", ":memory:", "it's \"quoted\" & [so] {on}"] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let config = StoreConfig { location: Location::File(folder.join("portico.db")), ..StoreConfig::default() };
        let db = Db::open(&config).await.unwrap();
        db.with(Mode::Write, Extent::Transaction, |_| Ok(())).await.unwrap();
        let look = Db::look(&config).await.unwrap();
        assert!(look.exists && look.in_use && look.pending == 0, "{name}: {look:?}");
        db.close().await;
        assert!(std::fs::metadata(folder.join("portico.db")).unwrap().len() > 0, "{name}");
        let look = Db::look(&config).await.unwrap();
        assert!(look.exists && !look.in_use && look.pending == 0, "{name}: {look:?}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6, "nothing elsewhere");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to have a header of one hundred bytes".repeat(9)).unwrap();
    let error = Db::open(&StoreConfig::at(format!("sqlite:{}", path.display()))).await.err().unwrap();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_postgres_database_says_what_to_do() {
    let home = crate::testing::Home::new(Kind::Postgres).await;
    let url = home.url();
    home.remove().await;
    let error = Db::open(&StoreConfig::at(url)).await.err().unwrap();
    assert!(error.to_string().contains("CREATE DATABASE"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_reported_in_time() {
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut config = StoreConfig::at(format!("postgres://nobody:secret-word@127.0.0.1:{port}/none"));
    config.acquire_timeout = Duration::from_secs(2);
    let error = Db::open(&config).await.err().unwrap();
    assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
    assert!(!format!("{error:?}").contains("secret-word"), "{error:?}");
}
