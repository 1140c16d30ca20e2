//! The account's app state as its phone sees and writes it: the phone owns the key, so it can open every patch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::appstate::encode::encode_record;
use whatsapp_rust::wacore::appstate::hash::{HashState, generate_patch_mac};
use whatsapp_rust::wacore::appstate::keys::{ExpandedAppStateKeys, expand_app_state_keys};
use whatsapp_rust::wacore::appstate::processor::process_patch;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::syncd_mutation::SyncdOperation;

use super::AppStateKey;
use crate::Error;
use crate::app_state::AppState;
use crate::identity::random;

/// One record of the app state, as an app would show it.
#[derive(Debug, Clone, Serialize)]
pub struct AppStateEntry {
    /// The collection (`regular`, `critical_block`, …).
    pub collection: String,
    /// What the record is about, for example `["mute", "15550100002@s.whatsapp.net"]`.
    pub index: Vec<String>,
    /// The value, in the protocol's names; fields that are not set are left out.
    pub value: Value,
}

/// One collection, opened.
struct Opened {
    hash: HashState,
    /// The checksum of each record's value, by that of its index.
    values: HashMap<Vec<u8>, Vec<u8>>,
    records: BTreeMap<Vec<String>, wa::SyncActionValue>,
}

fn keys(key: &AppStateKey) -> Arc<ExpandedAppStateKeys> {
    Arc::new(expand_app_state_keys(&key.key))
}

/// Opens a collection from its first patch on. Records under a key the phone does not have are left out.
fn open(state: &AppState, collection: &str, key: &AppStateKey) -> Opened {
    let keys = keys(key);
    let mut opened = Opened { hash: HashState::default(), values: HashMap::new(), records: BTreeMap::new() };
    for patch in state.after(collection, 0).patches {
        let Ok(patch) = wa::SyncdPatch::decode_from_slice(&patch) else { continue };
        let Opened { hash, values, records } = &mut opened;
        let found = |index: &[u8]| Ok(values.get(index).cloned());
        let Ok(result) = process_patch(&patch, hash, |_| Ok(Arc::clone(&keys)), found, false, collection) else {
            tracing::warn!(collection, "sandbox phone cannot open a patch of the app state");
            continue;
        };
        for gone in result.removed_index_macs {
            values.remove(&gone);
        }
        values.extend(result.added_macs.into_iter().map(|macs| (macs.index_mac, macs.value_mac)));
        for mutation in result.mutations {
            match (mutation.operation, mutation.action_value) {
                (SyncdOperation::SET, Some(value)) => drop(records.insert(mutation.index, value)),
                _ => drop(records.remove(&mutation.index)),
            }
        }
    }
    opened
}

/// Every record of every collection.
pub(super) fn entries(state: &AppState, key: &AppStateKey) -> Vec<AppStateEntry> {
    let mut entries = Vec::new();
    for collection in state.names() {
        let records = open(state, &collection, key).records;
        entries.extend(records.into_iter().map(|(index, value)| AppStateEntry {
            collection: collection.clone(),
            index,
            value: serde_json::to_value(&value).map(bare).unwrap_or_default(),
        }));
    }
    entries
}

/// Leaves out what is not set.
pub(crate) fn bare(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, bare(value)))
                .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()))
                .collect(),
        ),
        Value::Array(all) => Value::Array(all.into_iter().map(bare).collect()),
        other => other,
    }
}

/// Writes one record as the phone; the collection's new version.
pub(super) fn write(
    state: &mut AppState,
    key: &AppStateKey,
    collection: &str,
    index: &[&str],
    value: &wa::SyncActionValue,
    version: i32,
    patches_max: usize,
) -> Result<u64, Error> {
    let keys = keys(key);
    let opened = open(state, collection, key);
    let base = opened.hash.version;
    let index = serde_json::to_vec(index).map_err(|_| Error::Invalid { why: "the index cannot be written" })?;
    let (mutation, _) = encode_record(SyncdOperation::SET, &index, value, &keys, &key.id, &random(), version);
    let mut hash = HashState { version: base + 1, ..opened.hash };
    let (_, updated) =
        hash.update_hash(std::slice::from_ref(&mutation), |index, _| Ok(opened.values.get(index).cloned()));
    updated.map_err(|_| Error::Invalid { why: "the record cannot be written as app state" })?;
    let mut patch = wa::SyncdPatch {
        snapshot_mac: Some(hash.generate_snapshot_mac(collection, &keys.snapshot_mac)),
        key_id: MessageField::some(wa::KeyId { id: Some(key.id.to_vec()) }),
        mutations: vec![mutation],
        ..Default::default()
    };
    patch.patch_mac = Some(generate_patch_mac(&patch, collection, &keys.patch_mac, base + 1));
    let appended = state.append(collection, base, &patch.encode_to_vec(), patches_max);
    Ok(appended.map_err(|_| Error::LimitReached { limit: "app_state_patches_max" })?.version)
}
