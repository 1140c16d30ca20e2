//! How durations are written in settings: a whole number, in the unit that the last part of the key names.
//!
//! Each adapter declares its settings as a struct with `Default`, doc comments and `#[schemars(range(…))]`; the binary reads the
//! configuration file into these structs and prints them. The types here are for `#[serde(with = "…")]` on a [`Duration`].

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer};

/// Seconds; for keys that end in `_s`.
pub struct Seconds;

/// Milliseconds; for keys that end in `_ms`.
pub struct Millis;

/// Days of 24 hours; for keys that end in `_days`.
pub struct Days;

/// A list of durations in seconds; for keys that end in `_s`.
pub struct SecondsList;

const MS_PER_SECOND: u64 = 1_000;
const MS_PER_DAY: u64 = 24 * 3_600 * MS_PER_SECOND;

fn whole(span: Duration, unit_ms: u64) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX) / unit_ms
}

fn span(count: u64, unit_ms: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(unit_ms))
}

macro_rules! unit {
    ($name:ident, $unit_ms:expr) => {
        impl $name {
            /// Writes a duration as a whole number of this unit, rounded down.
            ///
            /// # Errors
            /// Those of the serializer.
            pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u64(whole(*value, $unit_ms))
            }

            /// Reads a duration from a whole number of this unit.
            ///
            /// # Errors
            /// When the value is no whole number, or negative.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
                u64::deserialize(deserializer).map(|count| span(count, $unit_ms))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                u64::json_schema(generator)
            }
        }
    };
}

unit!(Seconds, MS_PER_SECOND);
unit!(Millis, 1);
unit!(Days, MS_PER_DAY);

impl SecondsList {
    /// Writes each duration as whole seconds.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(|each| whole(*each, MS_PER_SECOND)))
    }

    /// Reads each duration from whole seconds.
    ///
    /// # Errors
    /// When the value is no list of whole numbers.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        let counts = Vec::<u64>::deserialize(deserializer)?;
        Ok(counts.into_iter().map(|count| span(count, MS_PER_SECOND)).collect())
    }
}

impl JsonSchema for SecondsList {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecondsList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<u64>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        #[serde(with = "Seconds")]
        a_s: Duration,
        #[serde(with = "Millis")]
        b_ms: Duration,
        #[serde(with = "Days")]
        c_days: Duration,
        #[serde(with = "SecondsList")]
        d_s: Vec<Duration>,
    }

    #[test]
    fn durations_are_numbers_in_the_unit_of_the_key() {
        let sample = Sample {
            a_s: Duration::from_secs(90),
            b_ms: Duration::from_millis(250),
            c_days: Duration::from_secs(7 * 86_400),
            d_s: vec![Duration::from_secs(5), Duration::from_secs(300)],
        };
        let json = json!({ "a_s": 90, "b_ms": 250, "c_days": 7, "d_s": [5, 300] });
        assert_eq!(serde_json::to_value(&sample).unwrap(), json);
        assert_eq!(serde_json::from_value::<Sample>(json).unwrap(), sample);
        assert!(serde_json::from_value::<Sample>(json!({ "a_s": -1, "b_ms": 0, "c_days": 0, "d_s": [] })).is_err());
    }
}
