//! One request of a dialect's client, as a row's function sees it.

use std::marker::PhantomData;

use portico_api::ProblemCode;
use serde::de::DeserializeOwned;

use super::{Dialect, Fault};
use crate::Context;
use crate::gateway::Gateway;
use crate::http::{AssumeError, BodyError, Caller, Identity, Request, Transport};

/// A request that was matched, with what answers it.
pub struct Call<'a, D> {
    /// The request.
    pub request: &'a Request,
    /// The REST core with the sender's credentials.
    pub gateway: Gateway<'a>,
    /// When it is served, in milliseconds since 1970.
    pub now_ms: u64,
    names: Vec<&'static str>,
    context: &'a Context,
    dialect: PhantomData<D>,
}

impl<'a, D: Dialect> Call<'a, D> {
    pub(super) fn new(
        request: &'a Request,
        core: &'a dyn Transport,
        names: Vec<&'static str>,
        context: &'a Context,
    ) -> Self {
        Self { request, gateway: Gateway::new(core), now_ms: context.now, names, context, dialect: PhantomData }
    }

    /// The settings that hold for the sender's tenant, as a type of the dialect's own.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        self.context.settings().map_err(|e| Fault::new(ProblemCode::Internal, format!("{e:?}")))
    }

    /// A parameter of the path as it came.
    pub fn raw(&self, name: &str) -> &str {
        let at = self.names.iter().position(|known| *known == name);
        at.and_then(|at| self.request.params.get(at)).map_or("", String::as_str)
    }

    /// A parameter of the path as the REST core names the thing.
    pub fn param(&self, name: &str) -> Result<String, Fault> {
        D::param(name, self.raw(name))
    }

    /// The body as JSON of a type of the dialect's own.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        self.request.json()
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.request.query_value(name)
    }

    /// Lets all further requests of the REST core run with the credentials of a key that stands in the path or the body. It
    /// needs the grant `assume`. [`Self::identity`] stays what the headers said.
    pub fn assume(&self, key: &str) -> Result<(), AssumeError> {
        self.gateway.assume(key)
    }

    /// Who asks, as the headers say, whatever was assumed since.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.request.caller {
            Caller::Known(identity) => Some(identity),
            Caller::Nobody => None,
        }
    }
}
