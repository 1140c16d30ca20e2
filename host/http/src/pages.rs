//! Pages for people: landing, documentation, problem codes, and the frame of the QR page. They are static and load nothing
//! from other hosts; data they show is fetched with the reader's own key.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use portico_api::ProblemCode;

use crate::api::App;
use crate::problem::Problem;

const FRAME: &str = include_str!("../assets/frame.html");
const LANDING: &str = include_str!("../assets/landing.html");
const DOCS: &str = include_str!("../assets/docs.html");
const QR: &str = include_str!("../assets/qr.html");

/// Files that pages refer to.
const ASSETS: [(&str, &str, &str); 3] = [
    ("portico.css", "text/css; charset=utf-8", include_str!("../assets/portico.css")),
    ("docs.js", "text/javascript; charset=utf-8", include_str!("../assets/docs.js")),
    ("qr.js", "text/javascript; charset=utf-8", include_str!("../assets/qr.js")),
];

/// The content policy: scripts, styles and requests of this host only; pictures also from data URLs (the QR code); no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of all pages except the QR page, which has the same path as its picture.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async |State(app): State<App>| page(&app, "Portico", LANDING, "")))
        .route("/docs", get(async |State(app): State<App>| page(&app, "API · Portico", DOCS, "docs.js")))
        .route("/docs/problems", get(async |State(app): State<App>| page(&app, "Problems · Portico", &problems(), "")))
        .route("/docs/assets/{file}", get(asset))
}

/// The frame of the QR page; it holds nothing secret.
pub(crate) fn qr(app: &App) -> Response {
    page(app, "Link a device · Portico", QR, "qr.js")
}

fn page(app: &App, title: &str, body: &str, script: &str) -> Response {
    let banner = app.config.sandbox_banner.as_deref().map(|text| format!("<p class=\"banner\">{}</p>", escaped(text)));
    let script = if script.is_empty() {
        String::new()
    } else {
        format!("<script src=\"/docs/assets/{script}\" defer></script>")
    };
    let html = FRAME
        .replace("{{title}}", title)
        .replace("{{banner}}", &banner.unwrap_or_default())
        .replace("{{script}}", &script)
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{body}}", body);
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ];
    (headers, html).into_response()
}

fn problems() -> String {
    let mut rows = String::from(
        "<h1>Problems</h1><p class=\"lead\">What the <code>code</code> of an error means and what to do.</p><dl class=\"problems\">",
    );
    for code in ProblemCode::ALL {
        rows.push_str(&format!(
            "<div id=\"{code}\"><dt><code>{code}</code> <span class=\"status\">{status}</span></dt><dd><strong>{title}.</strong> {advice}</dd></div>",
            status = code.status(),
            title = marked(code.title()),
            advice = marked(code.advice()),
        ));
    }
    rows.push_str("</dl>");
    rows
}

async fn asset(Path(file): Path<String>) -> Response {
    match ASSETS.iter().find(|(name, ..)| *name == file) {
        Some((_, kind, text)) => ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response(),
        None => Problem::no_route().into_response(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in backticks, as HTML.
fn marked(text: &str) -> String {
    let parts = escaped(text);
    let mut html = String::with_capacity(parts.len());
    for (i, part) in parts.split('`').enumerate() {
        if i > 0 {
            html.push_str(if i % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(part);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_a_page_is_fetched_from_elsewhere_or_inline() {
        for text in [FRAME, LANDING, DOCS, QR, ASSETS[0].2] {
            for forbidden in ["http://", "https://", "<script>", " style=", " onclick=", "@import", "url("] {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn codes_stand_where_problems_point_to() {
        let page = problems();
        assert!(page.contains("id=\"device_not_ready\""));
        assert!(page.contains("<code>state</code>") && !page.contains('`'));
    }

    #[test]
    fn a_banner_cannot_bring_markup() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
