//! A server on loopback with one file, for gateways that fetch.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

/// Serves one file at `/file/…`, sends `/moved` there, `/away` to an address nobody should reach and `/round` to itself;
/// everything else is not found.
pub struct FileServer {
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

struct File {
    bytes: Bytes,
    media_type: &'static str,
}

impl FileServer {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(bytes: impl Into<Bytes>, media_type: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new()
            .route("/file/{name}", get(file))
            .route("/moved", get(async || redirect("/file/pier.png")))
            .route("/away", get(async || redirect("http://10.0.0.1/pier.png")))
            .route("/round", get(async || redirect("/round")))
            .with_state(Arc::new(File { bytes: bytes.into(), media_type }));
        let serving = tokio::spawn(async move {
            // Ends with the test.
            let _ = axum::serve(listener, app).await;
        });
        Self { address, serving }
    }

    /// A URL of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn file(State(file): State<Arc<File>>) -> Response {
    ([(CONTENT_TYPE, file.media_type)], file.bytes.clone()).into_response()
}

fn redirect(to: &'static str) -> Response {
    (StatusCode::FOUND, [(LOCATION, to)]).into_response()
}
