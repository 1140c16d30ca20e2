//! Unmodified clients against a sandbox over loopback. They differ from real use in one thing: they skip the check of
//! the certificate's root, which is ours.

mod admin;
mod chat;
mod load;
mod offline;
mod pairing;
mod restart;

/// What a test returns; any failure is one.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;
