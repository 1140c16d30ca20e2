//! Media in the store.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::id::{DeviceId, MediaId, MessageId, TenantId};
use crate::model::media::{Digest, Media, MediaUsage};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// Media.
pub trait MediaTx {
    /// Adds a medium; `false` when there is one of its message already.
    fn media_insert(&mut self, media: &Media) -> Result<bool>;

    /// A medium of a tenant.
    fn media_find(&mut self, tenant: &TenantId, id: &MediaId) -> Result<Option<Media>>;

    /// The medium that was fetched for a message of a device.
    fn media_find_fetched(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        message: &MessageId,
    ) -> Result<Option<Media>>;

    /// Media of a tenant, newest first; one more than asked for where there are more.
    fn media_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<Media>>;

    /// How many media a tenant has, counted up to `most`.
    fn media_total(&mut self, tenant: &TenantId, most: u32) -> Result<u64>;

    /// What a tenant's media take up.
    fn media_usage(&mut self, tenant: &TenantId) -> Result<MediaUsage>;

    /// Keeps a medium at least until `until`; `false` when there is none.
    fn media_keep(&mut self, tenant: &TenantId, id: &MediaId, until: UtcMs) -> Result<bool>;

    /// Removes a medium; `false` when there is none.
    fn media_delete(&mut self, tenant: &TenantId, id: &MediaId) -> Result<bool>;

    /// Removes media of any tenant that expire at or before `now`, at most `limit`. Gives a file for each.
    fn media_purge(&mut self, now: UtcMs, limit: u32) -> Result<Vec<Digest>>;

    /// Those of the files that a medium of any tenant names.
    fn media_used(&mut self, digests: &[Digest]) -> Result<BTreeSet<Digest>>;
}
