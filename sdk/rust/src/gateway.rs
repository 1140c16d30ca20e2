//! The REST core as a dialect uses it: one request, an answer of a known type or a problem.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bindings::portico::plugin::rest::{self, RestError};
use crate::http::{AssumeError, Transport};

/// Items a list asks for at once.
const PAGE_SIZE: usize = 200;
/// Pages of one list at most; one call of the plugin may make only so many requests.
const PAGES_MAX: usize = 25;

/// Requests of the REST core with the credentials of the caller being served.
pub struct Gateway<'a>(&'a dyn Transport);

/// Why a request of the REST core gave no answer of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The REST core said no.
    #[error("{0}")]
    Problem(Problem),
    /// The host did not pass the request on.
    #[error("the host refused the request: {0}")]
    Host(String),
    /// The REST core does not run (yet).
    #[error("the REST core is not available: {0}")]
    Unavailable(String),
    /// The answer is not of the type this plugin was written for.
    #[error("an answer of the REST core is of an unknown shape: {0}")]
    Shape(#[from] serde_json::Error),
}

/// An `application/problem+json` of the REST core.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// The stable code, in snake_case.
    #[serde(default)]
    pub code: String,
    /// What kind of problem it is, for people.
    #[serde(default)]
    pub title: String,
    /// What happened and what to do, for people.
    #[serde(default)]
    pub detail: String,
    /// The field, header or parameter it is about.
    #[serde(default)]
    pub field: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })
    }
}

/// A good answer of the REST core.
#[derive(Debug)]
pub struct Answer {
    /// 200 to 399.
    pub status: u16,
    body: Vec<u8>,
}

impl Answer {
    /// The body as a type of the plugin's own.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CoreError> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl<'a> Gateway<'a> {
    /// The REST core behind a transport.
    pub fn new(transport: &'a dyn Transport) -> Self {
        Self(transport)
    }

    /// `GET` of a path, which carries the query.
    pub fn get(&self, path: &str) -> Result<Answer, CoreError> {
        self.send::<()>("GET", path, None)
    }

    /// `POST` without a body.
    pub fn post_empty(&self, path: &str) -> Result<Answer, CoreError> {
        self.send::<()>("POST", path, None)
    }

    /// `POST` of a JSON body.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, CoreError> {
        self.send("POST", path, Some(body))
    }

    /// `PUT` of a JSON body.
    pub fn put(&self, path: &str, body: &impl Serialize) -> Result<Answer, CoreError> {
        self.send("PUT", path, Some(body))
    }

    /// `PATCH` of a JSON body.
    pub fn patch(&self, path: &str, body: &impl Serialize) -> Result<Answer, CoreError> {
        self.send("PATCH", path, Some(body))
    }

    /// `DELETE` of a path.
    pub fn delete(&self, path: &str) -> Result<Answer, CoreError> {
        self.send::<()>("DELETE", path, None)
    }

    /// `POST` of a message, or of a webhook's test, waiting up to so many seconds for what comes of it.
    pub fn post_waiting(&self, path: &str, body: &impl Serialize, seconds: u32) -> Result<Answer, CoreError> {
        let wait = ("prefer".to_owned(), format!("wait={seconds}"));
        self.with_headers("POST", path, Some(body), vec![wait])
    }

    /// Every item of a list, page by page.
    pub fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CoreError> {
        self.first(path, PAGES_MAX)
    }

    /// The first items of a list, as many as so many requests give; each gives up to 200.
    pub fn first<T: DeserializeOwned>(&self, path: &str, requests: usize) -> Result<Vec<T>, CoreError> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{sign}limit={PAGE_SIZE}");
        let (mut items, mut next) = (Vec::new(), first.clone());
        for _ in 0..requests {
            let page: portico_api::Page<T> = self.get(&next)?.json()?;
            items.extend(page.items);
            let Some(cursor) = page.next else { break };
            next = format!("{first}&cursor={}", segment(&cursor));
        }
        Ok(items)
    }

    /// Makes what follows run with the credentials of `key`, which stood in a body or a path; it needs the grant `assume`.
    pub fn assume(&self, key: &str) -> Result<(), AssumeError> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::portico::plugin::assume::key(key);
        #[cfg(not(target_arch = "wasm32"))]
        self.0.assume(key)
    }

    /// A request of any method, with a JSON body if one is given.
    pub fn send<T: Serialize>(&self, method: &str, path: &str, body: Option<&T>) -> Result<Answer, CoreError> {
        self.with_headers(method, path, body, Vec::new())
    }

    fn with_headers<T: Serialize>(
        &self,
        method: &str,
        path: &str,
        body: Option<&T>,
        mut headers: Vec<(String, String)>,
    ) -> Result<Answer, CoreError> {
        headers.push(("accept".to_owned(), "application/json".to_owned()));
        let body = match body {
            Some(body) => {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                serde_json::to_vec(body)?
            }
            None => Vec::new(),
        };
        let request = rest::Request { method: method.into(), path: path.into(), headers, body };
        let answer = self.0.call(request).map_err(|refused| match refused {
            RestError::Denied(why) | RestError::Invalid(why) | RestError::TooLarge(why) => CoreError::Host(why),
            RestError::Unavailable(why) => CoreError::Unavailable(why),
        })?;
        if (200..400).contains(&answer.status) {
            return Ok(Answer { status: answer.status, body: answer.body });
        }
        let mut problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
        problem.status = answer.status;
        Err(CoreError::Problem(problem))
    }
}

/// A path segment made of text from outside, percent-encoded.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // A dot is encoded too: `..` must not climb.
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(u16, &'static str);

    impl Transport for Says {
        fn call(&self, _: rest::Request) -> Result<rest::Response, RestError> {
            Ok(rest::Response { status: self.0, headers: Vec::new(), body: self.1.as_bytes().to_vec() })
        }
    }

    #[test]
    fn a_problem_keeps_its_code_and_status() {
        let says = Says(409, r#"{"title":"Not ready","code":"device_not_ready","detail":"the device is created"}"#);
        let Err(CoreError::Problem(problem)) = Gateway::new(&says).get("/v1/devices") else { panic!("no problem") };
        assert_eq!((problem.status, problem.code.as_str()), (409, "device_not_ready"));
        assert_eq!(problem.to_string(), "the device is created");
    }

    #[test]
    fn an_answer_that_is_no_problem_json_is_still_a_problem() {
        let Err(CoreError::Problem(problem)) = Gateway::new(&Says(502, "<html>")).get("/v1/devices") else {
            panic!("no problem")
        };
        assert_eq!((problem.status, problem.code.as_str()), (502, ""));
    }

    #[test]
    fn text_from_outside_stays_one_segment() {
        assert_eq!(segment("dev_01"), "dev_01");
        assert_eq!(segment("../keys?x"), "%2E%2E%2Fkeys%3Fx");
    }
}
