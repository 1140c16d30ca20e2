//! A WhatsApp network on loopback: real clients pair with it, log in to it and chat over it, end-to-end encrypted.
//!
//! What it is for: tests and trials of the gateway without an account, a phone or the internet. [`Sandbox::start`]
//! opens two listeners: the network (WebSocket `/ws/chat` and the media host) and the admin API that drives virtual
//! phones. A [`Phone`] is the primary device of an account, with its own Signal identity; it scans QR texts, types
//! pairing codes, writes, reads and goes offline like a person's phone.
//!
//! What it leaves to others: everything a client does. It depends on nothing else of this repository, and the
//! protocol comes from the `whatsapp-rust` building blocks.
//!
//! Invariants: it dials nothing and binds loopback only; the server never looks inside a message; every request is
//! answered, an unknown one with error 501; every queue has a named limit ([`Limits`]); a stanza that must arrive
//! stays in its device's queue until that device acknowledges it.

mod account;
mod admin;
mod app_state;
mod bytes_text;
mod channels;
mod clock;
mod config;
mod connection;
mod directory;
mod error;
mod faults;
mod groups;
mod identity;
mod iq;
mod keys;
mod mailbox;
mod media_host;
mod network;
mod pairing;
mod persist;
mod phone;
mod pictures;
mod relay;
mod sandbox;
mod stanza;
mod sync;
mod tls;
mod tokens;
mod trust;

pub use config::{Config, Limits};
pub use error::Error;
pub use faults::restriction::{Capping, CappingStatus, Restriction};
pub use faults::{ActiveFault, Effect, Fault, Place};
pub use pairing::Paired;
pub use phone::app_state::AppStateEntry;
pub use phone::chat_settings::ChatSetting;
pub use phone::content::{Around, Written};
pub use phone::event::{Change, PhoneEvent, Presence, Typing};
pub use phone::groups::GroupChange;
pub use phone::handle::Phone;
pub use phone::inbox::{InboxEntry, SentRecord};
pub use phone::media::{Media, MediaKind};
pub use phone::report::DeviceReport;
pub use phone::script::{Rule, Script};
pub use phone::troubles::LinkEnd;
pub use sandbox::Sandbox;
pub use tokens::Traits;

/// The host name handed out in `media_conn`. It resolves nowhere: a client maps it to [`Sandbox::media_base`].
pub const MEDIA_HOST: &str = "media.sandbox.invalid";
