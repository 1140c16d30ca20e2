//! What plugins do, one file per hook: the core's nouns on the way in, checked answers on the way out.

pub(crate) mod dialect;
pub(crate) mod pacing;
pub(crate) mod webhook_format;
