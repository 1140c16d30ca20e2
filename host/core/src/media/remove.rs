//! Removing files that no medium names any more.

use crate::context::Services;
use crate::error::Result;
use crate::model::media::Digest;
use crate::ports::blobs::Stored;

/// Removes the files among these that no medium names. Gives how many.
pub(super) async fn unused(services: &Services, digests: Vec<Digest>) -> Result<u64> {
    let mut removed = 0;
    for digest in digests {
        // Claimed before looking: a file that is being stored has no medium yet and is waited for.
        let claim = services.blobs.claim(&digest).await;
        if services.ports.read(move |tx| tx.media_used(&[digest])).await?.is_empty() {
            services.blobs.remove(claim).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Takes back a file that was stored and gets no medium.
pub(super) async fn discard(services: &Services, stored: Stored) {
    let Stored { digest, hold, .. } = stored;
    drop(hold);
    now_or_later(services, digest).await;
}

/// Removes a file whose medium is gone, if that was the last one.
pub(super) async fn now_or_later(services: &Services, digest: Digest) {
    // A failure costs space, not correctness: the sweep meets the file again and reports what is wrong.
    let _ = unused(services, vec![digest]).await;
}
