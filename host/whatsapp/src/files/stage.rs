//! A file encrypted into the staging folder, and what its picture looks like.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use portico_core::error::{Error, Result};
use portico_core::media::MediaKind;
use portico_core::ports::blobs::ByteSource;
use tokio::sync::mpsc;
use whatsapp_rust::wacore::upload::{EncryptedMediaInfo, MediaEncryptor, UploadSource};

use super::preview::{self, Preview};

/// Pieces that wait between reading and encrypting.
const PIECES: usize = 4;
/// Bytes that are written at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// An encrypted file.
pub(super) struct Staged {
    pub(super) source: StagedFile,
    pub(super) info: EncryptedMediaInfo,
    pub(super) preview: Option<Preview>,
}

/// Encrypts what `source` gives.
pub(super) async fn stage(folder: &Path, kind: MediaKind, source: &mut dyn ByteSource) -> Result<Staged> {
    let (pieces, mut coming) = mpsc::channel::<bytes::Bytes>(PIECES);
    let folder = folder.to_owned();
    let encrypting = tokio::task::spawn_blocking(move || encrypt(&folder, kind, || coming.blocking_recv()));
    let read = async {
        while let Some(piece) = source.next().await? {
            if pieces.send(piece).await.is_err() {
                // The other side ends early only when it fails, and says why below.
                break;
            }
        }
        Ok(())
    };
    let read = read.await;
    drop(pieces);
    let staged = encrypting.await.map_err(|e| Error::internal("encrypting a file", e))?;
    read?;
    staged.map_err(|e| Error::internal("encrypting a file", e))
}

fn encrypt(folder: &Path, kind: MediaKind, mut next: impl FnMut() -> Option<bytes::Bytes>) -> io::Result<Staged> {
    let sidecar = matches!(kind, MediaKind::Video | MediaKind::VideoNote | MediaKind::Audio | MediaKind::Voice);
    let mut encryptor = MediaEncryptor::new_with_sidecar(super::media_type(kind), sidecar).map_err(io::Error::other)?;
    let mut sealed = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?);
    // The picture is looked at in the clear, once all of it is there.
    let mut plain = match kind {
        MediaKind::Image | MediaKind::Sticker => Some(tempfile::tempfile_in(folder)?),
        _ => None,
    };
    while let Some(piece) = next() {
        encryptor.update_to_writer(&piece, &mut sealed)?;
        if let Some(plain) = &mut plain {
            plain.write_all(&piece)?;
        }
    }
    let info = encryptor.finalize_to_writer(&mut sealed).map_err(io::Error::other)?;
    let file = sealed.into_inner().map_err(io::IntoInnerError::into_error)?;
    let preview = plain.and_then(|plain| preview::of(&plain));
    Ok(Staged { source: StagedFile { bytes: file.metadata()?.len(), file: Arc::new(file) }, info, preview })
}

/// An encrypted file to upload.
pub(super) struct StagedFile {
    file: Arc<File>,
    bytes: u64,
}

impl UploadSource for StagedFile {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn reader_from(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Reader { file: Arc::clone(&self.file), offset }))
    }
}

/// Reads from a place of its own: uploads to several hosts share one file.
struct Reader {
    file: Arc<File>,
    offset: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use portico_core::ports::blobs::InMemory;
    use whatsapp_rust::download::DownloadUtils;

    use super::*;

    #[tokio::test]
    async fn what_was_encrypted_can_be_decrypted() {
        let folder = tempfile::tempdir().unwrap();
        let plain: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 253) as u8).collect();
        for kind in [MediaKind::Document, MediaKind::Video, MediaKind::Image] {
            let mut source = InMemory::new(plain.clone());
            let staged = stage(folder.path(), kind, &mut source).await.unwrap();
            let mut sealed = Vec::new();
            staged.source.reader_from(0).unwrap().read_to_end(&mut sealed).unwrap();
            assert_eq!(sealed.len() as u64, staged.source.len());
            let mut tail = Vec::new();
            staged.source.reader_from(999_000).unwrap().read_to_end(&mut tail).unwrap();
            assert_eq!(tail, sealed[999_000..]);
            let opened =
                DownloadUtils::verify_and_decrypt(&sealed, &staged.info.media_key, super::super::media_type(kind))
                    .unwrap();
            assert_eq!((opened == plain, staged.info.file_length), (true, 1_000_003));
            assert!(staged.preview.is_none(), "it is no picture");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
    }
}
