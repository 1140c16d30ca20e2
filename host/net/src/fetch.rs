//! Fetching a file: a `GET` that follows a few redirects, and the bytes as they come.
//!
//! Every URL on the way is checked like the first, and every name when the connection is made. No credentials are sent.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use portico_core::error::{Error, Result};
use portico_core::ports::blobs::ByteSource;
use portico_core::ports::outbound::{Fetched, OutboundError};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::client::Client;
use crate::failure;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

pub(crate) async fn fetch(client: &Client, url: &str, timeout: Duration) -> Result<Fetched, OutboundError> {
    let deadline = Instant::now() + timeout;
    let mut url = client.parse(url)?;
    for _ in 0..=REDIRECTS_MAX {
        let request = client.http.get(url.clone()).header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity").send();
        let sent = timeout_at(deadline, request).await.map_err(|_| OutboundError::Timeout(timeout))?;
        let response = sent.map_err(|e| failure::of_request(&e, client.connect_timeout))?;
        match response.status() {
            StatusCode::OK => return Ok(fetched(response, &url, deadline, timeout)),
            status if status.is_redirection() => url = next(client, &url, response.headers())?,
            status => return Err(OutboundError::Status(status.as_u16())),
        }
    }
    Err(OutboundError::Redirects)
}

/// Where a redirect leads. From an encrypted connection it may not lead to one that is not.
fn next(client: &Client, from: &Url, headers: &HeaderMap) -> Result<Url, OutboundError> {
    let location = text(headers, &LOCATION).ok_or(OutboundError::Redirects)?;
    let to = from.join(location).map_err(|_| OutboundError::Redirects)?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(OutboundError::Redirects);
    }
    client.parse(to.as_str())
}

fn fetched(response: Response, url: &Url, deadline: Instant, timeout: Duration) -> Fetched {
    let headers = response.headers();
    let media_type = text(headers, &CONTENT_TYPE).map(str::to_owned);
    let named = text(headers, &CONTENT_DISPOSITION).and_then(file_name);
    let last = url.path_segments().and_then(|mut segments| segments.next_back());
    // An encoded name would be shown with its percent signs.
    let file_name = named.or(last.filter(|name| name.contains('.') && !name.contains('%'))).map(str::to_owned);
    Fetched { media_type, file_name, source: Box::new(Body { response, deadline, timeout }) }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The name in `attachment; filename="pier.jpg"`.
fn file_name(disposition: &str) -> Option<&str> {
    let mut parts = disposition.split(';').map(str::trim);
    let name = parts.find_map(|part| part.strip_prefix("filename="))?.trim_matches('"');
    (!name.is_empty()).then_some(name)
}

/// The bytes of an answer.
struct Body {
    response: Response,
    deadline: Instant,
    timeout: Duration,
}

#[async_trait]
impl ByteSource for Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let failed = |error: OutboundError| Error::Refused {
            code: "media_url_failed",
            why: format!("the URL gave no whole file: {error}"),
        };
        loop {
            let chunk = timeout_at(self.deadline, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| failed(OutboundError::Timeout(self.timeout)))?;
            match chunk.map_err(|_| failed(OutboundError::Other("the connection broke off".to_owned())))? {
                Some(piece) if piece.is_empty() => {}
                other => return Ok(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_download_is_found() {
        assert_eq!(file_name("attachment; filename=\"pier.jpg\""), Some("pier.jpg"));
        assert_eq!(file_name("inline; filename=pier.jpg"), Some("pier.jpg"));
        assert_eq!(file_name("inline"), None);
    }
}
