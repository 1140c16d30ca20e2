//! Names that owners give to things.

use crate::error::{Error, Result};
use crate::limits::Limits;

/// A name as stored: trimmed, not empty, not too long, without control characters.
pub(crate) fn checked_name(limits: &Limits, name: &str) -> Result<String> {
    let name = name.trim();
    let count = name.chars().count();
    if count == 0 || count > limits.name_chars_max || name.chars().any(char::is_control) {
        let why = format!("must have 1 to {} characters and no control characters", limits.name_chars_max);
        return Err(Error::invalid("name", why));
    }
    Ok(name.to_owned())
}
