//! A database of its own for each test, removed afterwards.

use std::path::Path;

use sqlx::{Connection, PgConnection};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file in the test's folder.
    Sqlite,
    /// A fresh database of the server named by `PORTICO_TEST_POSTGRES`.
    Postgres,
}

/// A database of one test.
pub struct Database {
    url: String,
    dropped: Option<(String, String)>,
}

impl Database {
    /// Makes one.
    ///
    /// # Panics
    /// When Postgres is asked for and there is none: tests fail then, they don't skip.
    pub async fn create(kind: Kind, folder: &Path) -> Self {
        match kind {
            Kind::Sqlite => Self { url: format!("sqlite:{}", folder.join("portico.db").display()), dropped: None },
            Kind::Postgres => Self::create_postgres().await,
        }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    #[expect(clippy::disallowed_methods, reason = "the harness is told by the environment where the server is")]
    async fn create_postgres() -> Self {
        let server = std::env::var("PORTICO_TEST_POSTGRES").expect(
            "PORTICO_TEST_POSTGRES is not set: run the tests with `make test`, or under `tests/postgres.sh run --`",
        );
        Self::create_on(&server).await
    }

    /// Makes one on the Postgres server at a URL.
    ///
    /// # Panics
    /// When the server does not answer or refuses.
    pub async fn create_on(server: &str) -> Self {
        let server = server.to_owned();
        let name = format!("portico_it_{:016x}", rand::random::<u64>());
        let mut admin = PgConnection::connect(&server).await.expect("the test server answers");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut admin).await.expect("a database can be made");
        let (base, _) = server.rsplit_once('/').expect("a database in the URL");
        Self { url: format!("{base}/{name}"), dropped: Some((server, name)) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some((server, name)) = self.dropped.take() else { return };
        // Apart from the test's runtime, which may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut admin = PgConnection::connect(&server).await?;
                let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                sqlx::query(drop).execute(&mut admin).await.map(|_| ())
            })?;
            anyhow::Ok(())
        });
        // The whole server is thrown away after the run; a database left over hurts nobody.
        let _ = dropping.join();
    }
}
