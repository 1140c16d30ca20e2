//! Big bytes: files by the hash of what they hold, outside of the database.
//!
//! Bytes go in and out in pieces; nothing here ever has a whole file in memory. Rows name files by their [`Digest`], and a file
//! that no row names any more is removed. Whoever stores a file holds it ([`Hold`]) until its row is written, and whoever removes
//! one claims it first ([`Claim`]), so that no file is removed that a row is just about to name.

use std::any::Any;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;
use crate::model::media::Digest;

/// Bytes that come in pieces.
#[async_trait]
pub trait ByteSource: Send {
    /// The next piece, not empty; `None` at the end. After an error or the end it is not asked again.
    async fn next(&mut self) -> Result<Option<Bytes>>;
}

/// Bytes that are in memory already.
pub struct InMemory(Option<Bytes>);

impl InMemory {
    /// All of these, in one piece.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Some(bytes.into()))
    }
}

#[async_trait]
impl ByteSource for InMemory {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}

/// Keeps a file from being removed, until it is dropped.
pub struct Hold(#[expect(dead_code, reason = "held, not read")] Box<dyn Any + Send + Sync>);

impl Hold {
    /// Holds as long as `guard` lives.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

/// The right to remove a file: nobody stores it meanwhile.
pub struct Claim {
    digest: Digest,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Claim {
    /// Lasts as long as `guard` lives.
    pub fn new(digest: Digest, guard: impl Any + Send + Sync) -> Self {
        Self { digest, _guard: Box::new(guard) }
    }

    /// The file.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// A file that was stored and that no row names yet.
pub struct Stored {
    /// The hash of what it holds.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// How it begins: as much as tells its type, or all of it where it is shorter.
    pub head: Bytes,
    /// Drop it once a row names the file.
    pub hold: Hold,
}

/// The files.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores what `source` gives. When it returns, the file is durable. A file that is there already is stored once.
    ///
    /// Of a source that fails or gives more than `bytes_max` (`TooLarge`) nothing stays.
    async fn put(&self, source: &mut dyn ByteSource, bytes_max: u64) -> Result<Stored>;

    /// The bytes of a file from `range.start` up to `range.end`, which is not larger than the file; `None` when it is not there.
    async fn get(&self, digest: &Digest, range: Range<u64>) -> Result<Option<Box<dyn ByteSource>>>;

    /// Waits until nobody holds the file, and keeps it from being stored until the claim is dropped.
    async fn claim(&self, digest: &Digest) -> Claim;

    /// Removes a file, if it is there. The caller has made sure that no row names it, after it had the claim.
    async fn remove(&self, claim: Claim) -> Result<()>;

    /// Files that are there, in the order of their digests, after `after`, at most `limit`.
    async fn list(&self, after: Option<&Digest>, limit: usize) -> Result<Vec<Digest>>;
}
