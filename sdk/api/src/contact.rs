//! People as WhatsApp knows them.

use serde::{Deserialize, Serialize};

use crate::{BoundedVec, Party};

/// People in one check at most.
pub const CONTACTS_CHECKED_MAX: usize = 1_000;

/// People who are looked for on WhatsApp.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckContacts {
    /// Numbers or JIDs.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, min_items = 1, max_items = 1000, example = json!(["15550100002"])))]
    pub contacts: BoundedVec<String, CONTACTS_CHECKED_MAX>,
}

/// Whether somebody is on WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckedContact {
    /// As the request named the person.
    pub asked: String,
    /// Whether there is such an account.
    pub on_whatsapp: bool,
    /// Who that is, under the number WhatsApp knows the account by: it may differ from the one asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub party: Option<Party>,
}

/// Who is on WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckedContacts {
    /// One for each person asked for, in that order; nobody twice.
    pub results: Vec<CheckedContact>,
}

/// A person as WhatsApp tells of them now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// Who it is.
    #[serde(flatten)]
    pub party: Party,
    /// What the person says about themselves, as far as the account may see it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<String>,
    /// Identifies the picture; changes with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub picture: Option<String>,
    /// Whether it is a business account.
    pub is_business: bool,
    /// The name WhatsApp verified, of a business.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub business_name: Option<String>,
}

/// Where a picture can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureUrl {
    /// Identifies the picture; changes with it.
    pub id: String,
    /// At WhatsApp, for some days.
    pub url: String,
}

/// Who is blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockedContacts {
    /// All of them.
    pub items: Vec<Party>,
}
