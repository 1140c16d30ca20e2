//! Which type a file has: what its first bytes say, and what was declared where they say nothing.
//!
//! A declared type that the bytes contradict is refused: whoever receives the file would be told something wrong about it.

use crate::error::{Error, Result};

/// Characters of a declared type at most (RFC 6838: 127 for each of the two names).
const TYPE_CHARS_MAX: usize = 255;

/// Types that share one container, whose first bytes don't always tell them apart. The first of each is the general one.
const FAMILIES: [&[&str]; 5] = [
    &["video/mp4", "audio/mp4", "video/quicktime", "video/3gpp", "audio/3gpp", "video/3gpp2"],
    &["video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"],
    &["audio/ogg", "video/ogg", "application/ogg"],
    &[
        "application/x-ole-storage",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.ms-outlook",
    ],
    &["audio/mpeg", "video/mpeg"],
];

/// Beginnings of types that are ZIP archives inside.
const ZIPPED: [&str; 6] = [
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
    "application/epub+zip",
    "application/java-archive",
    "application/vnd.android.package-archive",
    "application/vnd.apple.",
];

/// Types whose files always begin in a way that is known.
const ALWAYS_TOLD: [&str; 8] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "application/pdf",
    "application/zip",
    "video/webm",
    "audio/ogg",
];

/// The type of a file that begins with `head`. `Refused` with `media_type_mismatch` when it can't be what was declared.
pub fn media_type(head: &[u8], declared: Option<&str>) -> Result<String> {
    let declared = declared.map(essence).transpose()?.filter(|name| name != "application/octet-stream");
    let told = infer::get(head).map(|kind| canonical(kind.mime_type())).filter(|told| !told.starts_with("text/"));
    match (told, declared) {
        (Some(told), None) => Ok(told.to_owned()),
        (Some(told), Some(declared)) if fits(told, &declared) => Ok(declared),
        (Some(told), Some(declared)) => Err(mismatch(&declared, told)),
        (None, Some(declared)) if ALWAYS_TOLD.contains(&declared.as_str()) => {
            Err(mismatch(&declared, "something else"))
        }
        (None, Some(declared)) => Ok(declared),
        (None, None) if is_text(head) => Ok("text/plain".to_owned()),
        (None, None) => Ok("application/octet-stream".to_owned()),
    }
}

fn mismatch(declared: &str, told: &str) -> Error {
    let why = format!("the file was declared as {declared}, but its bytes are {told}; declare the right type, or none");
    Error::Refused { code: "media_type_mismatch", why }
}

/// The two names of a declared type, without parameters, under their usual spelling.
fn essence(declared: &str) -> Result<String> {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_name = |name: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !name.is_empty() && name.bytes().all(allowed)
    };
    match essence.split_once('/') {
        Some((of, name)) if is_name(of) && is_name(name) && essence.len() <= TYPE_CHARS_MAX => {
            Ok(canonical(&essence).to_owned())
        }
        _ => Err(Error::invalid("media_type", "must be a media type such as image/jpeg")),
    }
}

/// The usual spelling of types that have several.
fn canonical(name: &str) -> &str {
    match name {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "image/x-png" => "image/png",
        "audio/mp3" | "audio/x-mp3" | "audio/mpeg3" | "audio/x-mpeg" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "audio/wav",
        "audio/m4a" | "audio/x-m4a" => "audio/mp4",
        "audio/opus" => "audio/ogg",
        "audio/x-flac" => "audio/flac",
        "audio/x-aac" => "audio/aac",
        "video/x-m4v" => "video/mp4",
        "application/x-zip-compressed" => "application/zip",
        "application/x-pdf" => "application/pdf",
        other => other,
    }
}

/// Whether a file whose bytes say `told` can be what was declared.
fn fits(told: &str, declared: &str) -> bool {
    let same_family = || FAMILIES.iter().any(|family| family.contains(&told) && family.contains(&declared));
    let zipped = || told == "application/zip" && ZIPPED.iter().any(|beginning| declared.starts_with(beginning));
    told == declared || same_family() || zipped()
}

/// Whether it reads as text. The last character may be cut off.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default(),
        Err(_) => return false,
    };
    !valid.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
    const OPUS: &[u8] = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01";
    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0";

    fn of(head: &[u8], declared: Option<&str>) -> Result<String, String> {
        media_type(head, declared).map_err(|e| e.code().to_owned())
    }

    #[test]
    fn the_bytes_tell_the_type() {
        for (head, wanted) in [
            (PNG, "image/png"),
            (JPEG, "image/jpeg"),
            (MP4, "video/mp4"),
            (OPUS, "audio/ogg"),
            (b"%PDF-1.7".as_slice(), "application/pdf"),
            (ZIP, "application/zip"),
            ("caf\u{e9} au lait\n".as_bytes(), "text/plain"),
            (&"\u{e9}".as_bytes()[..1], "text/plain"),
            (b"\x01\x02\x03", "application/octet-stream"),
        ] {
            assert_eq!(of(head, None).as_deref(), Ok(wanted));
            assert_eq!(of(head, Some("application/octet-stream")).as_deref(), Ok(wanted), "says nothing");
        }
    }

    #[test]
    fn what_was_declared_is_more_exact_where_it_fits() {
        for (head, declared, wanted) in [
            (JPEG, "image/jpg", "image/jpeg"),
            (OPUS, "audio/ogg; codecs=opus", "audio/ogg"),
            (MP4, "audio/mp4", "audio/mp4"),
            (
                ZIP,
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            (b"a,b\n1,2\n".as_slice(), "Text/CSV", "text/csv"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "image/svg+xml", "image/svg+xml"),
        ] {
            assert_eq!(of(head, Some(declared)).as_deref(), Ok(wanted), "{declared}");
        }
    }

    #[test]
    fn what_the_bytes_contradict_is_refused() {
        for (head, declared) in
            [(PNG, "image/jpeg"), (b"MZ\x90\0".as_slice(), "image/png"), (b"plain", "application/pdf")]
        {
            assert_eq!(of(head, Some(declared)), Err("media_type_mismatch".to_owned()), "{declared}");
        }
        for declared in ["", "image", "image/", "a b/c", "image/\u{e9}"] {
            assert_eq!(of(PNG, Some(declared)), Err("invalid_request".to_owned()), "{declared}");
        }
    }
}
