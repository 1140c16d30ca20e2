//! The user behind an API key: the first user of the key's tenant.

use portico_sdk::api::{KeyText, MadeKey, User};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::CoreError;
use serde_json::{Value, json};

use crate::{Accounts, bad};

/// What the text of an API key begins with.
pub(crate) const KEY_PREFIX: &str = "api_";

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits of a user's id behind its time that go into the number.
const TAIL_BITS: u32 = 11;
/// The largest integer that a JSON number holds exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// The number of a user as this API shows it: the time in the user's id and its last bits, which no other user of the gateway
/// has. The core's own number begins anew in each tenant, and clients of this API compare the ids of different users.
pub(crate) fn number_of(id: &str) -> u64 {
    let digits = id.rsplit('_').next().unwrap_or(id);
    let mut bits: u128 = 0;
    for byte in digits.bytes() {
        let value = ALPHABET.iter().position(|c| *c == byte.to_ascii_lowercase()).unwrap_or(0) as u128;
        bits = (bits << 5) | value;
    }
    // An id is 48 bits of time in milliseconds and 80 random ones.
    let tail = bits & ((1 << TAIL_BITS) - 1);
    let number = ((bits >> 80) << TAIL_BITS) | tail;
    u64::try_from(number & u128::from(NUMBER_MAX)).unwrap_or(NUMBER_MAX)
}

/// The user whose API key came with the request.
pub(crate) fn own(call: &Call<Accounts>) -> Result<User, Fault> {
    let users: Vec<User> = call.gateway.all("/v1/users")?;
    users.into_iter().min_by_key(|user| user.number).ok_or_else(bad::no_such_resource)
}

/// The same, if `id` is the user's number.
pub(crate) fn own_named(call: &Call<Accounts>, id: &str) -> Result<User, Fault> {
    let user = own(call)?;
    if id == number_of(&user.id).to_string() { Ok(user) } else { Err(bad::not_yours()) }
}

/// The text of the user's API key: the first one, or another that can be shown when that one was revoked, or a new one.
pub(crate) fn api_key(call: &Call<Accounts>) -> Result<String, Fault> {
    match call.gateway.get("/v1/keys/no:1/secret") {
        Ok(answer) => return Ok(answer.json::<KeyText>()?.key),
        Err(CoreError::Problem(problem)) if matches!(problem.status, 404 | 409) => {}
        Err(other) => return Err(other.into()),
    }
    let keys: Vec<MadeKey> = call.gateway.all("/v1/keys?reveal=true")?;
    let shown = keys.into_iter().filter(|made| made.key.device.is_none()).find_map(|made| made.secret);
    if let Some(text) = shown.filter(|text| text.starts_with(KEY_PREFIX)) {
        return Ok(text);
    }
    let scopes = [
        "devices:read",
        "devices:write",
        "messages:read",
        "messages:write",
        "webhooks:read",
        "webhooks:write",
        "keys:write",
    ];
    let new = json!({ "name": "API key", "prefix": KEY_PREFIX, "revealable": true, "scopes": scopes });
    let made: MadeKey = call.gateway.post("/v1/keys", &new)?.json()?;
    made.secret.ok_or_else(bad::no_such_resource)
}

/// A mobile number as this API writes it.
pub(crate) fn mobile(user: &User) -> Option<String> {
    user.mobile.as_ref().map(|digits| format!("+{digits}"))
}

/// A user as this API shows it.
pub(crate) fn shown(user: &User, key: &str) -> Value {
    json!({ "id": number_of(&user.id), "name": user.name, "mobile": mobile(user), "role": "user", "apiKey": key,
        "createdAt": user.created_at })
}

#[cfg(test)]
mod tests {
    use super::{NUMBER_MAX, number_of};

    #[test]
    fn numbers_of_users_differ_by_time_and_by_chance() {
        assert_eq!(number_of("usr_00000000010000000000000002"), (1 << 11) | 2);
        assert_ne!(number_of("usr_00000000010000000000000002"), number_of("usr_00000000010000000000000003"));
        assert_ne!(number_of("usr_00000000010000000000000002"), number_of("usr_00000000020000000000000002"));
        assert!(number_of("usr_7zzzzzzzzzzzzzzzzzzzzzzzzz") <= NUMBER_MAX);
    }
}
