//! Postgres: the lock that keeps a second gateway off, and watching that it is still held.
//!
//! Two gateways on one database would each run every device, and WhatsApp lets only one of two sessions of a device live. The
//! lock is an advisory one: the server drops it together with the connection that took it, however the gateway or the
//! connection ended. So a connection that breaks under a running gateway leaves the database open to another one; it is
//! noticed within seconds, and the lock taken again. Invariant: a gateway that can't have it again is told to end.

#[cfg(test)]
mod tests;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{LockLost, OpenError};

/// The number of the lock: "portico" in ASCII.
pub(super) const NUMBER: i64 = 0x70_6f_72_74_69_63_6f;
/// How long a gateway that was killed may take to vanish from the server's list of connections.
const HANDOVER: Duration = Duration::from_secs(5);
const HANDOVER_STEP: Duration = Duration::from_millis(100);

/// How often the connection is asked whether it still lives.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(3);
/// How long the server may take to answer; then the connection counts as broken.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long a lost lock is tried for: enough for a server that restarts. While nobody answers here, a server that was only
/// cut off may let somebody else in.
pub(crate) const GRACE: Duration = Duration::from_secs(60);
const REGAIN_STEP: Duration = Duration::from_millis(200);

/// The lock, held by a connection of its own.
pub(crate) struct Lock {
    /// As [`options`] made them.
    options: PgConnectOptions,
    /// `None` once closed, and while the lock is taken again.
    held: Mutex<Option<PgConnection>>,
}

/// How the server finds out that the other end of a connection is gone, be it cut off or without power: some 25 s after it
/// last heard of it. By default it takes hours, in which no gateway could start.
const KEEPALIVES: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
];

/// The options of the connections that hold the lock. Their name is this gateway's alone, so that it finds those again that
/// only the server still believes in.
pub(super) fn options(options: &PgConnectOptions) -> PgConnectOptions {
    let name = format!("portico lock {:016x}", rand::random::<u64>());
    options.clone().application_name(&name).options(KEEPALIVES)
}

/// Takes the lock, as long as this connection lives.
pub(super) async fn take(conn: &mut PgConnection) -> Result<(), OpenError> {
    let end = Instant::now() + HANDOVER;
    while !try_take(conn).await.map_err(|e| OpenError::Unreachable(e.into()))? {
        if Instant::now() >= end {
            return Err(OpenError::Shared);
        }
        sleep(HANDOVER_STEP).await;
    }
    Ok(())
}

impl Lock {
    /// The lock that this connection took; the options are those it was made with.
    pub(super) fn new(options: PgConnectOptions, held: PgConnection) -> Self {
        Self { options, held: Mutex::new(Some(held)) }
    }

    /// Looks after the lock, until it is lost for good.
    pub(crate) async fn watch(&self, every: Duration, grace: Duration) -> LockLost {
        loop {
            let mut held = self.held.lock().await;
            let Some(conn) = held.as_mut() else {
                drop(held);
                // Closed: there is nothing to lose any more.
                return std::future::pending().await;
            };
            if let Err(error) = ask(conn).await {
                tracing::warn!(%error, "the connection that keeps other gateways off the database broke; taking the lock again");
                *held = None;
                match self.regain(grace).await {
                    Ok(conn) => *held = Some(conn),
                    Err(lost) => return lost,
                }
                tracing::info!("the lock that keeps other gateways off the database is held again");
            }
            drop(held);
            sleep(every).await;
        }
    }

    /// Lets another gateway in.
    pub(crate) async fn close(&self) {
        if let Some(conn) = self.held.lock().await.take()
            && let Err(error) = conn.close().await
        {
            tracing::debug!(%error, "the connection that held the database's lock did not end well");
        }
    }

    /// Takes the lock again, as soon as the server answers.
    async fn regain(&self, grace: Duration) -> Result<PgConnection, LockLost> {
        let end = Instant::now() + grace;
        loop {
            let error = match timeout(ANSWER_TIMEOUT, self.retake()).await {
                Ok(Ok(Some(conn))) => return Ok(conn),
                Ok(Ok(None)) => return Err(LockLost::Shared),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::PoolTimedOut,
            };
            if Instant::now() >= end {
                return Err(LockLost::Unreachable(error));
            }
            sleep(REGAIN_STEP).await;
        }
    }

    /// Takes the lock on a new connection; `None` when another gateway has it.
    async fn retake(&self) -> Result<Option<PgConnection>, sqlx::Error> {
        let mut conn = self.options.connect().await?;
        // The server may not know yet that a connection is gone, and would go on holding the lock for it. It drops a
        // connection's locks before the connection leaves its list.
        let name = self.options.get_application_name();
        while end_others(&mut conn, name).await? > 0 {
            sleep(REGAIN_STEP).await;
        }
        Ok(try_take(&mut conn).await?.then_some(conn))
    }
}

async fn try_take(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(NUMBER).fetch_one(conn).await
}

/// Whether the connection still lives.
async fn ask(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    timeout(ANSWER_TIMEOUT, conn.ping()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Ends the other connections of that name, and says how many there were.
async fn end_others(conn: &mut PgConnection, name: Option<&str>) -> Result<i64, sqlx::Error> {
    let ending = sqlx::query_scalar(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE application_name = $1 AND pid <> pg_backend_pid()",
    );
    ending.bind(name).fetch_one(conn).await
}
