//! The types of the REST core: requests, views, events, pages and problem codes of `/v1`.
//!
//! The gateway's listener, its event writer and its clients use the same types, so that the JSON is declared once. Ids are
//! texts here and points in time are [`Timestamp`]s; what they must look like is checked by the gateway. Invariant: this crate
//! depends on serde alone, and with the feature `openapi` on utoipa for the schemas.

mod bounded;
mod delivery;
mod device;
mod event;
mod key;
mod media;
mod message;
mod page;
mod plugin;
pub mod problem;
mod server;
mod timestamp;
mod webhook;

pub use bounded::{BoundedMap, BoundedVec};
pub use delivery::{Attempt, Delivery, DeliveryState, DeliveryWithAttempts, ReplaySpan, Replayed};
pub use device::{
    Device, DeviceName, DeviceState, PairingCode, PairingPhone, QrCode, QrFormat, Resources, StateReason, Wanted,
};
pub use event::{Event, EventPage, EventType, TestEvent, WebhookDisabled, WebhookTest};
pub use key::{AccessKey, KeyFormat, MadeKey, NewKey, SCOPES_MAX, Scope};
pub use media::{
    Media, MediaContent, MediaOrigin, MediaRef, MessageMedia, NewMedia, NewMediaContent, message_media_path,
};
pub use message::{
    CONTENT_FIELDS_MAX, Content, Direction, Message, MessageStatus, NewContent, NewMessage, Party, SendFailure,
    StatusTimes,
};
pub use page::Page;
pub use plugin::{Grant, Granted, Hook, Mount, Plugin};
pub use problem::{Problem, ProblemCode};
pub use server::{Health, Part, PartStatus, Version};
pub use timestamp::Timestamp;
pub use webhook::{EVENTS_MAX, HEADERS_MAX, MadeWebhook, NewWebhook, Webhook, WebhookPatch, WebhookState};
