//! QR codes as pictures and as text.

use base64::prelude::{BASE64_STANDARD, Engine};
use portico_core::Error;
use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, EcLevel, QrCode};

/// Pixels per module.
const SCALE: usize = 8;
/// Light modules around the code; the standard asks for four.
const QUIET: usize = 4;

/// A PNG, black on white, one bit per pixel.
pub(crate) fn png(text: &str) -> Result<Vec<u8>, Error> {
    let code = encode(text, EcLevel::M)?;
    let modules = code.width() + 2 * QUIET;
    let side = modules * SCALE;
    let row_bytes = side.div_ceil(8);
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let inside = |n: usize| n.checked_sub(QUIET).filter(|n| *n < code.width());
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return false };
        colors.get(y * code.width() + x) == Some(&Color::Dark)
    };
    let mut pixels = Vec::with_capacity(row_bytes * side);
    for y in 0..modules {
        // A set bit is white.
        let mut row = vec![0xff_u8; row_bytes];
        for x in (0..side).filter(|x| dark(x / SCALE, y)) {
            if let Some(byte) = row.get_mut(x / 8) {
                *byte &= !(0x80 >> (x % 8));
            }
        }
        for _ in 0..SCALE {
            pixels.extend_from_slice(&row);
        }
    }
    written(side, &pixels).map_err(|e| Error::internal("drawing a QR code", e))
}

fn written(side: usize, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let side = u32::try_from(side).unwrap_or(u32::MAX);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

/// The PNG as a data URL.
pub(crate) fn data_url(text: &str) -> Result<String, Error> {
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png(text)?)))
}

/// Half blocks, two modules per character, light modules drawn: for terminals with a dark background.
pub(crate) fn half_blocks(text: &str) -> Result<String, Error> {
    let code = encode(text, EcLevel::L)?;
    let mut drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    drawn.push('\n');
    Ok(drawn)
}

fn encode(text: &str, level: EcLevel) -> Result<QrCode, Error> {
    QrCode::with_error_correction_level(text, level).map_err(|e| Error::internal("encoding a QR code", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "2@fictitious,reference,of,a,pairing,code==,1555010";

    #[test]
    fn the_png_is_square_and_has_a_quiet_zone() {
        let file = png(TEXT).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let (width, height) = (reader.info().width, reader.info().height);
        assert_eq!(width, height);
        assert_eq!(width as usize % SCALE, 0);
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let row = (width as usize).div_ceil(8);
        assert!(pixels[..row * SCALE * QUIET].iter().all(|b| *b == 0xff), "quiet zone on top");
        let first = &pixels[row * SCALE * QUIET..][..row];
        // The finder pattern: seven dark modules after four light ones.
        assert_eq!((first[3], first[4], first[10], first[11]), (0xff, 0, 0, 0xff));
    }

    #[test]
    fn text_and_data_url_carry_the_code() {
        assert!(data_url(TEXT).unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        let text = half_blocks(TEXT).unwrap();
        let widths: Vec<_> = text.lines().map(|l| l.chars().count()).collect();
        assert!(widths.len() > 10 && widths.iter().all(|w| *w == widths[0]), "{text}");
        assert!(text.contains('█') && text.contains('▀'));
    }

    #[test]
    fn what_fits_no_code_is_an_error() {
        assert!(png(&"x".repeat(10_000)).is_err());
    }
}
