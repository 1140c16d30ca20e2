//! `[outbound]`: HTTP to other people's servers.

use anyhow::{Context, Result};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `[outbound]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboundSection {
    /// Private networks that webhooks may reach all the same, such as `10.1.0.0/16`.
    pub allow: Vec<String>,
}

impl OutboundSection {
    pub(super) fn validate(&self) -> Result<()> {
        self.networks().map(drop)
    }

    /// The allowed networks.
    pub fn networks(&self) -> Result<Vec<IpNet>> {
        let parse = |text: &String| {
            text.parse().with_context(|| format!("outbound.allow: `{text}` is no network such as 10.1.0.0/16"))
        };
        self.allow.iter().map(parse).collect()
    }
}
