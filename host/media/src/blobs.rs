//! The files of one folder.

use std::ops::Range;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, WriteMultipart};
use portico_core::error::{Error, Result};
use portico_core::media::Digest;
use portico_core::ports::blobs::{Blobs, ByteSource, Claim, Hold, Stored};
use sha2::{Digest as _, Sha256};

use crate::locks::Locks;

/// Where files are, below the folder.
const BLOBS: &str = "blobs";
/// Where files are written before their hash is known.
const INCOMING: &str = "incoming";
/// Bytes of a file that are written at once, and how many such parts are under way for one file.
const PART_BYTES: usize = 256 * 1024;
const PARTS_AT_ONCE: usize = 2;
/// Bytes of the beginning that are given back. Enough for every type that can be told by it.
const HEAD_BYTES: usize = 8 * 1024;

/// Why the files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder can't be made or used.
    #[error("the folder for files, {folder}, can't be used; let the gateway's user write there")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder is none of the kind that is needed.
    #[error("the folder for files can't be used")]
    Store(#[from] object_store::Error),
}

/// Files in a folder. One process at a time.
pub struct LocalBlobs {
    store: Arc<dyn ObjectStore>,
    locks: Locks,
    next: AtomicU64,
}

impl LocalBlobs {
    /// Opens the folder, makes it if it is missing, and removes what was being written when the last process ended.
    ///
    /// # Errors
    /// [`OpenError`] when the folder can't be written.
    pub fn open(folder: &FsPath) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { folder: folder.display().to_string(), source };
        let incoming = folder.join(INCOMING);
        match std::fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::fs::create_dir_all(&incoming).map_err(failed)?;
        std::fs::create_dir_all(folder.join(BLOBS)).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), locks: Locks::new(), next: AtomicU64::new(0) })
    }

    /// Writes what `source` gives to a place of its own.
    async fn receive(&self, at: &Path, source: &mut dyn ByteSource, bytes_max: u64) -> Result<Received> {
        let upload = self.store.put_multipart(at).await.map_err(|e| failed("storing a file", e))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        match copy(&mut writer, source, bytes_max).await {
            Ok(received) => {
                writer.finish().await.map_err(|e| failed("storing a file", e))?;
                Ok(received)
            }
            Err(error) => {
                // What can't be removed now is removed at the next start.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }
}

/// What was written.
struct Received {
    digest: Digest,
    bytes: u64,
    head: Bytes,
}

async fn copy(writer: &mut WriteMultipart, source: &mut dyn ByteSource, bytes_max: u64) -> Result<Received> {
    let (mut hash, mut bytes, mut head) = (Sha256::new(), 0_u64, BytesMut::new());
    while let Some(piece) = source.next().await? {
        bytes += piece.len() as u64;
        if bytes > bytes_max {
            return Err(Error::TooLarge { what: "the file", limit_bytes: bytes_max });
        }
        hash.update(&piece);
        let room = HEAD_BYTES - head.len();
        head.extend_from_slice(&piece[..piece.len().min(room)]);
        writer.wait_for_capacity(PARTS_AT_ONCE).await.map_err(|e| failed("storing a file", e))?;
        writer.write(&piece);
    }
    Ok(Received { digest: Digest::new(hash.finalize().into()), bytes, head: head.freeze() })
}

fn place(digest: &Digest) -> Path {
    let name = digest.to_string();
    Path::from_iter([BLOBS, &name[..2], &name])
}

fn failed(doing: &'static str, error: object_store::Error) -> Error {
    let full = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::StorageFull);
    if full { Error::unavailable("space for files", error) } else { Error::internal(doing, error) }
}

/// A file that is being read.
struct Reading(BoxStream<'static, object_store::Result<Bytes>>);

#[async_trait]
impl ByteSource for Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.try_next().await.map_err(|e| failed("reading a file", e))
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, source: &mut dyn ByteSource, bytes_max: u64) -> Result<Stored> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = Path::from_iter([INCOMING, &number.to_string()]);
        let Received { digest, bytes, head } = self.receive(&at, source, bytes_max).await?;
        let hold = Hold::new(self.locks.hold(&digest).await);
        // Over a file with the same hash, and so with the same bytes.
        self.store.rename(&at, &place(&digest)).await.map_err(|e| failed("storing a file", e))?;
        Ok(Stored { digest, bytes, head, hold })
    }

    async fn get(&self, digest: &Digest, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>> {
        let options = match range.is_empty() {
            true => GetOptions::default(),
            false => GetOptions::new().with_range(Some(range.clone())),
        };
        match self.store.get_opts(&place(digest), options).await {
            Ok(_) if range.is_empty() => Ok(Some(Box::new(Reading(futures_util::stream::empty().boxed())))),
            Ok(found) => Ok(Some(Box::new(Reading(found.into_stream())))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("reading a file", error)),
        }
    }

    async fn claim(&self, digest: &Digest) -> Claim {
        Claim::new(*digest, self.locks.claim(digest).await)
    }

    async fn remove(&self, claim: Claim) -> Result<()> {
        match self.store.delete(&place(claim.digest())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("removing a file", error)),
        }
    }

    async fn list(&self, after: Option<&Digest>, limit: usize) -> Result<Vec<Digest>> {
        let listing = |e| failed("listing files", e);
        let folders = self.store.list_with_delimiter(Some(&Path::from(BLOBS))).await.map_err(listing)?;
        let mut folders = folders.common_prefixes;
        folders.sort_unstable();
        // The folder of `after` holds what comes next to it; those before it are through.
        let first = after.map(|after| Path::from_iter([BLOBS, &after.to_string()[..2]]));
        let mut found = Vec::new();
        for folder in folders.into_iter().filter(|folder| first.as_ref().is_none_or(|first| folder >= first)) {
            let files: Vec<_> = self.store.list(Some(&folder)).try_collect().await.map_err(listing)?;
            let names = files.iter().filter_map(|file| file.location.filename()?.parse().ok());
            let mut digests: Vec<Digest> = names.filter(|digest| after.is_none_or(|after| digest > after)).collect();
            digests.sort_unstable();
            found.extend(digests);
            if found.len() >= limit {
                found.truncate(limit);
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
