//! Links: a file for whoever has its link, without a key, for a while.
//!
//! For clients that are told an address and no credentials, such as the receivers of webhooks. A link names one file of one
//! tenant and when it ends, and is signed under a key derived from the master key: nobody can make one up, and nothing is stored
//! for it. It shows what a key that may only read that file would be shown, and nothing once the file was deleted.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Media, incoming, lookup};
use crate::access::Caller;
use crate::access::authorize::Action;
use crate::context::{OpContext, Ports, Services};
use crate::error::{Error, Result};
use crate::id::{DeviceId, MediaId, MessageId, TenantId};
use crate::model::event::Event;
use crate::seal::Sealer;
use crate::time::UtcMs;

/// What the signing key is derived for.
const PURPOSE: &str = "media link";
/// Bytes of the time a link ends: Unix seconds.
const END_BYTES: usize = 4;
/// Bytes of a signature that are kept: 128 bits of HMAC-SHA256.
const MAC_BYTES: usize = 16;
/// Characters of a token at most; those made here have some 85.
const CHARS_MAX: usize = 200;

/// A link that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What stands in the address: letters, digits, `-`, `_` and `.`. Whoever has it can read the file.
    pub token: String,
    /// When it ends.
    pub expires_at: UtcMs,
}

/// What a token names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    file: File,
    tenant: TenantId,
    ends: UtcMs,
}

/// A file by the id of what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum File {
    Media(MediaId),
    /// The file of a message, which may have to be fetched from WhatsApp first.
    Message(MessageId),
}

/// Makes a link to a stored file.
///
/// # Errors
/// `NotFound` when the caller's tenant has no such file.
pub async fn of_media(ctx: &OpContext, id: &MediaId) -> Result<Link> {
    let access = ctx.require_within(Action::SeeMessages)?;
    lookup::found(&access, id).await?;
    Ok(made(access.ports(), id.as_str(), access.id(), ctx.now()))
}

/// Makes a link to the file of a message. It is not fetched before somebody follows the link.
///
/// # Errors
/// `NotFound` when the device has no such message, or that has no file.
pub async fn of_message(ctx: &OpContext, device: &DeviceId, message: &MessageId) -> Result<Link> {
    let access = ctx.device(device).require(Action::SeeMessages).await?;
    access.read(incoming::find(message.clone())).await?.require_file()?;
    Ok(made(access.tenant().ports(), message.as_str(), access.tenant().id(), ctx.now()))
}

/// The token for the file of the message that an event is about, if it is about one with a file. The same whenever the event is
/// delivered, until half of the link's time is over: then it would help the receiver little, and a later one is given.
pub fn of_event(ports: &Ports, event: &Event) -> Option<String> {
    let message = event.data.get("content")?.get("media").and(event.data.get("id"))?.as_str()?;
    let message: MessageId = message.parse().ok()?;
    let (now, lasts) = (ports.now(), ports.limits.media_link_ttl);
    let from = if now < event.timestamp + lasts / 2 { event.timestamp } else { now };
    Some(made(ports, message.as_str(), &event.tenant, from).token)
}

/// A link that somebody follows: it was made here, and its time is not over.
pub struct Followed {
    context: OpContext,
    place: Place,
}

/// Where a link leads.
enum Place {
    Stored(Media),
    /// It may have to be fetched first.
    OfMessage(DeviceId, MessageId),
}

impl Followed {
    /// A context that may read messages and files. It is for this file alone.
    pub fn context(&self) -> &OpContext {
        &self.context
    }

    /// The file.
    ///
    /// # Errors
    /// `Gone` when WhatsApp has the file no more, and those of fetching a file from WhatsApp.
    pub async fn media(self) -> Result<(OpContext, Media)> {
        let media = match self.place {
            Place::Stored(media) => media,
            Place::OfMessage(device, message) => incoming::of_message(&self.context, &device, &message).await?,
        };
        Ok((self.context, media))
    }
}

/// Where a link leads.
///
/// # Errors
/// `NotFound` when it was not made here or its file was deleted, `Gone` when its time is over.
pub async fn follow(services: &Arc<Services>, token: &str) -> Result<Followed> {
    let Named { file, tenant, ends } = read(&services.ports.sealer, token).ok_or_else(not_found)?;
    if ends <= services.ports.now() {
        let why = "the time of this link is over; ask its maker for a new one".to_owned();
        return Err(Error::Gone { code: "media_gone", why });
    }
    let context =
        |file: &str| OpContext::new(Arc::clone(services), Caller::with_link(tenant.clone(), file, ends), None);
    let of = tenant.clone();
    match file {
        File::Media(id) => {
            let asked = id.clone();
            let found = services.ports.read(move |tx| tx.media_find(&of, &asked)).await?;
            let media = found.ok_or_else(not_found)?;
            Ok(Followed { context: context(id.as_str()), place: Place::Stored(media) })
        }
        File::Message(id) => {
            let asked = id.clone();
            let found = services.ports.read(move |tx| {
                let is_deleted = tx.message_file_deleted(&of, &asked)?;
                Ok(tx.message_find_anywhere(&of, &asked)?.filter(|_| !is_deleted))
            });
            let device = found.await?.ok_or_else(not_found)?.device;
            let context = context(id.as_str());
            Ok(Followed { context, place: Place::OfMessage(device, id) })
        }
    }
}

