//! Analytics: figures by day and device.

use serde::{Deserialize, Serialize};

/// How many messages of a device took which step on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DayCounts {
    /// The day, UTC.
    #[cfg_attr(feature = "openapi", schema(example = "2026-01-31"))]
    pub day: String,
    /// The device, which may be gone by now.
    pub device: String,
    /// WhatsApp's server took them.
    pub sent: u64,
    /// They reached the recipient.
    pub delivered: u64,
    /// They were read.
    pub read: u64,
    /// They won't be sent.
    pub failed: u64,
    /// They came in.
    pub received: u64,
}
