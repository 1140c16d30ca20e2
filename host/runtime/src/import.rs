//! What guests may import, one file per capability. Whether a plugin may use one is decided in `services`.

pub(crate) mod log;
pub(crate) mod rest;
