//! Shared commits, and transactions that end badly.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::task::Poll;

use portico_core::Error;
use tokio::task::JoinSet;

use super::*;

struct Fixture {
    writer: Arc<Writer>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn fixture(transactions_per_commit: usize) -> Fixture {
    fixture_with(StoreConfig { transactions_per_commit, ..StoreConfig::default() })
}

fn fixture_with(config: StoreConfig) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.db");
    let lock = crate::lock::take(&path).unwrap();
    let tables = "CREATE TABLE words (word TEXT PRIMARY KEY);
        CREATE TABLE ends (word TEXT REFERENCES words DEFERRABLE INITIALLY DEFERRED);";
    connect(&path).unwrap().execute_batch(tables).unwrap();
    let file = path.clone();
    let caches = Arc::new(Caches::new(1, 1));
    let writer = Writer::start(Box::new(move || connect(&file)), lock, &config, caches).unwrap();
    Fixture { writer: Arc::new(writer), path, _folder: folder }
}

fn words(path: &Path) -> Vec<String> {
    let connection = connect(path).unwrap();
    let mut listed = connection.prepare("SELECT word FROM words ORDER BY word").unwrap();
    listed.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

impl Fixture {
    fn words(&self) -> Vec<String> {
        words(&self.path)
    }

    fn commits(&self) -> u64 {
        self.writer.commits.load(Ordering::Relaxed)
    }

    /// Holds the writing thread in a transaction that adds `word`, until something is sent or the sender is dropped.
    async fn held(&self, word: &'static str) -> (mpsc::Sender<()>, JoinSet<Result<()>>) {
        let (release, released) = mpsc::channel();
        let (begun, beginning) = tokio::sync::oneshot::channel();
        let writer = Arc::clone(&self.writer);
        let mut held = JoinSet::new();
        held.spawn(async move {
            let task = move |tx: &mut DbTx<'_>| {
                begun.send(()).unwrap();
                // An error means that the sender was dropped.
                let _ = released.recv();
                insert(tx, word);
                Ok(())
            };
            writer.run(Box::new(task)).await
        });
        beginning.await.unwrap();
        (release, held)
    }

    /// Has a transaction wait that adds a word, and fails after that if it is told to.
    fn wait(&self, queue: &mut JoinSet<Result<()>>, word: String, keep: bool) {
        let writer = Arc::clone(&self.writer);
        queue.spawn(async move { writer.run(Box::new(move |tx| add(tx, &word, keep))).await });
    }

    async fn until_waiting(&self, count: usize) {
        while self.writer.queue.length() < count {
            tokio::task::yield_now().await;
        }
    }
}

fn insert(tx: &mut DbTx<'_>, word: &str) {
    tx.conn().run_raw(&format!("INSERT INTO words VALUES ('{word}')"));
}

fn add(tx: &mut DbTx<'_>, word: &str, keep: bool) -> Result<()> {
    insert(tx, word);
    if keep { Ok(()) } else { Err(Error::not_found("reason", "to keep it")) }
}

fn added(word: &'static str) -> Task {
    Box::new(move |tx| add(tx, word, true))
}

#[tokio::test]
async fn those_who_wait_share_a_commit() {
    let fx = fixture(100);
    let (release, mut queue) = fx.held("first").await;
    for n in 0..20 {
        fx.wait(&mut queue, format!("w{n}"), true);
    }
    fx.until_waiting(20).await;
    drop(release);
    assert!(queue.join_all().await.iter().all(Result::is_ok));
    assert_eq!(fx.words().len(), 21);
    // The held one makes its group old, so it is committed alone.
    assert!(fx.commits() <= 3, "{} commits", fx.commits());
}

#[tokio::test]
async fn a_group_has_its_limit() {
    let fx = fixture(4);
    let (release, mut queue) = fx.held("first").await;
    for n in 0..19 {
        fx.wait(&mut queue, format!("w{n}"), true);
    }
    fx.until_waiting(19).await;
    drop(release);
    queue.join_all().await;
    assert_eq!(fx.words().len(), 20);
    assert!(fx.commits() >= 5, "{} commits", fx.commits());
}

