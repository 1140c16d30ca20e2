//! The types of the REST core: requests, views, events, pages and problem codes of `/v1`.
//!
//! The gateway's listener, its event writer and its clients use the same types, so that the JSON is declared once. Ids are
//! texts here and points in time are [`Timestamp`]s; what they must look like is checked by the gateway. Invariant: this crate
//! depends on serde and serde_json alone, and with the feature `openapi` on utoipa for the schemas.

mod analytics;
mod audit;
mod bounded;
mod contact;
mod delivery;
mod device;
mod event;
mod group;
mod key;
mod media;
mod member;
mod message;
mod page;
mod plugin;
pub mod problem;
mod server;
mod timestamp;
mod user;
mod webhook;

pub use analytics::DayCounts;
pub use audit::{AuditAction, AuditEntry};
pub use bounded::{BoundedMap, BoundedVec};
pub use contact::{
    BlockedContacts, CONTACTS_CHECKED_MAX, CheckContacts, CheckedContact, CheckedContacts, Person, PictureUrl,
};
pub use delivery::{Attempt, Delivery, DeliveryState, DeliveryWithAttempts, ReplaySpan, Replayed};
pub use device::{
    Device, DevicePatch, DeviceState, MadeDevice, NewDevice, NewDeviceWebhook, PairingCode, PairingPhone, QrCode,
    QrFormat, REFS_MAX, Resources, StateReason, Wanted,
};
pub use event::{Event, EventPage, EventType, TestEvent, TestOutcome, WebhookDisabled, WebhookTest};
pub use group::{
    GROUP_MEMBERS_MAX, Group, GroupChanged, GroupInvite, GroupMember, GroupMembers, GroupPatch, GroupRole, InviteCode,
    JoinRequest, JoinRequests, JoinedGroup, MadeGroup, MemberAddMode, MemberResult, MemberResults, NewGroup,
};
pub use key::{AccessKey, KeyFormat, KeyText, MadeKey, NewKey, SCOPES_MAX, Scope};
pub use media::{
    Media, MediaContent, MediaLink, MediaOrigin, MediaRef, MessageMedia, NewMedia, NewMediaContent, media_link_path,
    message_media_path,
};
pub use member::{MEMBER_DEVICES_MAX, Member, MemberChange, MemberChanged, MemberPatch, NewMember};
pub use message::{
    BUTTONS_MAX, Button, Buttons, CONTACTS_MAX, CONTENT_FIELDS_MAX, CalendarEvent, Change, Contact, Content, Degrees,
    Direction, LIST_ROWS_MAX, LinkPreview, ListMenu, ListRow, ListSection, LiveLocation, Location, MENTIONS_MAX,
    Message, MessageChange, MessagePatch, MessageStatus, NewContent, NewForward, NewLinkPreview, NewMessage, NewPin,
    NewReaction, POLL_OPTIONS_MAX, Party, Poll, PollResult, Quoted, Reaction, Referral, SendFailure, StatusTimes, Vote,
};
pub use page::Page;
pub use plugin::{
    AUDIENCE_MAX, DecidedBy, EffectiveGrant, EffectivePlugin, GRANTS_MAX, Grant, Granted, Hook, Mount,
    NewPluginEnablement, OnFailure, Origin, Plugin, PluginEnablement, PluginEnablementPatch, PluginOffer,
    PluginOfferPatch, PluginVersion, Switch,
};
pub use problem::{Problem, ProblemCode};
pub use server::{Health, Part, PartStatus, Version};
pub use timestamp::Timestamp;
pub use user::{LoggedIn, Login, MadeTenant, NewTenant, Role, SignUp, SignedUp, Tenant, User, UserPatch};
pub use webhook::{EVENTS_MAX, HEADERS_MAX, MadeWebhook, NewWebhook, Webhook, WebhookPatch, WebhookState};
