//! Unmodified clients against a sandbox over loopback. They differ from real use in one thing: they skip the check of
//! the certificate's root, which is ours.

mod admin;
mod app_state;
mod browser;
mod chat;
mod faults;
mod groups;
mod load;
mod offline;
mod page;
mod pairing;
mod restart;
mod script;

/// What a test returns; any failure is one.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
