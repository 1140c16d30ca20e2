//! Files on their way out: in parts if the client asks for a part, at the client's pace, and harmless to whoever opens them.
//!
//! What somebody uploaded must not run as a page of this host: browsers neither guess another type (`nosniff`) nor let it do
//! anything (`Content-Security-Policy: sandbox`), and only pictures, films and sounds are shown at all.

mod range;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use portico_core::id::TenantId;
use portico_core::media::{Media, lookup};
use portico_core::ports::blobs::ByteSource;
use portico_core::{Error, OpContext};

use crate::api::App;
use crate::problem::{Problem, RETRY_OVERLOADED};
use crate::quota::Permit;
use portico_api::ProblemCode;
use range::Part;

/// Pictures that browsers show and that can't hold a program.
const SHOWN_IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The answer that is the file, or the part of it that the request asks for.
pub(crate) async fn answer(
    app: &App,
    ctx: &OpContext,
    media: &Media,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", media.digest);
    if text(headers, &IF_NONE_MATCH).is_some_and(|tags| names(tags, &tag)) {
        return Ok(described(StatusCode::NOT_MODIFIED.into_response(), media, &tag));
    }
    // A part of another file than the client has the rest of would be of no use to it.
    let is_same = text(headers, &IF_RANGE).is_none_or(|wanted| wanted == tag);
    let asked = text(headers, &RANGE).filter(|_| is_same);
    let (status, part) = match range::part(asked, media.bytes) {
        Part::Whole => (StatusCode::OK, 0..media.bytes),
        Part::Range(part) => (StatusCode::PARTIAL_CONTENT, part),
        Part::None => return Ok(unsatisfiable(media)),
    };
    let permit = permit(app, ctx.tenant())?;
    let source = lookup::open(ctx, media, part.clone()).await?;
    let mut response = (status, body(source, permit)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, CONTENT_RANGE, format!("bytes {}-{}/{}", part.start, part.end - 1, media.bytes));
    }
    Ok(described(response, media, &tag))
}

/// Counts one more file that is being sent to a client of the tenant, or refuses it.
fn permit(app: &App, tenant: &TenantId) -> Result<Permit<TenantId>, Error> {
    let limit = app.config.downloads_per_tenant.max(1);
    app.downloads.acquire(tenant, limit).ok_or_else(|| {
        let why = format!("{limit} files are being sent to clients of this tenant, the limit");
        Error::Busy { why, retry_after: RETRY_OVERLOADED }
    })
}

/// A body that reads at the client's pace. A file that can't be read any further ends the connection.
fn body(source: Box<dyn ByteSource>, permit: Permit<TenantId>) -> Body {
    let pieces = stream::unfold(Some((source, permit)), |reading| async move {
        let (mut source, permit) = reading?;
        match source.next().await {
            Ok(Some(piece)) => Some((Ok::<Bytes, Error>(piece), Some((source, permit)))),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a file can't be read to its end");
                Some((Err(error), None))
            }
        }
    });
    Body::from_stream(pieces)
}

fn unsatisfiable(media: &Media) -> Response {
    let why = format!("the file has {} bytes and no such part", media.bytes);
    let mut response = Problem::new(ProblemCode::RangeNotSatisfiable, why).about("Range").into_response();
    set(response.headers_mut(), CONTENT_RANGE, format!("bytes */{}", media.bytes));
    response
}

/// Adds what is said of the file whatever part of it is sent.
fn described(mut response: Response, media: &Media, tag: &str) -> Response {
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, media.media_type.clone());
    set(headers, ETAG, tag.to_owned());
    set(headers, CONTENT_DISPOSITION, disposition(media));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // What can't stand in a header is left out.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Whether the file is to be shown or saved, and under which name (RFC 6266).
fn disposition(media: &Media) -> String {
    let kind = &media.media_type;
    let shown = SHOWN_IMAGES.contains(&kind.as_str()) || kind.starts_with("video/") || kind.starts_with("audio/");
    let how = if shown { "inline" } else { "attachment" };
    let Some(name) = &media.file_name else { return how.to_owned() };
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain == *name {
        return format!("{how}; filename=\"{plain}\"");
    }
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{}", encoded(name))
}

/// Characters that a quoted text in a header can hold.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%')
}

/// A name in UTF-8 with all but the plainest bytes encoded (RFC 8187).
fn encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(encode).collect()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a list of tags names this one, or any.
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use portico_core::id::MediaId;
    use portico_core::media::{Digest, MediaOrigin};
    use portico_core::time::UtcMs;

    use super::*;

    fn media(media_type: &str, file_name: Option<&str>) -> Media {
        Media {
            id: MediaId::new(1, 1),
            tenant: TenantId::new(1, 1),
            digest: Digest::new([1; 32]),
            bytes: 10,
            media_type: media_type.to_owned(),
            file_name: file_name.map(str::to_owned),
            origin: MediaOrigin::Upload,
            device: None,
            message: None,
            created_at: UtcMs(0),
            expires_at: UtcMs(0),
        }
    }

    #[test]
    fn only_what_is_harmless_is_shown() {
        for (media_type, how) in [
            ("image/png", "inline"),
            ("video/mp4", "inline"),
            ("image/svg+xml", "attachment"),
            ("text/html", "attachment"),
            ("application/pdf", "attachment"),
        ] {
            assert_eq!(disposition(&media(media_type, None)), how, "{media_type}");
        }
    }

    #[test]
    fn a_name_survives_the_header() {
        assert_eq!(disposition(&media("image/png", Some("pier.png"))), "inline; filename=\"pier.png\"");
        assert_eq!(
            disposition(&media("image/png", Some("caf\u{e9} \"1\".png"))),
            "inline; filename=\"caf_ _1_.png\"; filename*=UTF-8''caf%C3%A9%20%221%22.png"
        );
    }

    #[test]
    fn tags_are_found_in_lists() {
        assert!(names("\"a\", W/\"b\"", "\"b\"") && names("*", "\"b\"") && !names("\"a\"", "\"b\""));
    }
}
