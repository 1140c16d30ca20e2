//! `Idempotency-Key`: a POST that is repeated under the same key is answered as the first one was, and done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hmac::Mac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::address::Party;
use crate::context::Write;
use crate::error::{Error, Result};
use crate::id::{DeviceId, MessageId, TenantId};
use crate::model::access::Member;
use crate::model::message::{
    Content, Direction, Message, MessageContext, MessageState, MessageStatus, SendFailure, StatusTimes,
};
use crate::ports::store::{IdempotencyEntry, Tx};
use crate::seal::Sealer;
use crate::time::UtcMs;

/// Characters of an `Idempotency-Key` at most.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// What the key of stored fingerprints is derived for.
const FINGERPRINT: &str = "idempotency fingerprint";

/// An `Idempotency-Key` with what identifies the request it came with.
#[derive(Clone, Debug)]
pub struct Idempotency {
    key: String,
    fingerprint: String,
    repeated: Arc<AtomicBool>,
}

/// What a POST answers, as it is kept, sealed, under the request's `Idempotency-Key`. What is kept is the answer itself
/// ([`Shown`], [`Answered`]): a repetition gets it as it was given, whatever became of its subject since.
pub(crate) trait Answer: Sized + Send + 'static {
    /// What is kept.
    fn keep(&self) -> Result<Vec<u8>>;

    /// The answer again.
    fn restore(kept: &[u8], tx: &mut dyn Tx, tenant: &TenantId) -> Result<Self>;
}

/// An answer as clients are shown it, kept whole. It may hold a secret, as all that is kept is sealed.
pub(crate) struct Shown<V>(pub(crate) V);

impl<V> Shown<V> {
    /// The view.
    pub(crate) fn into_inner(self) -> V {
        self.0
    }
}

impl<V: Serialize + DeserializeOwned + Send + 'static> Answer for Shown<V> {
    fn keep(&self) -> Result<Vec<u8>> {
        written(&self.0)
    }

    fn restore(kept: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        read(kept).map(Self)
    }
}

/// An answer as clients are shown it, kept whole, with the noun that it shows.
pub(crate) struct Answered<N, V> {
    /// The noun; `None` when the request only repeats an earlier one, so that there is nothing left to do with it.
    pub(crate) noun: Option<N>,
    /// The view.
    pub(crate) view: V,
}

impl<N, V: for<'n> From<&'n N>> Answered<N, V> {
    /// The answer that shows `noun`.
    pub(crate) fn of(noun: N) -> Self {
        Self { view: V::from(&noun), noun: Some(noun) }
    }
}

impl<N: Send + 'static, V: Serialize + DeserializeOwned + Send + 'static> Answer for Answered<N, V> {
    fn keep(&self) -> Result<Vec<u8>> {
        written(&self.view)
    }

    fn restore(kept: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        Ok(Self { noun: None, view: read(kept)? })
    }
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(answer).map_err(|e| Error::internal("keeping an answer", e))
}

fn read<T: DeserializeOwned>(kept: &[u8]) -> Result<T> {
    serde_json::from_slice(kept).map_err(|e| Error::internal("reading a kept answer", e))
}

