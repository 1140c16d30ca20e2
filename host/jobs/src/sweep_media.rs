//! Removes media whose time is over, and files that a crash left without a medium.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::media::{Digest, sweep};
use portico_core::{Result, Services};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::ReapConfig;
use crate::runner::{Job, Run};
use crate::tasks::lock;

/// The task.
pub(crate) struct SweepMedia {
    services: Arc<Services>,
    config: ReapConfig,
    orphans: Mutex<Orphans>,
}

/// How far the search for files without a medium has come.
#[derive(Clone, Copy)]
struct Orphans {
    after: Option<Digest>,
    /// When the search begins, or goes on.
    at: Instant,
}

impl SweepMedia {
    pub(crate) fn new(services: Arc<Services>, config: ReapConfig) -> Self {
        // Soon after the start, for what the last process left.
        let orphans = Mutex::new(Orphans { after: None, at: Instant::now() });
        Self { services, config, orphans }
    }

    /// Looks at some files, if it is time.
    async fn orphans(&self) -> Result<u64> {
        let Orphans { after, at } = *lock(&self.orphans);
        if Instant::now() < at {
            return Ok(0);
        }
        let (removed, next) = sweep::orphans(&self.services, after, self.config.batch as usize).await?;
        if removed > 0 {
            tracing::info!(files = removed, "files that nothing named were removed");
        }
        let pause = if next.is_some() { Duration::ZERO } else { self.config.orphans_every };
        *lock(&self.orphans) = Orphans { after: next, at: Instant::now() + pause };
        Ok(removed)
    }
}

#[async_trait]
impl Job for SweepMedia {
    fn name(&self) -> &'static str {
        "sweep_media"
    }

    fn wakeup(&self) -> Option<&Notify> {
        None
    }

    async fn run_once(&self) -> Result<Run> {
        let batch = self.config.batch.max(1);
        let expired = sweep::expired(&self.services, batch).await?;
        let orphans = self.orphans().await?;
        let more = expired >= u64::from(batch) || lock(&self.orphans).after.is_some();
        let next = if more { Duration::ZERO } else { self.config.every };
        Ok(Run { done: expired + orphans, next })
    }
}
