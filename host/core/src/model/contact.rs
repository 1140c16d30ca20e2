//! People as WhatsApp tells of them. Nothing of this is stored: WhatsApp is asked each time.

use portico_api as api;

use crate::address::Party;

/// A person.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Who it is.
    pub party: Party,
    /// What the person says about themselves.
    pub about: Option<String>,
    /// Identifies the picture.
    pub picture: Option<String>,
    /// Whether it is a business account.
    pub is_business: bool,
    /// The name WhatsApp verified, of a business.
    pub business_name: Option<String>,
}

/// Where a picture can be fetched.
#[derive(Clone, Debug)]
pub struct PictureUrl {
    /// Identifies the picture.
    pub id: String,
    /// At WhatsApp, for some days.
    pub url: String,
}

/// Whether somebody is on WhatsApp.
#[derive(Clone, Debug)]
pub struct CheckedContact {
    /// As the caller named the person.
    pub asked: String,
    /// Who that is; `None`: not on WhatsApp.
    pub party: Option<Party>,
}

impl From<&Contact> for api::Person {
    fn from(contact: &Contact) -> Self {
        Self {
            party: (&contact.party).into(),
            about: contact.about.clone(),
            picture: contact.picture.clone(),
            is_business: contact.is_business,
            business_name: contact.business_name.clone(),
        }
    }
}

impl From<&PictureUrl> for api::PictureUrl {
    fn from(picture: &PictureUrl) -> Self {
        Self { id: picture.id.clone(), url: picture.url.clone() }
    }
}

impl From<&CheckedContact> for api::CheckedContact {
    fn from(checked: &CheckedContact) -> Self {
        Self {
            asked: checked.asked.clone(),
            on_whatsapp: checked.party.is_some(),
            party: checked.party.as_ref().map(Into::into),
        }
    }
}
