//! The body of a request that installs a plugin.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use portico_api::ProblemCode;

use crate::api::App;
use crate::problem::Problem;

/// A WebAssembly component, as it was sent.
pub(crate) struct Component(pub(crate) Vec<u8>);

impl FromRequest<App> for Component {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().unwrap_or_default().trim() != "application/wasm" {
            let why = "this route takes a component; send its bytes with `Content-Type: application/wasm`";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, why).about("Content-Type"));
        }
        // The middleware has read it within the limit already.
        Ok(Self(to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default().into()))
    }
}
