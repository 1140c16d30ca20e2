//! A dialect as a table: a documented API of another system, whose routes are rows of data.
//!
//! A type that implements [`Dialect`] is an `http-handler`: its rows become the routes the host matches, and one interpreter
//! runs them. Most rows say which request of the REST core they are; what is more than that is a function. Parameters of
//! paths, good answers and errors are translated in one place each.
//!
//! ```
//! use portico_sdk::dialect::{Dialect, Fault, Good, Route, get, post};
//! use portico_sdk::http::Response;
//! use serde_json::json;
//!
//! struct Lamps;
//!
//! impl Dialect for Lamps {
//!     const ROUTES: &'static [&'static [Route<Self>]] = &[&[
//!         get("/lamps/{lamp}").calls("GET", "/v1/devices/{lamp}"),
//!         post("/lamps/{lamp}/off").calls("POST", "/v1/devices/{lamp}/disconnect").says("It is dark"),
//!     ]];
//!     const AUTH: &'static [&'static [&'static str]] = &[&["x-api-key"]];
//!
//!     fn param(_: &str, text: &str) -> Result<String, Fault> {
//!         Ok(text.to_owned())
//!     }
//!
//!     fn good(good: Good) -> Response {
//!         Response::json(200, &json!({ "ok": true, "lamp": good.data }))
//!     }
//!
//!     fn bad(fault: &Fault) -> Response {
//!         Response::json(fault.status, &json!({ "ok": false, "why": fault.detail }))
//!     }
//! }
//! ```

mod call;
mod fault;
#[cfg(not(target_arch = "wasm32"))]
pub mod fixtures;
mod route;
mod run;
pub mod socket;

use serde_json::Value;

use crate::http::Response;

pub use call::Call;
pub use fault::Fault;
pub use route::{Action, Core, Field, Route, Shape, copied, delete, field, get, patch, post, put};

/// A documented API, translated to the REST core.
pub trait Dialect: Sized + 'static {
    /// Every endpoint of the document, by section.
    const ROUTES: &'static [&'static [Route<Self>]];

    /// The sets of headers with credentials of which a route needs one, unless it says otherwise.
    const AUTH: &'static [&'static [&'static str]];

    /// A path's parameter as the REST core names the thing, such as a device's id. The error is what this API answers for a
    /// text that can't be one.
    fn param(name: &str, text: &str) -> Result<String, Fault>;

    /// A good answer of a row.
    fn good(good: Good) -> Response;

    /// An error, whoever found it: the REST core, the host, the interpreter or a row's own function.
    fn bad(fault: &Fault) -> Response;
}

/// A good answer before it has its envelope.
#[derive(Clone, Debug, Default)]
pub struct Good {
    /// What was asked for.
    pub data: Option<Value>,
    /// What the document says to people.
    pub says: Option<&'static str>,
}
