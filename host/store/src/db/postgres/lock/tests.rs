//! Connections that break in each of the ways they do, on a real server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::testing::{Fixture, Home, Kind, with_db};
use crate::{Db, Location, StoreConfig};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const OFTEN: Duration = Duration::from_millis(20);

/// The server's process that holds the lock, or 0.
const HOLDER: &str = "SELECT COALESCE(MAX(pid), 0)::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Asks until the answer is right.
async fn until<F: Future<Output = bool>>(what: &str, mut probe: impl FnMut() -> F) {
    let asking = async {
        while !probe().await {
            sleep(OFTEN).await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Ends the connection that holds the lock; says which it was.
async fn broken(fx: &Fixture) -> i64 {
    let holder = fx.number(HOLDER).await;
    fx.number(&format!("SELECT COUNT(pg_terminate_backend({holder}))")).await;
    holder
}

async fn what_broke_is_taken_again(fx: &'static Fixture) {
    let db = fx.db.clone();
    let watching = tokio::spawn(async move { db.watch().await });
    let before = broken(fx).await;
    until("another holder", || async { ![0, before].contains(&fx.number(HOLDER).await) }).await;
    let error = Db::open(&fx.config).await.err().expect("a second gateway is refused");
    assert!(matches!(error, OpenError::Shared), "{error}");
    assert!(!watching.is_finished());
    watching.abort();
}

async fn what_somebody_else_took_is_lost(fx: &'static Fixture) {
    let Location::Url(url) = fx.config.location.clone() else { panic!("a server has a URL") };
    // Waits for the lock, and has it the moment it is free.
    let rival = tokio::spawn(async move {
        let mut conn = PgConnection::connect(&url).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock($1)").bind(NUMBER).execute(&mut conn).await.unwrap();
        conn
    });
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    until("the rival", || async { fx.number(waiting).await == 1 }).await;
    broken(fx).await;
    let lost = timeout(PATIENCE, fx.db.watch()).await.expect("it is noticed");
    assert!(matches!(lost, LockLost::Shared), "{lost}");
    assert!(lost.to_string().contains("stop one of the two"), "{lost}");
    drop(rival.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_whose_connection_broke_is_taken_again() {
    with_db(Kind::Postgres, what_broke_is_taken_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_else_took_is_lost() {
    with_db(Kind::Postgres, what_somebody_else_took_is_lost).await;
}

#[tokio::test]
async fn a_closed_lock_is_not_lost() {
    let home = Home::new(Kind::Postgres).await;
    let db = Db::open(&StoreConfig::at(home.url())).await.unwrap();
    db.close().await;
    assert!(timeout(Duration::from_millis(100), db.watch()).await.is_err());
    home.remove().await;
}

/// What becomes of connections on the way to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// They are carried.
    Open,
    /// They are ended, and no new ones made, as while the server restarts.
    Closed,
    /// As [`Way::Closed`], and the server does not hear of it.
    Cut,
}

/// A lock whose connections go a way that can be closed.
struct Remote {
    home: Home,
    lock: Arc<Lock>,
    way: watch::Sender<Way>,
    /// Connections that were not made.
    refused: Arc<AtomicU32>,
    carrying: JoinHandle<()>,
}

impl Remote {
    async fn new() -> Self {
        let home = Home::new(Kind::Postgres).await;
        let server: PgConnectOptions = home.url().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near: SocketAddr = listener.local_addr().unwrap();
        let far = (server.get_host().to_owned(), server.get_port());
        let (way, follow) = watch::channel(Way::Open);
        let refused = Arc::new(AtomicU32::new(0));
        let refusing = Arc::clone(&refused);
        let carrying = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *follow.borrow() == Way::Open {
                    tokio::spawn(carry(client, far.clone(), follow.clone()));
                } else {
                    refusing.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let options = options(&server.host(&near.ip().to_string()).port(near.port()));
        let mut conn = options.connect().await.unwrap();
        take(&mut conn).await.unwrap();
        Self { home, lock: Lock::new(options, conn).into(), way, refused, carrying }
    }

    fn watched(&self, grace: Duration) -> JoinHandle<LockLost> {
        let lock = self.lock.clone();
        tokio::spawn(async move { lock.watch(OFTEN, grace).await })
    }

    /// The server's process that holds the lock, or 0.
    async fn holder(&self) -> i64 {
        let mut conn = PgConnection::connect(&self.home.url()).await.unwrap();
        sqlx::query_scalar(HOLDER).fetch_one(&mut conn).await.unwrap()
    }

    async fn end(self) {
        self.carrying.abort();
        self.home.remove().await;
    }
}

async fn carry(mut client: TcpStream, far: (String, u16), mut way: watch::Receiver<Way>) {
    let mut server = TcpStream::connect(far).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = way.wait_for(|way| *way != Way::Open) => {}
    }
    drop(client);
    if *way.borrow() == Way::Cut {
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_in_time_is_waited_for() {
    let remote = Remote::new().await;
    let before = remote.holder().await;
    let watching = remote.watched(PATIENCE);
    remote.way.send_replace(Way::Closed);
    until("the server to let go", || async { remote.holder().await == 0 }).await;
    assert!(!watching.is_finished());
    remote.way.send_replace(Way::Open);
    until("another holder", || async { ![0, before].contains(&remote.holder().await) }).await;
    assert!(!watching.is_finished());
    watching.abort();
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away_is_given_up() {
    let remote = Remote::new().await;
    let watching = remote.watched(Duration::from_millis(500));
    remote.way.send_replace(Way::Closed);
    let lost = timeout(PATIENCE, watching).await.expect("it gives up").unwrap();
    assert!(matches!(lost, LockLost::Unreachable(_)), "{lost}");
    assert!(lost.to_string().contains("start the gateway again"), "{lost}");
    remote.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_only_the_server_believes_in_is_no_rival() {
    let remote = Remote::new().await;
    let before = remote.holder().await;
    remote.way.send_replace(Way::Cut);
    let watching = remote.watched(PATIENCE);
    until("the watcher to try again", || async { remote.refused.load(Ordering::Relaxed) > 0 }).await;
    assert_eq!(remote.holder().await, before, "the server has not noticed");
    remote.way.send_replace(Way::Open);
    until("another holder", || async { ![0, before].contains(&remote.holder().await) }).await;
    assert!(!watching.is_finished());
    watching.abort();
    remote.end().await;
}
