//! SQLite: the one connection that writes, and commits that several transactions share.
//!
//! A commit waits for the disk, so those that wait share one. Transactions take turns at the connection, first come, first
//! served; each has a savepoint, sees what those before it did, and can be undone alone. The first of a group that ends well
//! books the commit behind everybody who waits at that moment; all of the group hear of it together. Invariant: nobody is
//! told that something is done before the disk has it, and when the commit fails everybody in the group is told so.

use std::fs::File;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Error, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use tokio::time::Instant;

use crate::config::StoreConfig;

/// How old a group may get: then it is committed before the next turn, however many are waiting.
const GROUP_AGE: Duration = Duration::from_millis(20);

// What begins and ends transactions and turns. Not in `statement::all`: they read and write no table.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT turn";
const KEEP: &str = "RELEASE turn";
const UNDO: &str = "ROLLBACK TO turn";

/// What a member of a group is told at its end.
type Ending = Result<(), Arc<Error>>;

/// The writing connection; `None` once it is closed.
type Pen = Option<SqliteConnection>;

/// The way to the writing connection.
pub(crate) struct Writer(Arc<Shared>);

struct Shared {
    pen: Arc<Mutex<Pen>>,
    group: std::sync::Mutex<Group>,
    options: SqliteConnectOptions,
    acquire_timeout: Duration,
    per_commit: usize,
    runtime: Handle,
    /// Keeps a second gateway off until the last commit.
    lock: File,
}

/// What holds between turns: the transaction, and those who wait for its commit. Changed only by who holds the pen. Flags
/// are set before the statement they stand for is sent and cleared before the one that ends it: sqlx's connection runs
/// whatever was sent, also when nobody waits for it any more.
struct Group {
    members: Vec<oneshot::Sender<Ending>>,
    since: Instant,
    /// A transaction is open.
    open: bool,
    /// A turn was given up: its savepoint is still there.
    undo: bool,
    /// SQLite failed at ending something, and only a fresh connection knows where it stands.
    broken: bool,
    commits: u64,
}

/// A turn at the connection. Dropping it undoes what it did.
pub(crate) struct Turn {
    pen: OwnedMappedMutexGuard<Pen, SqliteConnection>,
    shared: Arc<Shared>,
    savepoint: bool,
}

impl Writer {
    /// Connects. Must be called within a Tokio runtime.
    pub(crate) async fn open(options: SqliteConnectOptions, lock: File, config: &StoreConfig) -> Result<Self, Error> {
        let pen = Arc::new(Mutex::new(Some(options.connect().await?)));
        let group =
            Group { members: Vec::new(), since: Instant::now(), open: false, undo: false, broken: false, commits: 0 };
        Ok(Self(Arc::new(Shared {
            pen,
            group: group.into(),
            options,
            acquire_timeout: config.acquire_timeout,
            per_commit: config.transactions_per_commit,
            runtime: Handle::current(),
            lock,
        })))
    }

    /// Waits for a turn to write.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let mut turn = self.turn_for_one().await?;
        turn.savepoint = true;
        if let Err(error) = run(&mut turn.pen, SAVE).await {
            turn.savepoint = false;
            return Err(error);
        }
        Ok(turn)
    }

    /// Waits for a turn to run a single statement, which undoes itself when it fails.
    pub(crate) async fn turn_for_one(&self) -> Result<Turn, Error> {
        let shared = Arc::clone(&self.0);
        let waiting = tokio::time::timeout(shared.acquire_timeout, Arc::clone(&shared.pen).lock_owned());
        let mut pen = waiting.await.map_err(|_| Error::PoolTimedOut)?;
        if shared.group().is_full(shared.per_commit) {
            pen = shared.commit_first(pen).await?;
        }
        shared.begin(&mut pen).await?;
        let pen = OwnedMutexGuard::try_map(pen, Option::as_mut).map_err(|_| Error::PoolClosed)?;
        Ok(Turn { pen, shared, savepoint: false })
    }

    /// Ends the connection, once those who are waiting already had their turn, and lets another gateway in.
    pub(crate) async fn close(&self) {
        let mut pen = self.0.pen.lock().await;
        self.0.commit(&mut pen).await;
        if let Some(connection) = pen.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database's writing connection did not end well");
        }
        if let Err(error) = self.0.lock.unlock() {
            tracing::warn!(%error, "the lock of the database's folder stays until the gateway ends");
        }
        tracing::debug!(commits = self.0.group().commits, "the database's writing connection is closed");
    }
}

