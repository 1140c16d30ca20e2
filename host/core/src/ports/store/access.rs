//! Tenants, keys and idempotency keys in the store.

use async_trait::async_trait;

use crate::access::secret::KeyHash;
use crate::access::{AccessKey, Scope};
use crate::error::Result;
use crate::id::{KeyId, TenantId};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// What an `Idempotency-Key` of a tenant stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyEntry {
    /// Hash over method, path and body of the request it came with.
    pub fingerprint: String,
    /// The id of what that request made.
    pub resource: String,
    /// When it was used first.
    pub created_at: UtcMs,
}

/// Whether an `Idempotency-Key` was new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotencyClaim {
    /// It was; it now stands for the given resource.
    Fresh,
    /// It stands for this already.
    Known(IdempotencyEntry),
}

/// Tenants, keys and idempotency keys.
#[async_trait]
pub trait AccessTx {
    /// Adds a tenant.
    async fn tenant_insert(&mut self, tenant: &TenantId, name: &str, at: UtcMs) -> Result<()>;

    /// The tenant of that name.
    async fn tenant_find_by_name(&mut self, name: &str) -> Result<Option<TenantId>>;

    /// Adds a key.
    async fn key_insert(&mut self, key: &AccessKey, hash: &KeyHash) -> Result<()>;

    /// The key with that hash, of any tenant: this is how a tenant is found out.
    async fn key_find_by_hash(&mut self, hash: &KeyHash) -> Result<Option<AccessKey>>;

    /// A key.
    async fn key_find(&mut self, tenant: &TenantId, id: &KeyId) -> Result<Option<AccessKey>>;

    /// Keys, newest first; one more than asked for where there are more.
    async fn key_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<AccessKey>>;

    /// How many keys are not revoked.
    async fn key_count(&mut self, tenant: &TenantId) -> Result<u32>;

    /// Whether any key exists, of any tenant, that is neither revoked nor expired at `now`.
    async fn key_any(&mut self, now: UtcMs) -> Result<bool>;

    /// Gives a key another name and other scopes; `false` when there is none.
    async fn key_change(&mut self, tenant: &TenantId, id: &KeyId, name: &str, scopes: &[Scope]) -> Result<bool>;

    /// Revokes a key; `false` when there is none or it was revoked before.
    async fn key_revoke(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<bool>;

    /// Makes `key` stand for `entry` unless it stands for something already.
    async fn idempotency_claim(
        &mut self,
        tenant: &TenantId,
        key: &str,
        entry: &IdempotencyEntry,
    ) -> Result<IdempotencyClaim>;

    /// What `key` stands for, if anything.
    async fn idempotency_find(&mut self, tenant: &TenantId, key: &str) -> Result<Option<IdempotencyEntry>>;

    /// Forgets entries made at or before `before`; says how many.
    async fn idempotency_purge(&mut self, before: UtcMs) -> Result<u64>;
}
