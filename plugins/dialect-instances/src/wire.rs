//! Wire types: this API's names in [`ours`], the REST core's in [`core`], and nothing else.

pub(crate) mod core;
pub(crate) mod ours;
