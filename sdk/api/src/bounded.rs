//! Lists and maps that refuse to become longer than their limit while they are read.
//!
//! A body of a megabyte holds a quarter of a million short names. A limit that is checked afterwards has paid for all of them
//! already; here the first element too many ends the reading.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// A list of at most `MAX` elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedVec<T, const MAX: usize>(Vec<T>);

/// A map of at most `MAX` entries, from texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedMap<T, const MAX: usize>(BTreeMap<String, T>);

impl<T, const MAX: usize> BoundedVec<T, MAX> {
    /// The list as such.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> BoundedMap<T, MAX> {
    /// The map as such.
    pub fn into_inner(self) -> BTreeMap<String, T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for BoundedMap<T, MAX> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Keeps the list as it is: the limit is for what is read.
impl<T, const MAX: usize> From<Vec<T>> for BoundedVec<T, MAX> {
    fn from(list: Vec<T>) -> Self {
        Self(list)
    }
}

/// Keeps the map as it is: the limit is for what is read.
impl<T, const MAX: usize> From<BTreeMap<String, T>> for BoundedMap<T, MAX> {
    fn from(map: BTreeMap<String, T>) -> Self {
        Self(map)
    }
}

impl<T, const MAX: usize> Deref for BoundedVec<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Serialize, const MAX: usize> Serialize for BoundedVec<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for BoundedMap<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn too_many<E: Error>(max: usize) -> E {
    E::custom(format_args!("must have at most {max} entries"))
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = BoundedVec<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MAX {
            match elements.next_element()? {
                Some(element) => list.push(element),
                None => return Ok(BoundedVec(list)),
            }
        }
        match elements.next_element::<IgnoredAny>()? {
            None => Ok(BoundedVec(list)),
            Some(_) => Err(too_many(MAX)),
        }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedVec<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct EntriesVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for EntriesVisitor<T, MAX> {
    type Value = BoundedMap<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        // Counted by entries read: repeated names must not get around the limit.
        for read in 0.. {
            let Some(name) = entries.next_key()? else { break };
            if read == MAX {
                return Err(too_many(MAX));
            }
            map.insert(name, entries.next_value()?);
        }
        Ok(BoundedMap(map))
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for BoundedMap<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type List = BoundedVec<u8, 2>;
    type Map = BoundedMap<u8, 2>;

    #[test]
    fn a_list_or_map_at_its_limit_is_read() {
        assert_eq!(serde_json::from_str::<List>("[1, 2]").unwrap().into_inner(), [1, 2]);
        assert_eq!(serde_json::from_str::<Map>(r#"{"a": 1, "b": 2}"#).unwrap().into_inner().len(), 2);
        assert_eq!(serde_json::to_string(&List::from(vec![1])).unwrap(), "[1]");
    }

    #[test]
    fn the_first_element_too_many_ends_the_reading() {
        // What follows is no JSON any more and is never looked at.
        let list = serde_json::from_str::<List>("[1, 2, 3, }");
        assert!(list.unwrap_err().to_string().contains("at most 2 entries"));
        for text in [r#"{"a": 1, "b": 2, "c": ]"#, r#"{"a": 1, "a": 2, "a": ]"#] {
            assert!(serde_json::from_str::<Map>(text).unwrap_err().to_string().contains("at most 2 entries"));
        }
    }
}
