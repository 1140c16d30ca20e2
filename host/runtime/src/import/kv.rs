//! The import `kv`: values that a plugin keeps, per tenant and device. Limits on keys and values are the core's.

use std::sync::Arc;
use std::time::Duration;

use portico_core::Error;
use portico_core::ports::plugins::{Grant, KvScope, PluginKv};
use wasmtime::component::{HasSelf, Linker};

use super::{Capability, Uses};
use crate::bindings::kv as wit;
use crate::guest::Guest;

/// The capability.
pub(crate) struct Kv;

impl Capability for Kv {
    const INTERFACE: &'static str = "kv";
    const GRANT: Option<Grant> = Some(Grant::Kv);
    type State = Uses;

    fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
    }
}

/// What a function of the import comes to.
type Answer<T> = wasmtime::Result<Result<T, wit::KvError>>;

impl Guest {
    /// The values of a scope, if the call may use them.
    fn values(&mut self, scope: wit::Scope) -> Result<(Arc<dyn PluginKv>, KvScope), wit::KvError> {
        let device = match scope {
            wit::Scope::Tenant => None,
            wit::Scope::Device(id) => {
                let not_an_id = |e: Error| wit::KvError::Invalid(e.to_string());
                Some(id.parse().map_err(not_an_id)?)
            }
        };
        self.services.kv(&mut self.call, device)
    }

    /// Does what waits for the database, without holding the call's place.
    async fn waiting<T>(&mut self, work: impl Future<Output = portico_core::Result<T>>) -> Result<T, wit::KvError> {
        self.call.away(work).await.map_err(refused)
    }
}

impl wit::Host for Guest {
    async fn get(&mut self, scope: wit::Scope, key: String) -> Answer<Option<wit::Entry>> {
        let (kv, scope) = match self.values(scope) {
            Ok(values) => values,
            Err(refused) => return Ok(Err(refused)),
        };
        let found = self.waiting(kv.get(&scope, &key)).await;
        Ok(found.map(|found| found.map(|kept| wit::Entry { value: kept.value, version: kept.version })))
    }

    async fn set(
        &mut self,
        scope: wit::Scope,
        key: String,
        value: Vec<u8>,
        expect: Option<u32>,
        ttl: Option<u32>,
    ) -> Answer<u32> {
        let (kv, scope) = match self.values(scope) {
            Ok(values) => values,
            Err(refused) => return Ok(Err(refused)),
        };
        let ttl = ttl.map(|ms| Duration::from_millis(ms.into()));
        Ok(self.waiting(kv.set(&scope, &key, value, expect, ttl)).await)
    }

    async fn delete(&mut self, scope: wit::Scope, key: String) -> Answer<bool> {
        let (kv, scope) = match self.values(scope) {
            Ok(values) => values,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(self.waiting(kv.delete(&scope, &key)).await)
    }

    async fn keys(&mut self, scope: wit::Scope, prefix: String, after: String, limit: u32) -> Answer<Vec<String>> {
        let (kv, scope) = match self.values(scope) {
            Ok(values) => values,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(self.waiting(kv.list(&scope, &prefix, &after, limit)).await)
    }
}

/// The core's error in the words of the import.
fn refused(error: Error) -> wit::KvError {
    let text = error.to_string();
    match error {
        Error::TooLarge { .. } => wit::KvError::TooLarge(text),
        Error::Conflict { .. } => wit::KvError::Conflict(text),
        Error::Invalid { .. } | Error::NotFound { .. } | Error::Gone { .. } => wit::KvError::Invalid(text),
        Error::Unauthenticated { .. }
        | Error::Forbidden { .. }
        | Error::NotReady { .. }
        | Error::Unsupported { .. }
        | Error::Timeout { .. }
        | Error::Refused { .. } => wit::KvError::Denied(text),
        Error::Busy { .. } | Error::Unavailable { .. } | Error::Internal { .. } => {
            tracing::warn!(error = %text, "a value of a plugin could not be read or written");
            wit::KvError::Unavailable(text)
        }
    }
}
