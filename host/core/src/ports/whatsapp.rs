//! The port to WhatsApp, split by area: what the core asks of it ([`Sessions`], [`Messages`], [`Contacts`], [`Groups`], [`Files`]) and what it
//! tells the core ([`Inbox`]).
//!
//! How it grows: a new area (labels, …) is a file with one trait here, which is added to [`WhatsApp`] and to the fake
//! of `core::testing`. What a caller wants to send, what is stored and what an API shows are three different types:
//! [`OutgoingContent`], [`crate::model::message::Content`] and the views of the API.

mod contacts;
mod files;
mod groups;
mod inbox;
mod messages;
mod session;

pub use contacts::{Contacts, PictureSize};
pub use files::{Files, Picture, RemoteMedia};
pub use groups::{Groups, Named, NewGroup, Renew};
pub use inbox::{Account, Fact, Inbox, Incoming, IncomingChange, ReceiptKind, Step};
pub use messages::{Messages, Outgoing, OutgoingContent, OutgoingMedia, SentReceipt};
pub use session::{CLOSE_TIMEOUT, DeviceLock, LOCK_TIMEOUT, PairingCode, QrCode, Resources, Sessions};

/// Everything the core asks of WhatsApp. Implemented by whatever implements the areas.
pub trait WhatsApp: Sessions + Messages + Contacts + Groups + Files {}

impl<T: Sessions + Messages + Contacts + Groups + Files> WhatsApp for T {}
