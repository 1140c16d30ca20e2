//! What people show, and who is blocked.

use portico_core::address::Party;
use portico_core::contact::{Contact, PictureUrl};
use portico_core::error::{Error, Result};
use portico_core::ports::whatsapp::PictureSize;
use whatsapp_rust::features::{BlockingError, ContactError};
use whatsapp_rust::wacore::store::traits::ProtocolStore;
use whatsapp_rust::{IqError, Jid};

use crate::ask;
use crate::backend::Backend;
use crate::events::party;
use crate::failure;
use crate::session::Session;

/// What a person shows.
pub(crate) async fn get(session: &Session, who: &Party) -> Result<Contact> {
    let client = ask::client(session).await?;
    let jid = jid_of(who)?;
    let asked = async {
        let told = client.contacts().get_user_info(std::slice::from_ref(&jid)).await.map_err(|e| of_contact(&e))?;
        Ok(told.into_values().next())
    };
    let told = ask::in_time(session, asked).await?;
    let about = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(match told {
        Some(told) => Contact {
            party: who.clone(),
            about: about(told.status),
            picture: told.picture_id,
            is_business: told.is_business,
            business_name: told.verified_name.and_then(|verified| verified.name),
        },
        None => Contact { party: who.clone(), about: None, picture: None, is_business: false, business_name: None },
    })
}

/// Where a picture is.
pub(crate) async fn picture(session: &Session, whose: &Party, size: PictureSize) -> Result<Option<PictureUrl>> {
    let client = ask::client(session).await?;
    let jid = jid_of(whose)?;
    let asked = async {
        let found = client.contacts().get_profile_picture(&jid, size == PictureSize::Preview).await;
        found.map_err(|error| of_contact(&error))
    };
    let found = ask::in_time(session, asked).await?;
    Ok(found.map(|picture| PictureUrl { id: picture.id, url: picture.url }))
}

/// Blocks a person, or takes a block back.
pub(crate) async fn block(session: &Session, who: &Party, blocked: bool) -> Result<()> {
    let client = ask::client(session).await?;
    let jid = jid_of(who)?;
    let changed = async {
        let blocking = client.blocking();
        let done = if blocked { blocking.block(&jid).await } else { blocking.unblock(&jid).await };
        done.map_err(|error| of_blocking(&error))
    };
    ask::in_time(session, changed).await
}

/// Who is blocked.
pub(crate) async fn blocked(session: &Session) -> Result<Vec<Party>> {
    let client = ask::client(session).await?;
    let asked = async { client.blocking().get_blocklist().await.map_err(|error| of_blocking(&error)) };
    let mut parties = Vec::new();
    for entry in ask::in_time(session, asked).await? {
        parties.push(party::party(&client, &entry.jid, &[]).await);
    }
    Ok(parties)
}

/// Everybody of whom number and LID are known.
pub(crate) async fn lids(backend: &Backend) -> Result<Vec<Party>> {
    let known = backend.get_all_lid_mappings().await;
    let known = known.map_err(|e| Error::unavailable("the storage of the session's keys", e))?;
    Ok(known.iter().filter_map(|one| Party::person(Some(&one.phone_number), Some(&one.lid))).collect())
}

fn jid_of(party: &Party) -> Result<Jid> {
    party.id.parse().map_err(|_| Error::invalid("contact", "is not a JID WhatsApp knows"))
}

fn of_contact(error: &ContactError) -> Error {
    match error {
        ContactError::Iq(IqError::ServerError { code: 401 | 403 | 404, .. }) => {
            Error::not_found("contact", "that shows this to the account")
        }
        ContactError::Iq(error) => ask::of_iq(error),
        _ => Error::invalid("contact", "must be a person"),
    }
}

fn of_blocking(error: &BlockingError) -> Error {
    match error {
        BlockingError::Iq(error) => ask::of_iq(error),
        BlockingError::InvalidJid(_) => Error::Refused {
            code: "refused_by_whatsapp",
            why: "WhatsApp does not tell the LID of this number, and blocks by LID only".to_owned(),
        },
        _ => failure::unreachable("a request about blocked people failed"),
    }
}
