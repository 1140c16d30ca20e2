//! Parameters in paths, typed: a route names the type, which brings ids and documentation along.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use portico_api::ProblemCode;
use portico_core::Error;
use portico_core::id::{DeliveryId, DeviceId, KeyId, MediaId, MessageId, WebhookId};
use utoipa::IntoParams;

use crate::api::App;
use crate::problem::Problem;

/// Characters of a wrong id that are repeated to the client.
const ID_CHARS_SHOWN: usize = 40;

/// Reads an id. A text that can't be an id is simply not found.
fn read<T: std::str::FromStr>(params: &RawPathParams, name: &str, what: &'static str) -> Result<T, Error> {
    parse(params.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value), what)
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
                Ok(Self { $($name: read(&params, stringify!($name), $what)?),+ })
            }
        }
    )*};
}

paths! {
    /// `…/devices/{id}`
    DevicePath { id: DeviceId = "device", "The device's id"; }
    /// `…/devices/{id}/messages/{message}`
    MessagePath {
        id: DeviceId = "device", "The device's id";
        message: MessageId = "message", "The message's id";
    }
    /// `…/media/{id}`
    MediaPath { id: MediaId = "media", "The id of the file"; }
    /// `…/keys/{id}`
    KeyPath { id: KeyId = "key", "The key's id"; }
    /// `…/webhooks/{id}`
    WebhookPath { id: WebhookId = "webhook", "The webhook's id"; }
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
