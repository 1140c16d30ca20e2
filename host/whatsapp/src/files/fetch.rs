//! A file on its way from WhatsApp's media host.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::ports::blobs::ByteSource;
use portico_core::ports::whatsapp::RemoteMedia;
use tokio::io::AsyncReadExt;
use whatsapp_rust::ErrorChainExt;
use whatsapp_rust::download::DownloadWriter;

use super::remote;
use crate::failure;
use crate::session::Session;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 128 * 1024;

/// Fetches and decrypts a file, and gives its bytes once all of it was checked.
pub(crate) async fn fetch(session: &Session, file: &RemoteMedia) -> Result<Box<dyn ByteSource>> {
    let context = &session.context;
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if !client.is_logged_in() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    let params = remote::open(&context.sealer, &session.device, &file.whatsapp_id, file.kind, &file.file)?;
    let too_large = || Error::TooLarge { what: "the file", limit_bytes: file.bytes_max };
    if params.file_length > file.bytes_max {
        return Err(too_large());
    }
    let staged = tempfile::tempfile_in(&context.config.staging).map_err(|e| Error::internal("fetching a file", e))?;
    let is_full = Arc::new(AtomicBool::new(false));
    let writer = Capped { file: staged, bytes_max: file.bytes_max, at: 0, is_full: Arc::clone(&is_full) };
    let fetching = async {
        let _permit = context.transfers.acquire().await.map_err(|e| Error::internal("fetching a file", e))?;
        client.download_from_params_to_writer(&params, writer).await.map_err(|error| match error.http_status() {
            _ if is_full.load(Ordering::Relaxed) => too_large(),
            Some(401 | 403 | 404 | 410) => {
                let why = "WhatsApp does not have the file any more; ask the sender to send it again".to_owned();
                Error::Gone { code: "media_gone", why }
            }
            Some(status) => failure::unreachable(format!("the media host answered with status {status}")),
            None => failure::unreachable("the media host can't be reached, or the file is damaged"),
        })
    };
    let timed = tokio::time::timeout(context.limits.file_timeout, fetching).await;
    let fetched = timed.unwrap_or_else(|_| Err(failure::unreachable("fetching the file took too long")))?;
    Ok(Box::new(Fetched(tokio::fs::File::from_std(fetched.file))))
}

/// A file of which no more than so many bytes are written.
struct Capped {
    file: File,
    bytes_max: u64,
    at: u64,
    is_full: Arc<AtomicBool>,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at + bytes.len() as u64 > self.bytes_max {
            self.is_full.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let written = self.file.write(bytes)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Capped {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl DownloadWriter for Capped {
    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}

/// A fetched file.
struct Fetched(tokio::fs::File);

#[async_trait]
impl ByteSource for Fetched {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = self.0.read_buf(&mut piece).await.map_err(|e| Error::internal("reading a fetched file", e))?;
        Ok((read > 0).then(|| piece.freeze()))
    }
}
