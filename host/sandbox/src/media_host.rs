//! The media host: files as clients uploaded them, still encrypted, by the hash of their content.
//!
//! `POST /mms/{kind}/{token}` stores, with `resume=1` says how much it has, with `file_offset` continues; `GET` of the
//! given path answers, also a range. Bounded in files and bytes, the oldest go first. Not kept over a restart.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::faults::{self, Effect, Place};
use crate::network::Network;
use crate::sync::held;
use crate::{Limits, MEDIA_HOST};

/// Where files are served from.
const PATH_PREFIX: &str = "/v/sandbox/";

#[derive(Default)]
struct Files {
    whole: HashMap<String, Bytes>,
    order: VecDeque<String>,
    bytes: usize,
    /// Interrupted uploads, by token.
    partial: HashMap<String, Bytes>,
    partial_order: VecDeque<String>,
}

/// The stored files.
pub(crate) struct MediaHost {
    files: Mutex<Files>,
    files_max: usize,
    bytes_max: usize,
    /// The name clients are told, with a port when it is not the usual one.
    host: OnceLock<String>,
}

/// Interrupted uploads kept for continuing.
const PARTIAL_MAX: usize = 16;

impl MediaHost {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            files: Mutex::new(Files::default()),
            files_max: limits.media_files_max,
            bytes_max: limits.media_bytes_max,
            host: OnceLock::new(),
        }
    }

    /// Sets the name clients are told; the first one counts.
    pub(crate) fn name(&self, host: String) {
        // Named once, at the start.
        let _ = self.host.set(host);
    }

    /// The name clients are told.
    pub(crate) fn host(&self) -> &str {
        self.host.get().map_or(MEDIA_HOST, String::as_str)
    }

    /// The address of a path, as clients see it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host())
    }

    /// Stores a file and returns its path.
    pub(crate) fn put(&self, token: &str, bytes: Bytes) -> String {
        let mut files = held(&self.files);
        files.bytes += bytes.len();
        match files.whole.insert(token.to_owned(), bytes) {
            Some(old) => files.bytes -= old.len(),
            None => files.order.push_back(token.to_owned()),
        }
        while files.order.len() > self.files_max || (files.bytes > self.bytes_max && files.order.len() > 1) {
            let Some(oldest) = files.order.pop_front() else {
                break;
            };
            if let Some(old) = files.whole.remove(&oldest) {
                files.bytes -= old.len();
            }
        }
        format!("{PATH_PREFIX}{token}")
    }

    /// A file by its path.
    pub(crate) fn get(&self, path: &str) -> Option<Bytes> {
        held(&self.files).whole.get(path.strip_prefix(PATH_PREFIX)?).cloned()
    }

    fn keep_partial(&self, token: &str, bytes: Bytes) {
        let mut files = held(&self.files);
        if files.partial.insert(token.to_owned(), bytes).is_none() {
            files.partial_order.push_back(token.to_owned());
        }
        while files.partial_order.len() > PARTIAL_MAX {
            let Some(oldest) = files.partial_order.pop_front() else {
                break;
            };
            files.partial.remove(&oldest);
        }
    }

    fn partial(&self, token: &str) -> Option<Bytes> {
        held(&self.files).partial.get(token).cloned()
    }

    fn drop_partial(&self, token: &str) {
        let mut files = held(&self.files);
        files.partial.remove(token);
        files.partial_order.retain(|other| other != token);
    }
}

/// The routes of the media host.
pub(crate) fn routes() -> Router<Arc<Network>> {
    Router::new()
        .route("/mms/{kind}/{token}", post(upload))
        .route("/product/image/{token}", post(upload_product))
        .route("/v/sandbox/{token}", get(download))
        .route("/v/pictures/{id}", get(picture))
}

#[derive(Deserialize)]
struct UploadQuery {
    resume: Option<u8>,
    file_offset: Option<usize>,
}

async fn upload_product(
    state: State<Arc<Network>>,
    Path(token): Path<String>,
    query: Query<UploadQuery>,
    body: Body,
) -> Response {
    upload(state, Path(("image".to_owned(), token)), query, body).await
}