impl Shared {
    fn group(&self) -> std::sync::MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a transaction for the group, with nothing in it of turns that were given up.
    async fn begin(&self, pen: &mut Pen) -> Result<(), Error> {
        let connection = pen.as_mut().ok_or(Error::PoolClosed)?;
        self.tidy(connection).await;
        if self.group().broken {
            self.end(Err(Error::WorkerCrashed));
            *connection = self.options.connect().await?;
            self.group().broken = false;
        }
        if !std::mem::replace(&mut self.group().open, true)
            && let Err(error) = run(connection, BEGIN).await
        {
            self.group().open = false;
            return Err(error);
        }
        Ok(())
    }

    /// Undoes a turn that was given up.
    async fn tidy(&self, connection: &mut SqliteConnection) {
        if !std::mem::take(&mut self.group().undo) {
            return;
        }
        for statement in [UNDO, KEEP] {
            if run(connection, statement).await.is_err() {
                self.group().broken = true;
            }
        }
    }

    /// Commits what the group did and tells it.
    async fn commit(&self, pen: &mut Pen) {
        let Some(connection) = pen else { return };
        self.tidy(connection).await;
        if !self.group().open {
            return;
        }
        let ending = if self.group().broken { Err(Error::WorkerCrashed) } else { run(connection, COMMIT).await };
        if ending.is_err() {
            // Whatever it leaves behind, it must not keep the file locked.
            let _ = run(connection, ROLLBACK).await;
        }
        self.end(ending);
    }

    /// Tells the group how it ended.
    fn end(&self, ending: Result<(), Error>) {
        let ending = ending.map_err(Arc::new);
        let mut group = self.group();
        group.open = false;
        group.broken = ending.is_err();
        group.commits += 1;
        for member in group.members.drain(..) {
            // Whoever no longer waits for an answer doesn't need it.
            let _ = member.send(ending.clone());
        }
    }

    /// Has the group committed before anybody else writes, whatever becomes of who asks for it.
    async fn commit_first(self: &Arc<Self>, mut pen: OwnedMutexGuard<Pen>) -> Result<OwnedMutexGuard<Pen>, Error> {
        let shared = Arc::clone(self);
        let committed = self.runtime.spawn(async move {
            shared.commit(&mut pen).await;
            pen
        });
        committed.await.map_err(|_| Error::PoolClosed)
    }

    /// Has the group committed once those who wait for the pen now had their turn.
    fn book_commit(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            let mut pen = shared.pen.lock().await;
            shared.commit(&mut pen).await;
        });
    }
}

impl Group {
    fn is_full(&self, per_commit: usize) -> bool {
        self.members.len() >= per_commit || (!self.members.is_empty() && self.since.elapsed() >= GROUP_AGE)
    }

    /// Takes one more in; says whether it is the first.
    fn join(&mut self, answer: oneshot::Sender<Ending>) -> bool {
        let is_first = self.members.is_empty();
        if is_first {
            self.since = Instant::now();
        }
        self.members.push(answer);
        is_first
    }
}

impl Turn {
    /// The connection, for one statement.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.pen
    }

    /// Ends the turn and waits until what it did is durable.
    pub(crate) async fn commit(mut self) -> Ending {
        if std::mem::take(&mut self.savepoint)
            && let Err(error) = run(&mut self.pen, KEEP).await
        {
            self.savepoint = true;
            return Err(error.into());
        }
        let (answer, answered) = oneshot::channel();
        if self.shared.group().join(answer) {
            self.shared.book_commit();
        }
        drop(self);
        // Nobody answers when the runtime has ended.
        answered.await.unwrap_or_else(|_| Err(Error::PoolClosed.into()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut group = self.shared.group();
        group.undo = self.savepoint;
        // Without a group nobody would end the transaction around the savepoint.
        if group.members.is_empty() {
            self.shared.book_commit();
        }
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
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
}
