//! Lifting files out of bodies while they come, so that no file is ever in memory as a whole.
//!
//! [`json`] hands the base64 in a JSON member on as bytes and keeps the rest of the document; [`multipart`] does so with the
//! parts of a form. [`raw`] is the body itself, within limits of size and time.

pub(crate) mod base64;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod raw;

use async_trait::async_trait;
use axum::body::Bytes;
use portico_core::media::upload;
use portico_core::ports::blobs::{ByteSource, Stored};
use portico_core::{Error, OpContext};

use crate::problem::Problem;

/// Bytes that are lifted out of a body. Ends where the file ends.
pub(crate) trait Lift: Send {
    /// The next piece; `None` at the end of the file.
    fn piece(&mut self) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;
}

/// Stores a file while it comes, `bytes_max` bytes at most.
pub(crate) async fn store(ctx: &OpContext, lift: &mut impl Lift, bytes_max: u64) -> Result<Stored, Problem> {
    let mut lifted = Lifted { lift, problem: None };
    let stored = upload::store(ctx, &mut lifted, bytes_max).await;
    stored.map_err(|error| lifted.problem.unwrap_or_else(|| error.into()))
}

/// Lifted bytes as the core takes them. A problem with the body is kept here, because the core has no words for it.
struct Lifted<'l, L> {
    lift: &'l mut L,
    problem: Option<Problem>,
}

#[async_trait]
impl<L: Lift> ByteSource for Lifted<'_, L> {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.lift.piece().await {
            Ok(piece) => Ok(piece),
            Err(problem) => {
                self.problem = Some(problem);
                Err(Error::unavailable("the body", "it has a problem that the client is told of"))
            }
        }
    }
}
