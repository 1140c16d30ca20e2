//! Plugins as the REST core shows them.

use portico_api as api;

use super::{Audience, Enablement, Grant, Granted, Hook, OnFailure, Origin, PluginOffer, PluginVersion, Switch};

same_variants!(Hook, api::Hook: WebhookFormat, Pacing, HttpHandler, DialectSocket);
same_variants!(Grant, api::Grant: Rest, Assume, Kv);
same_variants!(Origin, api::Origin: BuiltIn, Folder, Uploaded);
same_variants!(Switch, api::Switch: On, Off);
same_variants!(OnFailure, api::OnFailure: Wait, GoOn);

impl From<&Granted> for api::Granted {
    fn from(granted: &Granted) -> Self {
        Self { kind: granted.kind.into(), why: granted.why.clone() }
    }
}

impl From<&PluginVersion> for api::PluginVersion {
    fn from(version: &PluginVersion) -> Self {
        Self {
            digest: version.digest.clone(),
            version: version.version.clone(),
            origin: version.origin.into(),
            created_at: version.created_at.into(),
        }
    }
}

impl From<&PluginOffer> for api::PluginOffer {
    fn from(offer: &PluginOffer) -> Self {
        Self {
            plugin: offer.plugin.clone(),
            digest: offer.digest.clone(),
            previous_digest: offer.previous_digest.clone(),
            grants_max: offer.grants_max.as_deref().map(grants),
            tenants: match &offer.audience {
                Audience::Everybody => None,
                Audience::Tenants(list) => Some(list.iter().map(ToString::to_string).collect()),
            },
            default_state: offer.default_state.into(),
            public_routes: offer.public_routes.map(Into::into),
            revision: offer.revision,
            changed_at: offer.changed_at.into(),
        }
    }
}

impl From<&Enablement> for api::PluginEnablement {
    fn from(row: &Enablement) -> Self {
        Self {
            plugin: row.plugin.clone(),
            device: row.device.as_ref().map(ToString::to_string),
            state: row.state.into(),
            settings: row.settings.clone(),
            secrets: row.secret_names.clone(),
            grants: row.grants.as_deref().map(grants),
            position: row.position,
            on_failure: row.on_failure.map(Into::into),
            revision: row.revision,
            changed_at: row.changed_at.into(),
        }
    }
}

fn grants(list: &[Grant]) -> Vec<api::Grant> {
    list.iter().copied().map(Into::into).collect()
}
