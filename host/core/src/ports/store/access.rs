//! Tenants, keys and idempotency keys in the store.

use crate::error::Result;
use crate::id::{DeviceId, KeyId, TenantId};
use crate::model::access::secret::KeyHash;
use crate::model::access::{AccessKey, Scope, Tenant};
use crate::model::number::Numbered;
use crate::page::PageRequest;
use crate::time::UtcMs;

/// What is kept under an `Idempotency-Key` of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyEntry {
    /// Identifies the request the key came with first.
    pub fingerprint: String,
    /// What that request was answered, sealed.
    pub sealed_answer: Vec<u8>,
}

/// Tenants, keys and idempotency keys.
pub trait AccessTx {
    /// Adds a tenant.
    fn tenant_insert(&mut self, tenant: &TenantId, name: &str, at: UtcMs) -> Result<()>;

    /// The tenant of that name.
    fn tenant_find_by_name(&mut self, name: &str) -> Result<Option<TenantId>>;

    /// A tenant.
    fn tenant_find(&mut self, tenant: &TenantId) -> Result<Option<Tenant>>;

    /// Tenants of the server, newest first; one more than asked for where there are more.
    fn tenant_list(&mut self, page: &PageRequest) -> Result<Vec<Tenant>>;

    /// How many tenants there are, counted up to `most`.
    fn tenant_total(&mut self, most: u32) -> Result<u64>;

    /// The next number of a kind of thing of the tenant. Whoever asks at the same time waits for this transaction.
    fn number_next(&mut self, tenant: &TenantId, kind: Numbered) -> Result<u32>;

    /// The id, as text, of the thing of that kind with that number.
    fn id_numbered(&mut self, tenant: &TenantId, kind: Numbered, number: u32) -> Result<Option<String>>;

    /// Adds a key.
    fn key_insert(&mut self, key: &AccessKey, hash: &KeyHash) -> Result<()>;

    /// The key with that hash, of any tenant: this is how a tenant is found out.
    fn key_find_by_hash(&mut self, hash: &KeyHash) -> Result<Option<AccessKey>>;

    /// A key.
    fn key_find(&mut self, tenant: &TenantId, id: &KeyId) -> Result<Option<AccessKey>>;

    /// Keys, newest first; one more than asked for where there are more. With `device`: only those bound to it.
    fn key_list(&mut self, tenant: &TenantId, device: Option<&DeviceId>, page: &PageRequest) -> Result<Vec<AccessKey>>;

    /// How many keys [`Self::key_list`] can give in all, counted up to `most`.
    fn key_total(&mut self, tenant: &TenantId, device: Option<&DeviceId>, most: u32) -> Result<u64>;

    /// How many keys are not revoked.
    fn key_count(&mut self, tenant: &TenantId) -> Result<u32>;

    /// Whether any key exists, of any tenant, that is neither revoked nor expired at `now`.
    fn key_any(&mut self, now: UtcMs) -> Result<bool>;

    /// Gives a key another name and other scopes; `false` when there is none.
    fn key_change(&mut self, tenant: &TenantId, id: &KeyId, name: &str, scopes: &[Scope]) -> Result<bool>;

    /// Marks a key as one that the operator preset.
    fn key_preset(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<()>;

    /// The keys of all tenants that are marked so and not revoked.
    fn key_list_preset(&mut self) -> Result<Vec<(TenantId, KeyId)>>;

    /// Revokes a key; `false` when there is none or it was revoked before.
    fn key_revoke(&mut self, tenant: &TenantId, id: &KeyId, at: UtcMs) -> Result<bool>;

    /// Takes a key for the request with this fingerprint. Gives what is kept under it when it was taken before.
    fn idempotency_claim(
        &mut self,
        tenant: &TenantId,
        key: &str,
        fingerprint: &str,
        at: UtcMs,
    ) -> Result<Option<IdempotencyEntry>>;

    /// Keeps the answer of the request that took the key in this transaction.
    fn idempotency_answer(&mut self, tenant: &TenantId, key: &str, sealed_answer: &[u8]) -> Result<()>;

    /// What is kept under a key, if anything.
    fn idempotency_find(&mut self, tenant: &TenantId, key: &str) -> Result<Option<IdempotencyEntry>>;

    /// Forgets entries made at or before `before`; says how many.
    fn idempotency_purge(&mut self, before: UtcMs) -> Result<u64>;
}