async fn upload(
    State(network): State<Arc<Network>>,
    Path((_, token)): Path<(String, String)>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> Response {
    if let Some(status) = struck(&network, Place::MediaPut).await {
        return status.into_response();
    }
    let host = &network.media;
    let path = format!("{PATH_PREFIX}{token}");
    if query.resume == Some(1) {
        return match (host.get(&path), host.partial(&token)) {
            (Some(_), _) => {
                Json(json!({"resume": "complete", "url": host.url(&path), "direct_path": path})).into_response()
            }
            (None, Some(partial)) => Json(json!({"resume": partial.len().to_string()})).into_response(),
            (None, None) => Json(json!({"resume": "0"})).into_response(),
        };
    }
    let mut whole = BytesMut::new();
    if let Some(offset) = query.file_offset {
        match host.partial(&token).filter(|partial| partial.len() >= offset) {
            Some(partial) => whole.extend_from_slice(partial.get(..offset).unwrap_or_default()),
            None => return StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        }
    }
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) if whole.len() + chunk.len() <= network.limits.body_bytes_max => whole.extend_from_slice(&chunk),
            Ok(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => {
                host.keep_partial(&token, whole.freeze());
                return StatusCode::BAD_REQUEST.into_response();
            }
        }
    }
    if BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&whole)) != token.trim_end_matches('=') {
        host.keep_partial(&token, whole.freeze());
        return (StatusCode::BAD_REQUEST, "the token is not the hash of the body").into_response();
    }
    host.drop_partial(&token);
    let path = host.put(&token, whole.freeze());
    Json(json!({"url": host.url(&path), "direct_path": path})).into_response()
}

/// The status a fault makes the media host answer with, after the delay it asks for.
async fn struck(network: &Network, place: Place) -> Option<StatusCode> {
    match faults::delayed(network.faults.strike_media(place)).await? {
        Effect::Refuse(code) => StatusCode::from_u16(code).ok(),
        // A lost answer cannot be shown by HTTP without cutting the connection; a gateway's timeout says the same.
        _ => Some(StatusCode::GATEWAY_TIMEOUT),
    }
}

/// A profile picture, unencrypted.
async fn picture(State(network): State<Arc<Network>>, Path(id): Path<String>) -> Response {
    match network.pictures.get(&id) {
        Some(bytes) => ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn download(State(network): State<Arc<Network>>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    if let Some(status) = struck(&network, Place::MediaGet).await {
        return status.into_response();
    }
    let Some(bytes) = network.media.get(&format!("{PATH_PREFIX}{token}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let Some(asked) = asked else {
        return ([(header::ACCEPT_RANGES, "bytes")], bytes).into_response();
    };
    let total = bytes.len();
    match range(asked, total) {
        Some((first, last)) => {
            let shown = format!("bytes {first}-{last}/{total}");
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, shown)], bytes.slice(first..=last)).into_response()
        }
        None => {
            let shown = format!("bytes */{total}");
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, shown)]).into_response()
        }
    }
}

/// The first and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n` within a file.
fn range(text: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = total.checked_sub(1)?;
    let (first, last) = match (first.trim(), last.trim()) {
        ("", count) => (total.saturating_sub(count.parse().ok().filter(|count| *count > 0)?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(end)),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        assert_eq!(range("bytes=0-3", 10), Some((0, 3)));
        assert_eq!(range("bytes=5-", 10), Some((5, 9)));
        assert_eq!(range("bytes=-4", 10), Some((6, 9)));
        assert_eq!(range("bytes=5-99", 10), Some((5, 9)));
        for wrong in ["bytes=10-", "bytes=4-3", "bytes=-0", "items=0-1", "bytes=x-"] {
            assert_eq!(range(wrong, 10), None, "{wrong}");
        }
        assert_eq!(range("bytes=0-", 0), None);
    }

    #[test]
    fn the_oldest_file_goes_first() {
        let host = MediaHost::new(&Limits { media_files_max: 2, ..Limits::default() });
        let paths = ["a", "b", "c"].map(|token| host.put(token, Bytes::from_static(b"x")));
        assert!(paths.first().is_some_and(|path| host.get(path).is_none()));
        assert!(paths.last().is_some_and(|path| host.get(path).is_some()));
    }
}
