//! Points in time: milliseconds since 1970 in storage and arithmetic, ISO-8601 in UTC in every JSON.

use std::ops::Add;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// Unix time in milliseconds; written as `2026-01-31T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMs(pub i64);

impl UtcMs {
    /// The time as ISO-8601 with milliseconds, in UTC.
    pub fn iso(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads ISO-8601 with any offset; `field` names the value in the error.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self(time.timestamp_millis())),
            Err(_) => Err(Error::invalid(field, "must be a time such as 2026-01-31T12:00:00Z")),
        }
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: UtcMs) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for UtcMs {
    type Output = UtcMs;

    fn add(self, span: Duration) -> UtcMs {
        UtcMs(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Serialize for UtcMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.iso())
    }
}

impl<'de> Deserialize<'de> for UtcMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(UtcMs(time.timestamp_millis()))
    }
}

/// The time. Tests give a fixed one.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> UtcMs;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_iso_8601_in_utc() {
        let json = serde_json::to_string(&UtcMs(1_767_225_600_123)).unwrap();
        assert_eq!(json, "\"2026-01-01T00:00:00.123Z\"");
        assert_eq!(serde_json::from_str::<UtcMs>(&json).unwrap(), UtcMs(1_767_225_600_123));
    }
}