#[tokio::test]
async fn one_that_fails_or_panics_is_undone_alone() {
    let fx = fixture(100);
    let (release, mut queue) = fx.held("first").await;
    for n in 0..6 {
        fx.wait(&mut queue, format!("w{n}"), n % 2 == 0);
    }
    let writer = Arc::clone(&fx.writer);
    let task = |tx: &mut DbTx<'_>| {
        insert(tx, "panicked");
        panic!("a bug, for the test");
    };
    let panicked = tokio::spawn(async move { writer.run(Box::new(task)).await });
    fx.until_waiting(7).await;
    drop(release);
    let failed = queue.join_all().await.into_iter().filter(Result::is_err).count();
    assert_eq!((failed, fx.words()), (3, ["first", "w0", "w2", "w4"].map(String::from).to_vec()));
    let error = panicked.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "{error:?}");
    fx.writer.run(added("next")).await.unwrap();
}

#[tokio::test]
async fn one_that_fails_leaves_nothing_open() {
    let fx = fixture(100);
    fx.writer.run(Box::new(|tx| add(tx, "never", false))).await.unwrap_err();
    // Nobody holds the file: another connection may write.
    connect(&fx.path).unwrap().execute_batch("INSERT INTO words VALUES ('other')").unwrap();
    fx.writer.run(added("next")).await.unwrap();
    assert_eq!(fx.words(), ["next", "other"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_of_its_group_and_ends_there() {
    let fx = fixture(100);
    fx.writer.run(added("kept")).await.unwrap();
    let mut queue = JoinSet::new();
    {
        // Held without a group, so that what waits is one group.
        let (release, mut held) = fx.held("held").await;
        let writer = Arc::clone(&fx.writer);
        // What `ends` refers to is looked for at the commit only, and is not there.
        let task = |tx: &mut DbTx<'_>| {
            tx.conn().run_raw("INSERT INTO ends VALUES ('nowhere')");
            Ok(())
        };
        queue.spawn(async move { writer.run(Box::new(task)).await });
        fx.wait(&mut queue, "lost".to_owned(), true);
        fx.until_waiting(2).await;
        // Longer than a group may live: the held one is committed before the others begin.
        std::thread::sleep(GROUP_AGE);
        drop(release);
        held.join_next().await.unwrap().unwrap().unwrap();
    }
    for told in queue.join_all().await {
        assert!(told.is_err());
    }
    fx.writer.run(added("next")).await.unwrap();
    assert_eq!(fx.words(), ["held", "kept", "next"]);
}

#[tokio::test]
async fn what_sqlite_undid_by_itself_is_told_to_all_and_nothing_runs_outside_of_a_transaction() {
    let fx = fixture(100);
    let (release, mut queue) = fx.held("lost").await;
    let writer = Arc::clone(&fx.writer);
    let statement: &'static crate::statement::Statement =
        Box::leak(Box::new(crate::statement::Statement::new("t", "INSERT INTO words VALUES ('outside')", "")));
    let task = move |tx: &mut DbTx<'_>| {
        // As a full disk does.
        tx.conn().run_raw("ROLLBACK");
        // It goes on as if nothing had happened.
        tx.conn().run(statement, 1, &[]).unwrap_err();
        Ok(())
    };
    queue.spawn(async move { writer.run(Box::new(task)).await });
    fx.until_waiting(1).await;
    drop(release);
    let told = queue.join_all().await;
    assert!(told.iter().filter(|t| t.is_err()).count() >= 1, "{told:?}");
    fx.writer.run(added("next")).await.unwrap();
    assert!(!fx.words().contains(&"outside".to_owned()));
}

#[tokio::test]
async fn nobody_is_told_before_the_commit_and_a_crash_leaves_nothing_of_an_open_group() {
    let fx = fixture(100);
    fx.writer.run(added("kept")).await.unwrap();
    let (release, mut held) = fx.held("open").await;
    // The files as a crash at this moment leaves them: the transaction has begun and is not committed.
    let after_crash = tempfile::tempdir().unwrap();
    for ending in ["", "-wal"] {
        let name = format!("portico.db{ending}");
        std::fs::copy(fx.path.with_file_name(&name), after_crash.path().join(&name)).unwrap();
    }
    assert!(held.try_join_next().is_none());
    drop(release);
    held.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(words(&after_crash.path().join("portico.db")), ["kept"]);
    assert_eq!(fx.words(), ["kept", "open"]);
}

#[tokio::test]
async fn a_caller_that_goes_away_is_passed_over_and_one_that_waits_too_long_is_told_so() {
    let fx = fixture_with(StoreConfig { acquire_timeout: Duration::from_millis(100), ..StoreConfig::default() });
    let (release, mut held) = fx.held("first").await;
    let mut queue = JoinSet::new();
    fx.wait(&mut queue, "gone".to_owned(), true);
    fx.until_waiting(1).await;
    queue.shutdown().await;
    let late = fx.writer.run(added("late")).await.unwrap_err();
    assert!(matches!(late, Error::Unavailable { .. }), "{late:?}");
    drop(release);
    held.join_next().await.unwrap().unwrap().unwrap();
    fx.writer.run(added("next")).await.unwrap();
    assert_eq!(fx.words(), ["first", "next"]);
}

#[tokio::test]
async fn a_full_queue_lets_callers_wait_for_a_place() {
    let fx = fixture_with(StoreConfig { write_queue: 2, ..StoreConfig::default() });
    let (release, mut queue) = fx.held("first").await;
    for n in 0..10 {
        fx.wait(&mut queue, format!("w{n}"), true);
    }
    fx.until_waiting(2).await;
    tokio::task::yield_now().await;
    assert_eq!(fx.writer.queue.length(), 2);
    drop(release);
    assert!(queue.join_all().await.iter().all(Result::is_ok));
    assert_eq!(fx.words().len(), 11);
}

#[tokio::test]
async fn callers_that_give_up_at_any_moment_leave_whole_transactions() {
    let fx = fixture(8);
    let mut kept = Vec::new();
    for round in 0..300u64 {
        let both = move |tx: &mut DbTx<'_>| {
            insert(tx, &format!("{round} a"));
            insert(tx, &format!("{round} b"));
            Ok(())
        };
        let mut pair = Box::pin(fx.writer.run(Box::new(both)));
        // Given up after some polls, each of which comes a little later.
        let ended = std::future::poll_fn(|context| {
            for _ in 0..round % 5 {
                if let Poll::Ready(ended) = pair.as_mut().poll(context) {
                    return Poll::Ready(Some(ended));
                }
                std::thread::sleep(Duration::from_micros(40 * (round % 7)));
            }
            Poll::Ready(None)
        });
        if let Some(ended) = ended.await {
            ended.unwrap();
            kept.push(round);
        }
    }
    fx.writer.close().await;
    let words = fx.words();
    let has = |round: u64, which: &str| words.contains(&format!("{round} {which}"));
    assert!((0..300).all(|n| has(n, "a") == has(n, "b")), "half a transaction was committed: {words:?}");
    assert!(kept.iter().all(|n| has(*n, "a")), "what was told to be done is there");
    assert!(words.len() > 2, "some came to their end");
}

#[tokio::test]
async fn a_closed_writer_does_what_waits_and_refuses_the_next() {
    let fx = fixture(100);
    let (release, mut queue) = fx.held("first").await;
    fx.wait(&mut queue, "last".to_owned(), true);
    fx.until_waiting(1).await;
    drop(release);
    fx.writer.close().await;
    assert!(queue.join_all().await.iter().all(Result::is_ok));
    assert_eq!(fx.words(), ["first", "last"]);
    let refused = fx.writer.run(added("never")).await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
}
