//! Instance ids: the UUID spelling of a device id.
//!
//! `dev_` and 26 characters of Crockford's base32 in lower case on one side, 32 hexadecimal digits with four dashes on the
//! other; both spell the same 128 bits, so neither side needs a table.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX: &str = "dev_";
const DIGITS: usize = 26;
/// Where a UUID has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The instance id of a device id; `None` when it is none.
pub(crate) fn instance_of(device: &str) -> Option<String> {
    let digits = device.strip_prefix(PREFIX)?;
    if digits.len() != DIGITS {
        return None;
    }
    let mut bits: u128 = 0;
    for (i, byte) in digits.bytes().enumerate() {
        let value = ALPHABET.iter().position(|c| *c == byte.to_ascii_lowercase())? as u128;
        if i == 0 && value > 7 {
            return None; // 26 digits hold 130 bits; the two highest must be zero.
        }
        bits = (bits << 5) | value;
    }
    let hex = format!("{bits:032x}");
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

/// The device id of an instance id; `None` when it is no UUID.
pub(crate) fn device_of(instance: &str) -> Option<String> {
    if instance.len() != 36 {
        return None;
    }
    let mut bits: u128 = 0;
    for (i, byte) in instance.bytes().enumerate() {
        match (DASHES.contains(&i), byte) {
            (true, b'-') => {}
            (false, _) => bits = (bits << 4) | u128::from(char::from(byte).to_digit(16)?),
            (true, _) => return None,
        }
    }
    let digit = |i: usize| char::from(ALPHABET[(bits >> (5 * (DIGITS - 1 - i)) & 31) as usize]);
    Some(PREFIX.chars().chain((0..DIGITS).map(digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_lead_to_each_other() {
        for bits in [0, 1, u128::MAX, 0x0198_c0ff_ee00_7000_8000_1234_5678_9abc] {
            let hex = format!("{bits:032x}");
            let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
            let device = device_of(&uuid).expect("a device id");
            assert_eq!(instance_of(&device).as_deref(), Some(uuid.as_str()), "{device}");
        }
    }

    #[test]
    fn a_known_pair_holds() {
        // 7ZZZ… is the largest ULID.
        assert_eq!(
            device_of("ffffffff-ffff-ffff-ffff-ffffffffffff").as_deref(),
            Some("dev_7zzzzzzzzzzzzzzzzzzzzzzzzz")
        );
        assert_eq!(
            device_of("00000000-0000-0000-0000-000000000021").as_deref(),
            Some("dev_00000000000000000000000011")
        );
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in
            ["", "no-such-instance", "ffffffff-ffff-ffff-ffff-fffffffffffg", "ffffffffffffffffffffffffffffffffffff"]
        {
            assert_eq!(device_of(text), None, "{text}");
        }
        for text in [
            "dev_",
            "dev_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "key_00000000000000000000000000",
            "dev_é0000000000000000000000000",
        ] {
            assert_eq!(instance_of(text), None, "{text}");
        }
    }
}
