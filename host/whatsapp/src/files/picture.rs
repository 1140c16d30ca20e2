//! Pictures of groups and of the own profile: a stored file as the JPEG that WhatsApp takes.

use std::io::Seek;

use portico_core::error::{Error, Result};
use portico_core::ports::whatsapp::Picture;
use tokio::io::AsyncWriteExt;

use super::preview;
use crate::session::Session;

/// The stored file as a square JPEG.
pub(crate) async fn of(session: &Session, picture: Picture) -> Result<Vec<u8>> {
    let file = copied(session, picture).await?;
    let jpeg = tokio::task::spawn_blocking(move || preview::square(&file)).await;
    let jpeg = jpeg.map_err(|e| Error::internal("reading a picture", e))?;
    jpeg.ok_or_else(|| Error::Refused {
        code: "media_type_mismatch",
        why: "the file can't be read as a picture; send a JPEG, PNG or WebP of at most 24 million pixels".to_owned(),
    })
}

/// The file in the staging folder, so that a large one is never in memory as a whole.
async fn copied(session: &Session, picture: Picture) -> Result<std::fs::File> {
    let failed = |e| Error::internal("copying a picture", e);
    let source = session.context.blobs.get(&picture.digest, 0..picture.bytes).await?;
    let mut source = source.ok_or_else(|| Error::Gone {
        code: "media_gone",
        why: "the file is no longer stored; upload it again".to_owned(),
    })?;
    let file = tempfile::tempfile_in(&session.context.config.staging).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(file);
    while let Some(piece) = source.next().await? {
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut file = file.into_std().await;
    file.rewind().map_err(failed)?;
    Ok(file)
}
