//! The import `assume`: credentials that stand in a request's body or path.

use portico_core::ports::plugins::Grant;
use wasmtime::component::{HasSelf, Linker};

use super::{Capability, Uses};
use crate::bindings::assume as wit;
use crate::guest::Guest;

/// The capability.
pub(crate) struct Assume;

impl Capability for Assume {
    const INTERFACE: &'static str = "assume";
    const GRANT: Option<Grant> = Some(Grant::Assume);
    type State = Uses;

    fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
    }
}

impl wit::Host for Guest {
    async fn key(&mut self, key: String) -> wasmtime::Result<Result<(), wit::AssumeError>> {
        Ok(self.services.assume(&mut self.call, &key).await.map_err(Into::into))
    }
}

/// Why a guest may not act for somebody.
pub(crate) enum Refusal {
    /// The grant is missing, or the hook serves no request.
    Denied(String),
    /// The key is unknown, expired or revoked.
    Unknown,
    /// Too many bad ones came from the same address, or in the same call.
    TooMany,
}

impl From<Refusal> for wit::AssumeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(why) => Self::Denied(why),
            Refusal::Unknown => Self::Unknown,
            Refusal::TooMany => Self::TooMany,
        }
    }
}