fn not_found() -> Error {
    Error::not_found("file", "of this link")
}

fn made(ports: &Ports, file: &str, tenant: &TenantId, from: UtcMs) -> Link {
    // The token tells whole seconds.
    let ends = (from + ports.limits.media_link_ttl).seconds();
    let token = sign(&ports.sealer, file, tenant, u32::try_from(ends).unwrap_or(u32::MAX));
    Link { token, expires_at: UtcMs(ends.saturating_mul(1_000)) }
}

fn mac(sealer: &Sealer, named: &str, ends: [u8; END_BYTES]) -> Hmac<Sha256> {
    let mut mac = sealer.mac(PURPOSE);
    mac.update(named.as_bytes());
    mac.update(&ends);
    mac
}

/// `<id of the file>.<id of the tenant, without its prefix>.<end and signature>`
fn sign(sealer: &Sealer, file: &str, tenant: &TenantId, ends: u32) -> String {
    let ends = ends.to_be_bytes();
    let named = format!("{file}.{}", tenant.as_str().trim_start_matches(TenantId::PREFIX));
    let signature = mac(sealer, &named, ends).finalize().into_bytes();
    let seal = [&ends[..], &signature[..MAC_BYTES]].concat();
    format!("{named}.{}", BASE64_URL_SAFE_NO_PAD.encode(seal))
}

/// What a token names, if it was signed here. Whether it has ended is for the caller to see.
fn read(sealer: &Sealer, token: &str) -> Option<Named> {
    if token.len() > CHARS_MAX {
        return None;
    }
    let (named, seal) = token.rsplit_once('.')?;
    let seal = BASE64_URL_SAFE_NO_PAD.decode(seal).ok()?;
    let (ends, signature) = seal.split_first_chunk::<END_BYTES>()?;
    if signature.len() != MAC_BYTES {
        return None;
    }
    mac(sealer, named, *ends).verify_truncated_left(signature).ok()?;
    let (file, tenant) = named.split_once('.')?;
    let file = match file.parse() {
        Ok(id) => File::Media(id),
        Err(_) => File::Message(file.parse().ok()?),
    };
    let tenant = format!("{}{tenant}", TenantId::PREFIX).parse().ok()?;
    Some(Named { file, tenant, ends: UtcMs(i64::from(u32::from_be_bytes(*ends)) * 1_000) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Always the same bytes: nothing here depends on chance.
    struct Fixed;

    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&[key; 32], Arc::new(Fixed))
    }

    #[test]
    fn a_token_names_its_file_its_tenant_and_its_end() {
        let tenant = TenantId::new(1, 1);
        let (media, message) = (MediaId::new(1, 2), MessageId::new(1, 3));
        let of_media = sign(&sealer(1), media.as_str(), &tenant, 90);
        let named = Named { file: File::Media(media), tenant: tenant.clone(), ends: UtcMs(90_000) };
        assert_eq!(read(&sealer(1), &of_media), Some(named));
        let of_message = sign(&sealer(1), message.as_str(), &tenant, 90);
        let named = Named { file: File::Message(message), tenant, ends: UtcMs(90_000) };
        assert_eq!(read(&sealer(1), &of_message), Some(named));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(of_media.chars().all(is_plain), "it stands in a path as it is: {of_media}");
    }

    #[test]
    fn a_token_that_was_changed_or_made_elsewhere_names_nothing() {
        let tenant = TenantId::new(1, 1);
        let token = sign(&sealer(1), MediaId::new(1, 2).as_str(), &tenant, 90);
        assert_eq!(read(&sealer(2), &token), None, "another master key");
        let (named, seal) = token.rsplit_once('.').unwrap();
        let other = sign(&sealer(1), MediaId::new(1, 3).as_str(), &tenant, 90);
        let later = sign(&sealer(1), MediaId::new(1, 2).as_str(), &tenant, 91);
        let seal_of = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
        assert_eq!(read(&sealer(1), &format!("{named}.{}", seal_of(&other))), None, "of another file");
        let mut longer = BASE64_URL_SAFE_NO_PAD.decode(seal).unwrap();
        longer[..END_BYTES].copy_from_slice(&BASE64_URL_SAFE_NO_PAD.decode(seal_of(&later)).unwrap()[..END_BYTES]);
        assert_eq!(read(&sealer(1), &format!("{named}.{}", BASE64_URL_SAFE_NO_PAD.encode(longer))), None, "longer");
        let short = BASE64_URL_SAFE_NO_PAD.encode(90u32.to_be_bytes());
        for text in ["", ".", "..", named, &format!("{named}."), &format!("{named}.{short}"), &"a".repeat(300)] {
            assert_eq!(read(&sealer(1), text), None, "{text}");
        }
    }
}
