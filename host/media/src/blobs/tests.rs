use std::time::Duration;

use portico_core::ports::blobs::InMemory;
use tempfile::TempDir;

use super::*;

fn opened() -> (TempDir, LocalBlobs) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = LocalBlobs::open(folder.path()).unwrap();
    (folder, blobs)
}

/// Gives pieces and then fails.
struct Breaks(Vec<Bytes>);

#[async_trait]
impl ByteSource for Breaks {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.0.pop() {
            Some(piece) => Ok(Some(piece)),
            None => Err(Error::unavailable("the source", "it broke off")),
        }
    }
}

async fn put(blobs: &LocalBlobs, bytes: &[u8]) -> Stored {
    blobs.put(&mut InMemory::new(bytes.to_vec()), 1 << 30).await.unwrap()
}

async fn read(blobs: &LocalBlobs, digest: &Digest, range: Range<u64>) -> Option<Vec<u8>> {
    let mut source = blobs.get(digest, range).await.unwrap()?;
    let mut all = Vec::new();
    while let Some(piece) = source.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    Some(all)
}

/// How many files there are in the folder, wherever.
fn files(folder: &FsPath) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_file_comes_back_as_it_went_in_whole_and_in_parts() {
    let (folder, blobs) = opened();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let stored = put(&blobs, &bytes).await;
    assert_eq!(stored.digest, Digest::new(Sha256::digest(&bytes).into()));
    assert_eq!((stored.bytes, &stored.head[..]), (3_000_000, &bytes[..HEAD_BYTES]));
    assert_eq!(read(&blobs, &stored.digest, 0..3_000_000).await.as_deref(), Some(&bytes[..]));
    assert_eq!(read(&blobs, &stored.digest, 2_999_990..3_000_000).await.as_deref(), Some(&bytes[2_999_990..]));
    assert_eq!(read(&blobs, &stored.digest, 5..5).await.as_deref(), Some(&[][..]));
    put(&blobs, &bytes).await;
    assert_eq!(files(folder.path()), 1, "the same bytes are one file");
    assert_eq!(read(&blobs, &Digest::new([0; 32]), 0..1).await, None);
}

#[tokio::test]
async fn of_what_fails_or_is_too_large_nothing_stays() {
    let (folder, blobs) = opened();
    let mut large = InMemory::new(vec![0; 101]);
    assert!(matches!(blobs.put(&mut large, 100).await, Err(Error::TooLarge { limit_bytes: 100, .. })));
    let mut broken = Breaks(vec![Bytes::from(vec![1; 2 * PART_BYTES]); 3]);
    assert!(matches!(blobs.put(&mut broken, 1 << 30).await, Err(Error::Unavailable { .. })));
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn a_file_that_is_held_is_removed_afterwards() {
    let (folder, blobs) = opened();
    let stored = put(&blobs, b"hello").await;
    let digest = stored.digest;
    let early = tokio::time::timeout(Duration::from_millis(20), blobs.claim(&digest)).await;
    assert!(early.is_err(), "somebody is about to name it");
    drop(stored.hold);
    blobs.remove(blobs.claim(&digest).await).await.unwrap();
    blobs.remove(blobs.claim(&digest).await).await.unwrap();
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn files_are_listed_in_order_a_part_at_a_time() {
    let (_folder, blobs) = opened();
    let mut all = Vec::new();
    for n in 0..40_u8 {
        all.push(put(&blobs, &[n]).await.digest);
    }
    all.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let part = blobs.list(after.as_ref(), 7).await.unwrap();
        assert!(part.len() <= 7);
        after = part.last().copied();
        seen.extend(part);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn what_a_crash_left_half_written_goes_at_the_next_start() {
    let (folder, blobs) = opened();
    let stored = put(&blobs, b"whole").await.digest;
    std::fs::write(folder.path().join(INCOMING).join("7#1"), "half").unwrap();
    drop(blobs);
    let blobs = LocalBlobs::open(folder.path()).unwrap();
    assert_eq!(files(folder.path()), 1);
    assert!(read(&blobs, &stored, 0..5).await.is_some());
}
