//! The import `rest`: requests of the REST core, checked and bounded.

use std::net::IpAddr;

use portico_core::access::Caller;
use portico_core::ports::plugins::{Grant, PluginResponse, Rest, RestRequest};
use wasmtime::component::{HasSelf, Linker};

use super::{Capability, Uses};
use crate::bindings::rest as wit;
use crate::guest::Guest;
use crate::limits::{HEADER_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::validate;

/// The capability.
pub(crate) struct RestCore;

impl Capability for RestCore {
    const INTERFACE: &'static str = "rest";
    const GRANT: Option<Grant> = Some(Grant::Rest);
    type State = Uses;

    fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
    }
}

impl wit::Host for Guest {
    async fn call(&mut self, request: wit::Request) -> wasmtime::Result<Result<wit::Response, wit::RestError>> {
        let wit::Request { method, path, headers, body } = request;
        let answer = self.services.rest(&mut self.call, Request { method, path, headers, body }).await;
        Ok(answer.map(|r| wit::Response { status: r.status, headers: r.headers, body: r.body }).map_err(Into::into))
    }
}

impl From<Refusal> for wit::RestError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(why) => Self::Denied(why),
            Refusal::Invalid(why) => Self::Invalid(why),
            Refusal::TooLarge(why) => Self::TooLarge(why),
            Refusal::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// What a guest asks for.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why the host did not pass it on.
pub(crate) enum Refusal {
    Denied(String),
    Invalid(String),
    TooLarge(String),
    Unavailable(String),
}

/// Headers that say who asks. The caller's credentials are the only ones.
const CREDENTIALS: [&str; 5] = ["authorization", "cookie", "x-api-key", "x-api-token", "proxy-authorization"];

/// The health check, which is not below `/v1/`.
const HEALTH: &str = "/health";

/// On whose behalf a request is made.
pub(crate) struct Sender {
    /// Who it is; `None` when nobody is known.
    pub(crate) caller: Option<Caller>,
    /// Where the request came from that it is part of.
    pub(crate) peer: Option<IpAddr>,
}

/// Checks the request, runs it, and checks that the answer is not too large to hand over.
pub(crate) async fn run(
    rest: &dyn Rest,
    sender: Sender,
    request: Request,
    body_bytes_max: usize,
) -> Result<PluginResponse, Refusal> {
    let request = RestRequest { peer: sender.peer, ..checked(request, body_bytes_max)? };
    let response = rest.call(sender.caller, request).await;
    if response.body.len() > body_bytes_max {
        return Err(Refusal::TooLarge(format!("the answer is larger than {body_bytes_max} bytes")));
    }
    Ok(response)
}

fn checked(request: Request, body_bytes_max: usize) -> Result<RestRequest, Refusal> {
    let Request { method, path, headers, body } = request;
    if !matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
        return Err(Refusal::Invalid("the method must be GET, POST, PUT, PATCH or DELETE".into()));
    }
    check_path(&path)?;
    if body.len() > body_bytes_max {
        return Err(Refusal::TooLarge(format!("the body is larger than {body_bytes_max} bytes")));
    }
    if headers.len() > RESPONSE_HEADERS_MAX {
        return Err(Refusal::Invalid(format!("more than {RESPONSE_HEADERS_MAX} headers")));
    }
    let mut kept = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        validate::check_header(&name, &value, HEADER_BYTES_MAX).map_err(Refusal::Invalid)?;
        if !CREDENTIALS.contains(&name.as_str()) {
            kept.push((name, value));
        }
    }
    Ok(RestRequest { method, path, headers: kept, body, peer: None })
}

/// Inside `/v1/`, without a way out of it, or the health check, which tells everybody the same.
fn check_path(path: &str) -> Result<(), Refusal> {
    if path == HEALTH {
        return Ok(());
    }
    let plain = path.split('?').next().unwrap_or_default();
    let climbs = plain.split('/').any(|s| matches!(s, "." | "..") || s.to_ascii_lowercase().contains("%2e%2e"));
    let ascii = path.bytes().all(|b| b.is_ascii_graphic());
    if !path.starts_with("/v1/") || climbs || !ascii || path.len() > HEADER_BYTES_MAX || path.contains('#') {
        return Err(Refusal::Invalid("the path must start with `/v1/`, be percent-encoded and hold no `..`".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Request {
        Request { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    #[test]
    fn requests_stay_inside_the_rest_core() {
        assert!(checked(request("GET", "/v1/devices?limit=1"), 10).is_ok());
        assert!(checked(request("GET", "/health"), 10).is_ok());
        for path in [
            "/v1",
            "/metrics",
            "/health/../metrics",
            "/v1/../metrics",
            "/v1/%2E%2E/metrics",
            "v1/devices",
            "/v1/a b",
            "/v1/é",
        ] {
            assert!(checked(request("GET", path), 10).is_err(), "{path}");
        }
        assert!(checked(request("CONNECT", "/v1/devices"), 10).is_err());
    }

    #[test]
    fn a_guest_brings_no_credentials_of_its_own() {
        let mut asked = request("GET", "/v1/devices");
        asked.headers = vec![("Authorization".into(), "Bearer x".into()), ("Accept".into(), "text/html".into())];
        let Ok(passed) = checked(asked, 10) else { panic!("refused") };
        assert_eq!(passed.headers, [("accept".to_owned(), "text/html".to_owned())]);
    }

    #[test]
    fn large_bodies_are_refused() {
        let mut asked = request("POST", "/v1/devices");
        asked.body = vec![0; 11];
        assert!(matches!(checked(asked, 10), Err(Refusal::TooLarge(_))));
    }
}
