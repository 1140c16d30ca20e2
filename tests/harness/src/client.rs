//! A small REST client: JSON in, JSON out, any status.

use reqwest::Method;
use serde_json::Value;

/// Speaks to one gateway with one key.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body, if it was JSON.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The answer itself, if the status is that one.
    ///
    /// # Panics
    /// When it is another; the body is in the message.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A text at a JSON pointer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn str(&self, pointer: &str) -> String {
        match self.json.pointer(pointer).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => panic!("no text at {pointer} in {}", self.text),
        }
    }
}

impl Client {
    /// A client of the gateway at `base`, such as `http://127.0.0.1:3000`.
    ///
    /// # Panics
    /// When no TLS provider can be set up.
    pub fn new(base: impl Into<String>, key: Option<String>) -> Self {
        // Another client of this process may have installed it before; either way there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, base: base.into(), key }
    }

    /// The same gateway with another key.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The gateway's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request that can still be changed.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When there is no answer at all.
    pub async fn send(request: reqwest::RequestBuilder) -> Answer {
        Self::try_send(request).await.expect("an answer")
    }

    /// Sends a request; `Err` when there is no answer, as from a gateway that was killed.
    ///
    /// # Errors
    /// What the HTTP client says.
    pub async fn try_send(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(k, v)| (k.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let text = response.text().await?;
        Ok(Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null), text })
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request(Method::POST, path).json(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request(Method::PUT, path).json(&body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// `POST` without a body.
    pub async fn act(&self, path: &str) -> Answer {
        Self::send(self.request(Method::POST, path)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path)).await
    }
}
