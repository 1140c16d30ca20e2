//! References: what may stand where an id is asked for.
//!
//! `no:7` is the thing with the number 7 of its tenant; `ref:shop:1001` is the device that the namespace `shop` calls `1001`.

use std::str::FromStr;

use crate::context::Ports;
use crate::error::{Error, Result};
use crate::id::{DeviceId, KeyId, TenantId, UserId, WebhookId};
use crate::model::number::Numbered;

/// What a number begins with.
const NUMBER: &str = "no:";
/// What a name that another system gave begins with.
const REF: &str = "ref:";

/// Ids of things that have numbers.
pub trait Referable: FromStr<Err = Error> + Send {
    /// The kind of thing.
    const KIND: Numbered;
}

macro_rules! referable {
    ($($id:ty => $kind:ident)*) => {$(
        impl Referable for $id {
            const KIND: Numbered = Numbered::$kind;
        }
    )*};
}

referable! {
    DeviceId => Device
    KeyId => Key
    UserId => User
    WebhookId => Webhook
}

/// The id that a text stands for: itself, a number or, of devices, a name that another system gave. Only things of `tenant`
/// are found; whether the caller may see them is for the operation to say.
///
/// # Errors
/// [`Error::NotFound`] when it stands for nothing.
pub async fn resolve<Id: Referable>(ports: &Ports, tenant: &TenantId, text: &str) -> Result<Id> {
    let (kind, not_found) = (Id::KIND, || Error::not_found(Id::KIND.as_str(), shown(text)));
    let tenant = tenant.clone();
    let found = if let Some(number) = text.strip_prefix(NUMBER) {
        let number: u32 = number.parse().map_err(|_| not_found())?;
        ports.read(move |tx| tx.id_numbered(&tenant, kind, number)).await?
    } else if let (Numbered::Device, Some(name)) = (kind, text.strip_prefix(REF)) {
        let (namespace, value) = name.split_once(':').ok_or_else(not_found)?;
        let (namespace, value) = (namespace.to_owned(), value.to_owned());
        ports.read(move |tx| tx.device_id_by_ref(&tenant, &namespace, &value)).await?
    } else {
        return text.parse().map_err(|_| not_found());
    };
    found.ok_or_else(not_found)?.parse()
}

/// As much of a text that came from outside as an error repeats.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
