//! Refs: names that other systems give to a device, one in each namespace, unique within the tenant.
//!
//! A system that has ids of its own for devices stores them here and finds the device by them, so that it needs no table of
//! its own.

use std::collections::BTreeMap;

use portico_api::REFS_MAX;

use crate::error::{Error, Result};

/// Characters of a namespace at most.
const NAMESPACE_CHARS_MAX: usize = 32;
/// Characters of a value at most.
const VALUE_CHARS_MAX: usize = 128;

/// The names of one device, by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs(BTreeMap<String, String>);

impl Refs {
    /// Checks names as a caller wants them set.
    pub fn new(refs: BTreeMap<String, String>) -> Result<Self> {
        Self::default().changed(refs.into_iter().map(|(namespace, value)| (namespace, Some(value))))
    }

    /// Names as they came out of the store.
    pub fn stored(refs: BTreeMap<String, String>) -> Self {
        Self(refs)
    }

    /// These names with some set anew, and those without a value removed.
    pub fn changed(&self, patch: impl IntoIterator<Item = (String, Option<String>)>) -> Result<Self> {
        let mut refs = self.0.clone();
        for (namespace, value) in patch {
            check_namespace(&namespace)?;
            match value {
                Some(value) => {
                    check_value(&namespace, &value)?;
                    refs.insert(namespace, value);
                }
                None => drop(refs.remove(&namespace)),
            }
        }
        if refs.len() > REFS_MAX {
            return Err(Error::invalid("refs", format!("must be at most {REFS_MAX}")));
        }
        Ok(Self(refs))
    }

    /// Values by namespace.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn check_namespace(namespace: &str) -> Result<()> {
    let fits = (1..=NAMESPACE_CHARS_MAX).contains(&namespace.len());
    let is_plain =
        namespace.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.'));
    if fits && is_plain {
        return Ok(());
    }
    let why = format!(
        "must have namespaces of 1 to {NAMESPACE_CHARS_MAX} lower-case letters, digits, `_`, `-` and `.`, such as `shop`"
    );
    Err(Error::invalid("refs", why))
}

fn check_value(namespace: &str, value: &str) -> Result<()> {
    let count = value.chars().count();
    if (1..=VALUE_CHARS_MAX).contains(&count) && !value.chars().any(char::is_control) {
        return Ok(());
    }
    let why = format!("must have 1 to {VALUE_CHARS_MAX} characters and no control characters");
    Err(Error::invalid(format!("refs.{namespace}"), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_change_sets_and_removes_and_keeps_the_rest() {
        let before = Refs::new(refs(&[("shop", "7"), ("crm", "a b/c")])).unwrap();
        let patch = [("shop".to_owned(), None), ("erp".to_owned(), Some("9".to_owned()))];
        assert_eq!(before.changed(patch).unwrap().0, refs(&[("crm", "a b/c"), ("erp", "9")]));
    }

    #[test]
    fn names_and_values_are_bounded() {
        for (namespace, value) in [("", "1"), ("Shop", "1"), ("a:b", "1"), ("shop", ""), ("shop", "a\nb")] {
            assert!(Refs::new(refs(&[(namespace, value)])).is_err(), "{namespace:?} {value:?}");
        }
        assert!(Refs::new(refs(&[("shop", &"x".repeat(VALUE_CHARS_MAX + 1))])).is_err());
        let many = (0..=REFS_MAX).map(|n| (format!("n{n}"), "1".to_owned())).collect();
        assert!(Refs::new(many).is_err());
    }
}
