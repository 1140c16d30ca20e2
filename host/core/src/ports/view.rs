//! What the ports tell of sessions and plugins, as the REST core shows it.

use portico_api as api;

use super::plugins::{Grant, Granted, Hook, Mount, PluginInfo};
use super::whatsapp::{PairingCode, Resources};

same_variants!(Hook, api::Hook: WebhookFormat, Pacing, HttpHandler);

impl From<Grant> for api::Grant {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::Rest => Self::Rest,
            Grant::Assume => Self::Assume,
        }
    }
}

impl From<&Granted> for api::Granted {
    fn from(granted: &Granted) -> Self {
        Self { kind: granted.kind.into(), why: granted.why.clone() }
    }
}

impl From<&Mount> for api::Mount {
    fn from(mount: &Mount) -> Self {
        Self { name: mount.name.clone(), root: mount.root.clone() }
    }
}

impl From<&PluginInfo> for api::Plugin {
    fn from(plugin: &PluginInfo) -> Self {
        Self {
            id: plugin.id.clone(),
            version: plugin.version.clone(),
            name: plugin.name.clone(),
            digest: plugin.digest.clone(),
            hooks: plugin.hooks.iter().copied().map(Into::into).collect(),
            mount: plugin.mount.as_ref().map(Into::into),
            routes: u32::try_from(plugin.routes.len()).unwrap_or(u32::MAX),
            grants: plugin.grants.iter().map(Into::into).collect(),
        }
    }
}

impl From<&PairingCode> for api::PairingCode {
    fn from(code: &PairingCode) -> Self {
        Self { code: code.code.clone(), expires_at: code.expires_at.into() }
    }
}

impl From<&Resources> for api::Resources {
    fn from(of: &Resources) -> Self {
        Self {
            frames_in: of.frames_in,
            frames_out: of.frames_out,
            bytes_in: of.bytes_in,
            bytes_out: of.bytes_out,
            reconnects: of.reconnects,
            last_frame_at: of.last_frame_at.map(Into::into),
            undecryptable: of.undecryptable,
            memory_bytes: of.memory_bytes,
        }
    }
}