impl Idempotency {
    /// Checks a key as sent. `fingerprint` is a hash over the request: the same key with another request is refused.
    pub fn new(key: &str, fingerprint: String) -> Result<Self> {
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let why = format!("must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters without blanks");
            return Err(Error::invalid("Idempotency-Key", why));
        }
        Ok(Self { key: key.to_owned(), fingerprint, repeated: Arc::default() })
    }

    /// Whether the request was answered with what an earlier one with this key had been answered.
    pub fn was_repeated(&self) -> bool {
        self.repeated.load(Ordering::Relaxed)
    }

    /// What an earlier request with this key was answered, if there was one.
    pub(crate) fn answered_before<T: Answer>(
        &self,
        tx: &mut dyn Tx,
        tenant: &TenantId,
        sealer: &Sealer,
    ) -> Result<Option<T>> {
        let known = tx.idempotency_find(tenant, &self.key)?;
        known.map(|known| self.repeat(&known, tx, tenant, sealer)).transpose()
    }

    /// Does `work` and keeps its answer, or gives the answer that is kept already.
    pub(crate) fn once<T: Answer>(
        &self,
        tx: &mut Write<'_>,
        tenant: &TenantId,
        work: impl FnOnce(&mut Write<'_>) -> Result<T>,
    ) -> Result<T> {
        // Claimed first: on Postgres a rival with the same key waits here until this transaction has ended.
        let (now, sealer) = (tx.now(), &tx.ports().sealer);
        if let Some(known) = tx.idempotency_claim(tenant, &self.key, &self.stored_fingerprint(sealer), now)? {
            return self.repeat(&known, &mut **tx, tenant, sealer);
        }
        let answer = work(tx)?;
        let sealed = tx.ports().sealer.seal(&self.seal_place(tenant), &answer.keep()?)?;
        tx.idempotency_answer(tenant, &self.key, &sealed)?;
        Ok(answer)
    }

    /// The fingerprint under a key derived from the master key. A request may carry a password, and with the database alone
    /// nobody shall be able to try passwords against a fast hash.
    fn stored_fingerprint(&self, sealer: &Sealer) -> String {
        let mut mac = sealer.mac(FINGERPRINT);
        mac.update(self.fingerprint.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// An answer may hold what is a secret, such as a pairing code.
    fn seal_place(&self, tenant: &TenantId) -> String {
        format!("idempotency/{tenant}/{}", self.key)
    }

    fn repeat<T: Answer>(
        &self,
        known: &IdempotencyEntry,
        tx: &mut dyn Tx,
        tenant: &TenantId,
        sealer: &Sealer,
    ) -> Result<T> {
        if known.fingerprint != self.stored_fingerprint(sealer) {
            return Err(Error::Conflict {
                code: "idempotency_key_reused",
                why: "this Idempotency-Key came with a different request before; use a new key".to_owned(),
            });
        }
        self.repeated.store(true, Ordering::Relaxed);
        T::restore(&sealer.open(&self.seal_place(tenant), &known.sealed_answer)?, tx, tenant)
    }
}

/// Keeps an id and reads the row again: for operations that change what is there, which come without a key.
macro_rules! answers_by_id {
    ($($noun:ty, $what:literal: |$tx:ident, $tenant:ident, $id:ident| $find:expr;)*) => {$(
        impl Answer for $noun {
            fn keep(&self) -> Result<Vec<u8>> {
                Ok(self.id.as_str().as_bytes().to_vec())
            }

            fn restore(kept: &[u8], $tx: &mut dyn Tx, $tenant: &TenantId) -> Result<Self> {
                let text = String::from_utf8_lossy(kept);
                let $id = &text.parse()?;
                $find?.ok_or_else(|| Error::not_found($what, text))
            }
        }
    )*};
}

answers_by_id! {
    crate::model::access::User, "user": |tx, tenant, id| tx.user_find(tenant, id);
    crate::model::device::Device, "device": |tx, tenant, id| tx.device_find(tenant, id);
    crate::model::webhook::Webhook, "webhook": |tx, tenant, id| tx.webhook_find(tenant, id);
}

/// For requests that answer nothing.
impl Answer for () {
    fn keep(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn restore(_: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        Ok(())
    }
}

impl Answer for Message {
    fn keep(&self) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Kept<'m>(#[serde(with = "KeptMessage")] &'m Message);
        written(&Kept(self))
    }

    fn restore(kept: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        #[derive(Deserialize)]
        struct Kept(#[serde(with = "KeptMessage")] Message);
        read::<Kept>(kept).map(|kept| kept.0)
    }
}

/// A message as it is kept: whole, because who waits for its outcome needs the noun again.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Message")]
struct KeptMessage {
    id: MessageId,
    tenant: TenantId,
    device: DeviceId,
    direction: Direction,
    chat: Party,
    sender: Option<Party>,
    sender_name: Option<String>,
    whatsapp_id: String,
    content: Content,
    status: MessageStatus,
    error: Option<SendFailure>,
    created_at: UtcMs,
    timestamp: UtcMs,
    times: StatusTimes,
    context: MessageContext,
    state: MessageState,
}

impl Answer for crate::model::plugin::PluginOffer {
    fn keep(&self) -> Result<Vec<u8>> {
        Ok(self.plugin.clone().into_bytes())
    }

    fn restore(kept: &[u8], tx: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        let plugin = String::from_utf8_lossy(kept);
        tx.plugin_offer_find(&plugin)?.ok_or_else(|| Error::not_found("plugin", plugin))
    }
}

impl Answer for crate::model::plugin::Enablement {
    fn keep(&self) -> Result<Vec<u8>> {
        Ok(format!("{}/{}", self.plugin, self.id).into_bytes())
    }

    fn restore(kept: &[u8], tx: &mut dyn Tx, tenant: &TenantId) -> Result<Self> {
        let text = String::from_utf8_lossy(kept);
        let (plugin, id) = text.split_once('/').unwrap_or_default();
        let found = tx.enablement_list(tenant, plugin)?.into_iter().find(|row| row.id.as_str() == id);
        found.ok_or_else(|| Error::not_found("enablement of the plugin", plugin))
    }
}

impl Answer for Member {
    fn keep(&self) -> Result<Vec<u8>> {
        Ok(self.user.id.as_str().as_bytes().to_vec())
    }

    fn restore(kept: &[u8], tx: &mut dyn Tx, tenant: &TenantId) -> Result<Self> {
        let user = <crate::model::access::User as Answer>::restore(kept, tx, tenant)?;
        Ok(Self { devices: tx.user_devices(tenant, &user.id)?, user })
    }
}

impl Answer for u64 {
    fn keep(&self) -> Result<Vec<u8>> {
        Ok(self.to_string().into_bytes())
    }

    fn restore(kept: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
        String::from_utf8_lossy(kept).parse().map_err(|e| Error::internal("reading a kept answer", e))
    }
}

/// Keeps the answer itself, where nothing stored holds it.
macro_rules! answers_kept_whole {
    ($($answer:ty)*) => {$(
        impl Answer for $answer {
            fn keep(&self) -> Result<Vec<u8>> {
                written(self)
            }

            fn restore(kept: &[u8], _: &mut dyn Tx, _: &TenantId) -> Result<Self> {
                read(kept)
            }
        }
    )*};
}

answers_kept_whole! {
    String
    crate::ports::whatsapp::PairingCode
    crate::model::group::JoinedGroup
    crate::model::group::MadeGroup
    Vec<crate::model::group::MemberResult>
}
