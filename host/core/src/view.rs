//! Shapes that the views of nouns share: how they become the types of the REST core.

use portico_api::Timestamp;

use crate::page::Page;
use crate::time::UtcMs;

/// Converts between two enums whose variants have the same names.
macro_rules! same_variants {
    ($core:ty, $api:ty: $($variant:ident),+ $(,)?) => {
        impl From<$core> for $api {
            fn from(from: $core) -> Self {
                match from { $(<$core>::$variant => Self::$variant),+ }
            }
        }

        impl From<$api> for $core {
            fn from(from: $api) -> Self {
                match from { $(<$api>::$variant => Self::$variant),+ }
            }
        }
    };
}

/// Writes a noun as its view, wherever the noun itself is serialized.
macro_rules! serialized_as_view {
    ($noun:ty, $view:ty) => {
        impl serde::Serialize for $noun {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$view>::from(self).serialize(serializer)
            }
        }
    };
}

impl From<UtcMs> for Timestamp {
    fn from(time: UtcMs) -> Self {
        Self::new(time.iso())
    }
}

impl<T> Page<T> {
    /// The page as the REST core shows it.
    pub fn view<V: for<'t> From<&'t T>>(&self) -> portico_api::Page<V> {
        portico_api::Page {
            items: self.items.iter().map(V::from).collect(),
            next: self.next.clone(),
            total: self.total,
        }
    }
}
