//! Parameters in paths, typed: a route names the type, which brings ids and documentation along.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use portico_api::ProblemCode;
use portico_core::Error;
use portico_core::access::resolve;
use portico_core::address::Recipient;
use portico_core::contact::person;
use portico_core::group::GroupId;
use portico_core::id::{DeliveryId, DeviceId, KeyId, MediaId, MessageId, TenantId, UserId, WebhookId};
use utoipa::IntoParams;

use crate::api::App;
use crate::problem::Problem;

/// Characters of a wrong id that are repeated to the client.
const ID_CHARS_SHOWN: usize = 40;

/// How a type of id is read from a path. A text that can't be an id is simply not found.
trait PathId: Sized + Send {
    /// The id that `text` stands for; `what` is the noun it is of.
    async fn read(text: &str, what: &'static str, parts: &Parts, app: &App) -> Result<Self, Error>;
}

/// Ids that nothing else can stand for.
macro_rules! read_as_they_are {
    ($($id:ty)*) => {$(
        impl PathId for $id {
            async fn read(text: &str, what: &'static str, _: &Parts, _: &App) -> Result<Self, Error> {
                parse(text, what)
            }
        }
    )*};
}

/// Ids in whose place a number or a name may stand. It is looked for among the things of the caller's tenant, so that it
/// needs a caller.
macro_rules! read_by_reference {
    ($($id:ty)*) => {$(
        impl PathId for $id {
            async fn read(text: &str, what: &'static str, parts: &Parts, app: &App) -> Result<Self, Error> {
                match super::principal(parts).caller() {
                    Some(caller) => resolve(&app.services.ports, caller.tenant(), text).await,
                    None => parse(text, what),
                }
            }
        }
    )*};
}

read_as_they_are! { MessageId DeliveryId MediaId TenantId }
read_by_reference! { DeviceId KeyId UserId WebhookId }

/// A plugin's id. Whether there is such a plugin is for the operation to say.
impl PathId for String {
    async fn read(text: &str, _: &'static str, _: &Parts, _: &App) -> Result<Self, Error> {
        Ok(text.to_owned())
    }
}

/// A group's JID.
impl PathId for GroupId {
    async fn read(text: &str, _: &'static str, _: &Parts, _: &App) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// A person, by number or JID.
pub(crate) struct Person(pub(crate) Recipient);

impl PathId for Person {
    async fn read(text: &str, what: &'static str, _: &Parts, _: &App) -> Result<Self, Error> {
        person(what, text).map(Self)
    }
}

/// A person or a group, by number or JID.
impl PathId for Recipient {
    async fn read(text: &str, what: &'static str, _: &Parts, _: &App) -> Result<Self, Error> {
        Self::parse(what, text)
    }
}

async fn read<T: PathId>(
    params: &[(String, String)],
    name: &str,
    what: &'static str,
    parts: &Parts,
    app: &App,
) -> Result<T, Error> {
    let text = params.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
    T::read(text, what, parts, app).await
}

fn parse<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(ID_CHARS_SHOWN).collect();
        Error::not_found(what, shown)
    })
}

/// Declares the parameters of a path: name, type, noun and documentation of each.
macro_rules! paths {
    ($($(#[$doc:meta])* $path:ident { $($name:ident: $id:ty = $what:literal, $text:literal;)+ })*) => {$(
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Path)]
        pub(crate) struct $path {
            $(
                #[doc = $text]
                #[param(value_type = String)]
                pub(crate) $name: $id,
            )+
        }

        impl FromRequestParts<App> for $path {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                let params = RawPathParams::from_request_parts(parts, app).await;
                let params = params.map_err(|_| Problem::new(ProblemCode::NotFound, "the path is not valid UTF-8"))?;
                let params: Vec<_> = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                Ok(Self { $($name: read(&params, stringify!($name), $what, parts, app).await?),+ })
            }
        }
    )*};
}

paths! {
    /// `…/devices/{id}`
    DevicePath { id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`"; }
    /// `…/devices/{id}/messages/{message}`
    MessagePath {
        id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
        message: MessageId = "message", "The message's id";
    }
    /// `…/devices/{id}/contacts/{contact}`
    ContactPath {
        id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
        contact: Person = "contact", "A phone number, or the JID of a person";
    }
    /// `…/devices/{id}/chats/{chat}`
    ChatPath {
        id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
        chat: Recipient = "chat", "A phone number, or the JID of a person or a group";
    }
    /// `…/devices/{id}/groups/{group}`
    GroupPath {
        id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
        group: GroupId = "group", "The group's JID";
    }
    /// `…/devices/{id}/group-invites/{code}`
    InvitePath {
        id: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
        code: String = "invite", "The code of the invite";
    }
    /// `…/plugins/{id}`
    PluginPath { id: String = "plugin", "The plugin's id"; }
    /// `…/devices/{id}/plugins/{plugin}`
    DevicePluginPath {
        id: DeviceId = "device", "The device's id";
        plugin: String = "plugin", "The plugin's id";
    }
    /// `…/media/{id}`
    MediaPath { id: MediaId = "media", "The id of the file"; }
    /// `…/keys/{id}`
    KeyPath { id: KeyId = "key", "The key's id or `no:<number>`"; }
    /// `…/members/{id}`
    MemberPath { id: UserId = "member", "The member's id or `no:<number>`"; }
    /// `…/members/{id}/devices/{device}`
    MemberDevicePath {
        id: UserId = "member", "The member's id or `no:<number>`";
        device: DeviceId = "device", "The device's id, `no:<number>` or `ref:<namespace>:<value>`";
    }
    /// `…/messages/{message}`
    AnyMessagePath { message: MessageId = "message", "The message's id"; }
    /// `…/tenants/{id}`
    TenantPath { id: TenantId = "tenant", "The tenant's id"; }
    /// `…/webhooks/{id}`
    WebhookPath { id: WebhookId = "webhook", "The webhook's id or `no:<number>`"; }
    /// `…/deliveries/{id}`
    DeliveryPath { id: DeliveryId = "delivery", "The delivery's id"; }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_id_is_not_found() {
        let error = parse::<DeviceId>("../etc/passwd", "device").unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "device", .. }));
        let long = "x".repeat(500);
        let Error::NotFound { id, .. } = parse::<WebhookId>(&long, "webhook").unwrap_err() else {
            panic!("another kind")
        };
        assert_eq!(id.len(), ID_CHARS_SHOWN);
        assert!(parse::<DeviceId>(DeviceId::new(1, 1).as_str(), "device").is_ok());
    }
}
