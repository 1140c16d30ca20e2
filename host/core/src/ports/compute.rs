//! Heavy computing: off the threads that serve requests, and only so much at once.

use async_trait::async_trait;

use crate::error::{Error, Result};

/// Runs what keeps a processor busy for long, such as hashing a password.
#[async_trait]
pub trait Compute: Send + Sync {
    /// Runs `work` on a thread that may be busy and returns when it is done.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is too much of it at once. Then `work` is not run.
    async fn run(&self, work: Box<dyn FnOnce() + Send>) -> Result<()>;
}

impl dyn Compute {
    /// Runs `work` as [`Compute::run`] does and gives its result.
    pub async fn give<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let work = move || {
            // The receiver may be gone with a caller that went away.
            let _ = sender.send(work());
        };
        self.run(Box::new(work)).await?;
        receiver.try_recv().map_err(|e| Error::internal("reading the result of a computation", e))
    }
}
