//! The page in the browser: phones side by side. It speaks the admin API like any script.
//!
//! The API has no password, so a page of somebody else must not drive it: a browser's request from another origin is
//! refused, and so is one whose host is not this machine, which a name can be made to point at.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

const PAGE: &str = include_str!("../../assets/page.html");
const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/script.js");
/// Everything comes from here; pictures may also be shown from memory.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'";

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

/// `GET /` and `GET /page`
pub(super) async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

/// `GET /page/style.css`
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /page/script.js`
pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// Refuses what a browser sends on behalf of another page. Scripts send none of these headers.
pub(super) async fn own_pages_only(request: Request, next: Next) -> Response {
    if is_foreign(request.headers()) {
        return Problem::foreign().into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let origin = text(header::ORIGIN);
    if site.is_none() && origin.is_none() {
        return false;
    }
    let foreign_origin = origin.is_some_and(|origin| origin.split_once("://").map(|(_, rest)| rest) != Some(host));
    let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    foreign_origin || foreign_site || !is_this_machine(host)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl Problem {
    fn foreign() -> Self {
        let detail = "a web page of another origin may not drive the sandbox: open the page of the sandbox itself";
        Self::with(StatusCode::FORBIDDEN, "foreign_origin", detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_its_own_page_and_scripts_come_in() {
        assert!(!is_foreign(&headers(&[("host", "sandbox")])));
        assert!(!is_foreign(&headers(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")])));
        assert!(!is_foreign(&headers(&[("host", "localhost:8080"), ("sec-fetch-site", "same-origin")])));
        assert!(is_foreign(&headers(&[("host", "127.0.0.1:8080"), ("origin", "http://example.test")])));
        assert!(is_foreign(&headers(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")])));
        assert!(is_foreign(&headers(&[("host", "rebound.test:8080"), ("origin", "http://rebound.test:8080")])));
    }
}
