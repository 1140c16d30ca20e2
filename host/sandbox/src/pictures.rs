//! Profile pictures of accounts and groups: kept unencrypted by id, as the real service does, and served by the media
//! host. A preview is the picture itself; the sandbox resizes nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Limits;
use crate::clock::now_ms;
use crate::sync::held;

/// Where the media host serves pictures.
pub(crate) const PATH_PREFIX: &str = "/v/pictures/";

/// One picture as the snapshot keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPicture {
    id: String,
    #[serde(with = "crate::bytes_text")]
    bytes: Vec<u8>,
}

/// All pictures, by id.
pub(crate) struct Pictures {
    by_id: Mutex<BTreeMap<String, Bytes>>,
    max: usize,
}

impl Pictures {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { by_id: Mutex::default(), max: limits.pictures_max }
    }

    /// Keeps a picture; its id, a number that grows. Beyond the limit the oldest is forgotten.
    pub(crate) fn put(&self, bytes: Bytes) -> String {
        let mut by_id = held(&self.by_id);
        let newest = by_id.last_key_value().and_then(|(id, _)| id.parse().ok()).unwrap_or(0);
        let id = now_ms().max(newest + 1).to_string();
        by_id.insert(id.clone(), bytes);
        while by_id.len() > self.max {
            by_id.pop_first();
        }
        id
    }

    /// A picture's bytes.
    pub(crate) fn get(&self, id: &str) -> Option<Bytes> {
        held(&self.by_id).get(id).cloned()
    }

    /// Forgets a picture.
    pub(crate) fn remove(&self, id: &str) {
        held(&self.by_id).remove(id);
    }

    /// Copies the pictures out.
    pub(crate) fn save(&self) -> Vec<SavedPicture> {
        let by_id = held(&self.by_id);
        by_id.iter().map(|(id, bytes)| SavedPicture { id: id.clone(), bytes: bytes.to_vec() }).collect()
    }

    /// Puts pictures back.
    pub(crate) fn restore(&self, saved: Vec<SavedPicture>) {
        held(&self.by_id).extend(saved.into_iter().map(|picture| (picture.id, picture.bytes.into())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_the_oldest_goes_first() {
        let pictures = Pictures::new(&Limits { pictures_max: 2, ..Limits::default() });
        let ids = ["a", "b", "c"].map(|one| pictures.put(Bytes::from_static(one.as_bytes())));
        assert!(ids.is_sorted());
        let kept = ids.map(|id| pictures.get(&id).is_some());
        assert_eq!(kept, [false, true, true]);
    }
}
