//! Which request goes where.

mod documented;

use portico_sdk::gateway::Gateway;
use portico_sdk::http::{Request, Response};

use crate::reply::Refusal;
use crate::{auth, instance, message};

/// Serves one request.
pub(crate) fn serve(request: &Request, gateway: &Gateway) -> Result<Response, Refusal> {
    let segments = request.segments();
    let method = request.method.as_str();
    // The one public endpoint among those served.
    if let ("POST", ["api", "auth", "generate-key"]) = (method, segments.as_slice()) {
        return auth::generate_key(request, gateway);
    }
    let documented = documented::NOT_SERVED.iter().any(|(m, path)| *m == method && matches(path, &segments));
    let route = Route::of(method, &segments);
    if route.is_none() && !documented {
        return Err(Refusal::new(404, "Resource not found"));
    }
    if !request.is_authenticated() {
        return Err(Refusal::missing_key());
    }
    match route {
        Some(Route::Create) => instance::create(request, gateway),
        Some(Route::List) => instance::list(gateway),
        Some(Route::Status(id)) => instance::status(id, gateway),
        Some(Route::Qr(id)) => instance::qr(id, gateway),
        Some(Route::Restart(id)) => instance::restart(id, gateway),
        Some(Route::Logout(id)) => instance::logout(id, gateway),
        Some(Route::Delete(id)) => instance::delete(id, gateway),
        Some(Route::SendText) => message::send_text(request, gateway),
        None => Err(Refusal::new(501, "Feature not supported: this gateway does not serve this endpoint yet")),
    }
}

enum Route<'a> {
    Create,
    List,
    Status(&'a str),
    Qr(&'a str),
    Restart(&'a str),
    Logout(&'a str),
    Delete(&'a str),
    SendText,
}

impl<'a> Route<'a> {
    fn of(method: &str, segments: &[&'a str]) -> Option<Self> {
        Some(match (method, segments) {
            ("POST", ["api", "instance", "create"]) => Self::Create,
            ("GET", ["api", "instance"]) => Self::List,
            ("GET", ["api", "instance", id, "status"]) => Self::Status(id),
            ("GET", ["api", "instance", id, "qr"]) => Self::Qr(id),
            ("POST", ["api", "instance", id, "restart"]) => Self::Restart(id),
            ("POST", ["api", "instance", id, "logout"]) => Self::Logout(id),
            ("DELETE", ["api", "instance", id]) => Self::Delete(id),
            ("POST", ["api", "message", "send", "text"]) => Self::SendText,
            _ => return None,
        })
    }
}

/// Whether a path fits a documented one; `{…}` fits any segment.
fn matches(documented: &str, segments: &[&str]) -> bool {
    let wanted: Vec<&str> = documented.split('/').filter(|s| !s.is_empty()).collect();
    wanted.len() == segments.len() && wanted.iter().zip(segments).all(|(w, s)| w.starts_with('{') || w == s)
}

#[cfg(test)]
mod tests;
