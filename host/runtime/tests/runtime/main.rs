//! The runtime with real components: the gateway's own plugins, and guests that misbehave.
//!
//! Components are built on demand by `portico-pack` from the sources in this tree, so the tests always run what is written.

mod dialect;
mod enablements;
mod hostile;
mod install;
mod own_plugins;
mod support;
