//! Keys as the REST core shows them.

use portico_api as api;

use super::secret::KeyFormat;
use super::{AccessKey, Scope};

same_variants!(Scope, api::Scope:
    DevicesRead, DevicesWrite, MessagesRead, MessagesWrite, WebhooksRead, WebhooksWrite, KeysWrite, ServerAdmin);
same_variants!(KeyFormat, api::KeyFormat: Portico, Uuid);

impl From<&AccessKey> for api::AccessKey {
    fn from(key: &AccessKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            scopes: key.scopes.iter().copied().map(Into::into).collect(),
            created_at: key.created_at.into(),
            expires_at: key.expires_at.map(Into::into),
            revoked_at: key.revoked_at.map(Into::into),
        }
    }
}
