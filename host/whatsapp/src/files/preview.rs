//! What a picture looks like, small: shown by phones before they fetch the picture.

use std::fs::File;
use std::io::{BufReader, Seek, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use portico_core::message::MessageContext;
use portico_core::ports::Blobs;
use tokio::sync::Semaphore;

/// Pixels across and down of a small picture at most.
const SIDE_MAX: u32 = 96;
/// The quality of a small picture, of 100.
const QUALITY: u8 = 60;
/// Bytes that a picture may take when it is unpacked: 24 million pixels in colour. Of a larger one only the size is told.
const UNPACKED_BYTES_MAX: u64 = 72 << 20;
/// Bytes of a picture that a link shows. Of a larger one nothing is shown.
const LINKED_BYTES_MAX: u64 = 8 << 20;
/// Pictures that are unpacked at the same time, in the whole process; further ones are sent without a small one.
static UNPACKING: Semaphore = Semaphore::const_new(2);

/// The size of a picture, and the picture in small.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Preview {
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// A JPEG.
    pub(crate) jpeg: Option<Vec<u8>>,
}

/// Looks at a picture. `None` when it can't be read. Blocks for as long as unpacking takes.
pub(super) fn of(file: &File) -> Option<Preview> {
    let mut decoder = decoder(file)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let (width, height) = decoder.dimensions();
    let unpacking = UNPACKING.try_acquire().ok().filter(|_| decoder.total_bytes() <= UNPACKED_BYTES_MAX);
    let unpacked = unpacking.and_then(|permit| {
        let mut picture = DynamicImage::from_decoder(decoder).ok()?.thumbnail(SIDE_MAX, SIDE_MAX);
        drop(permit);
        picture.apply_orientation(orientation);
        Some(picture)
    });
    let turned = matches!(
        orientation,
        image::metadata::Orientation::Rotate90
            | image::metadata::Orientation::Rotate270
            | image::metadata::Orientation::Rotate90FlipH
            | image::metadata::Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Some(Preview { width, height, jpeg: unpacked.and_then(|picture| jpeg(&picture)) })
}

/// Pixels across and down of the picture of a group or a profile, as WhatsApp's own clients make them.
const PICTURE_SIDE: u32 = 640;
/// The quality of such a picture, of 100.
const PICTURE_QUALITY: u8 = 85;

/// The middle of a picture as a square JPEG; `None` when it can't be read. Blocks for as long as unpacking takes.
pub(super) fn square(file: &File) -> Option<Vec<u8>> {
    let mut decoder = decoder(file)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    if decoder.total_bytes() > UNPACKED_BYTES_MAX {
        return None;
    }
    let mut picture = DynamicImage::from_decoder(decoder).ok()?;
    picture.apply_orientation(orientation);
    let square = picture.resize_to_fill(PICTURE_SIDE, PICTURE_SIDE, image::imageops::FilterType::Triangle);
    encoded(&square, PICTURE_QUALITY)
}

/// The small picture of the page that a text shows, if it has one that can still be read.
pub(crate) async fn of_link(blobs: &dyn Blobs, folder: &Path, context: &MessageContext) -> Option<Vec<u8>> {
    let picture =
        context.link_preview.as_deref()?.picture.clone().filter(|picture| picture.bytes <= LINKED_BYTES_MAX)?;
    let mut source = blobs.get(&picture.digest, 0..picture.bytes).await.ok()??;
    let mut file = tempfile::tempfile_in(folder).ok()?;
    while let Some(piece) = source.next().await.ok()? {
        file.write_all(&piece).ok()?;
    }
    tokio::task::spawn_blocking(move || of(&file)).await.ok()??.jpeg
}

fn decoder(mut file: &File) -> Option<impl ImageDecoder> {
    file.rewind().ok()?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(UNPACKED_BYTES_MAX);
    reader.limits(limits);
    reader.into_decoder().ok()
}

fn jpeg(picture: &DynamicImage) -> Option<Vec<u8>> {
    encoded(picture, QUALITY)
}

fn encoded(picture: &DynamicImage, quality: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // JPEG knows no transparency.
    let plain = DynamicImage::ImageRgb8(picture.to_rgb8());
    plain.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use image::ImageFormat;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_picture_is_made_small() {
        let picture = DynamicImage::new_rgba8(640, 320);
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            let preview = of(&file(bytes.get_ref())).expect("a picture");
            assert_eq!((preview.width, preview.height), (640, 320));
            let small = image::load_from_memory(&preview.jpeg.expect("a small picture")).unwrap();
            assert_eq!((small.width(), small.height()), (96, 48));
        }
    }

    #[test]
    fn what_is_no_picture_has_none() {
        assert_eq!(of(&file(b"plain text")), None);
        assert_eq!(of(&file(b"\x89PNG\r\n\x1a\nbroken")), None);
    }
}
