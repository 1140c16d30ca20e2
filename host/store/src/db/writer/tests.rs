//! Turns, shared commits, and turns that end badly.

use std::task::Poll;

use sqlx::Executor;
use tokio::task::JoinSet;

use super::*;

struct Fixture {
    writer: Arc<Writer>,
    reader: SqliteConnection,
    _folder: tempfile::TempDir,
}

async fn fixture(per_commit: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.db");
    let lock = crate::lock::take(&path).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .foreign_keys(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let mut reader = options.connect().await.unwrap();
    reader.execute("CREATE TABLE words (word TEXT PRIMARY KEY)").await.unwrap();
    reader.execute("CREATE TABLE ends (word TEXT REFERENCES words DEFERRABLE INITIALLY DEFERRED)").await.unwrap();
    let config = StoreConfig { transactions_per_commit: per_commit, ..StoreConfig::default() };
    let writer = Arc::new(Writer::open(options, lock, &config).await.unwrap());
    Fixture { writer, reader, _folder: folder }
}

impl Fixture {
    async fn words(&mut self) -> Vec<String> {
        sqlx::query_scalar("SELECT word FROM words ORDER BY word").fetch_all(&mut self.reader).await.unwrap()
    }

    fn commits(&self) -> u64 {
        self.writer.0.group().commits
    }
}

async fn add(turn: &mut Turn, table: &'static str, word: &str) -> Result<(), Error> {
    let sql = if table == "words" { "INSERT INTO words VALUES ($1)" } else { "INSERT INTO ends VALUES ($1)" };
    sqlx::query(sql).bind(word).execute(turn.connection()).await.map(drop)
}

/// Lets `count` transactions queue up behind `turn`, each adding a word; those that `keep` says no of are given up.
async fn queue_behind(writer: &Arc<Writer>, turn: Turn, count: usize, keep: impl Fn(usize) -> bool) {
    let mut queue = JoinSet::new();
    for n in 0..count {
        let (waiting, keep) = (Arc::clone(writer), keep(n));
        queue.spawn(async move {
            let mut turn = waiting.turn().await.unwrap();
            add(&mut turn, "words", &format!("w{n}")).await.unwrap();
            if keep {
                turn.commit().await.unwrap();
            }
        });
        // The test's runtime has one thread: each is polled, and waits, before the next one is spawned.
        tokio::task::yield_now().await;
    }
    turn.commit().await.unwrap();
    queue.join_all().await;
}

#[tokio::test]
async fn those_who_wait_share_a_commit() {
    let mut fx = fixture(100).await;
    let mut first = fx.writer.turn().await.unwrap();
    add(&mut first, "words", "first").await.unwrap();
    queue_behind(&fx.writer, first, 20, |_| true).await;
    assert_eq!(fx.words().await.len(), 21);
    assert!(fx.commits() <= 3, "{} commits", fx.commits());
}

#[tokio::test]
async fn a_group_has_its_limit() {
    let mut fx = fixture(4).await;
    let mut first = fx.writer.turn().await.unwrap();
    add(&mut first, "words", "first").await.unwrap();
    queue_behind(&fx.writer, first, 19, |_| true).await;
    assert_eq!(fx.words().await.len(), 20);
    assert!(fx.commits() >= 5, "{} commits", fx.commits());
}

#[tokio::test]
async fn one_that_is_given_up_is_undone_alone() {
    let mut fx = fixture(100).await;
    let mut first = fx.writer.turn().await.unwrap();
    add(&mut first, "words", "first").await.unwrap();
    queue_behind(&fx.writer, first, 6, |n| n % 2 == 0).await;
    assert_eq!(fx.words().await, ["first", "w0", "w2", "w4"]);
}

#[tokio::test]
async fn a_turn_given_up_alone_leaves_nothing_open() {
    let mut fx = fixture(100).await;
    let mut turn = fx.writer.turn().await.unwrap();
    add(&mut turn, "words", "never").await.unwrap();
    drop(turn);
    let mut next = fx.writer.turn().await.unwrap();
    add(&mut next, "words", "next").await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(fx.words().await, ["next"]);
    // Nobody holds the file: another connection may write.
    fx.reader.execute("INSERT INTO words VALUES ('other')").await.unwrap();
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_of_its_group_and_ends_there() {
    let mut fx = fixture(100).await;
    let mut first = fx.writer.turn().await.unwrap();
    add(&mut first, "words", "kept").await.unwrap();
    first.commit().await.unwrap();
    // What `ends` refers to is looked for at the commit only, and is not there.
    let mut bad = fx.writer.turn().await.unwrap();
    add(&mut bad, "ends", "nowhere").await.unwrap();
    let beside = {
        let writer = Arc::clone(&fx.writer);
        tokio::spawn(async move {
            let mut turn = writer.turn().await.unwrap();
            add(&mut turn, "words", "lost").await.unwrap();
            turn.commit().await
        })
    };
    tokio::task::yield_now().await;
    assert!(bad.commit().await.is_err());
    assert!(beside.await.unwrap().is_err());
    let mut next = fx.writer.turn().await.unwrap();
    add(&mut next, "words", "next").await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(fx.words().await, ["kept", "next"]);
}

#[tokio::test]
async fn turns_given_up_at_any_moment_are_whole_or_undone() {
    let mut fx = fixture(8).await;
    let mut kept = Vec::new();
    for round in 0..300u64 {
        let writer = Arc::clone(&fx.writer);
        let pair = async move {
            let mut turn = writer.turn().await?;
            add(&mut turn, "words", &format!("{round} a")).await?;
            add(&mut turn, "words", &format!("{round} b")).await?;
            turn.commit().await.map_err(|_| Error::WorkerCrashed)
        };
        // Given up between not begun and done, by the number of times it had to wait.
        let (mut pair, mut waits) = (Box::pin(pair), round % 12);
        let ended = std::future::poll_fn(|context| match pair.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if waits == 0 => Poll::Ready(None),
            Poll::Pending => {
                waits -= 1;
                Poll::Pending
            }
        });
        if let Some(ended) = ended.await {
            ended.unwrap();
            kept.push(round);
        }
    }
    fx.writer.close().await;
    let words = fx.words().await;
    let has = |round: u64, which: &str| words.contains(&format!("{round} {which}"));
    assert!((0..300).all(|n| has(n, "a") == has(n, "b")), "half a turn was committed: {words:?}");
    assert!(kept.iter().all(|n| has(*n, "a")), "what was told to be done is there");
    assert!(words.len() < 600, "some were given up in time to be undone");
    assert!(words.len() > 2, "some came to their end");
}

#[tokio::test]
async fn a_closed_writer_finishes_its_group_and_refuses_the_next() {
    let mut fx = fixture(100).await;
    let mut turn = fx.writer.turn_for_one().await.unwrap();
    add(&mut turn, "words", "last").await.unwrap();
    let (ended, ()) = tokio::join!(turn.commit(), fx.writer.close());
    ended.unwrap();
    assert_eq!(fx.words().await, ["last"]);
    assert!(matches!(fx.writer.turn().await, Err(Error::PoolClosed)));
}
