//! What the ports tell of sessions and plugins, as the REST core shows it.

use portico_api as api;

use super::plugins::Mount;
use super::whatsapp::{PairingCode, Resources};

impl From<&Mount> for api::Mount {
    fn from(mount: &Mount) -> Self {
        Self { name: mount.name.clone(), root: mount.root.clone() }
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
