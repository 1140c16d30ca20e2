//! Account tokens: keys that are bound to a device and whose text begins with the device's number, `acc_7_…`.
//!
//! A row that comes with an API key finds the device by that number and then looks whether the whole token is one of its keys.

use portico_sdk::api::{Device, MadeKey, Scope};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::gateway::segment;
use serde_json::json;

use crate::{Accounts, bad};

const PREFIX: &str = "acc_";

/// What a holder of the token may do: run the account and send. Keys and webhooks stay with the API key.
const SCOPES: [Scope; 4] = [Scope::DevicesRead, Scope::DevicesWrite, Scope::MessagesRead, Scope::MessagesWrite];

/// The number of the device that a token is for.
fn number_of(token: &str) -> Option<u32> {
    let (number, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    if secret.is_empty() { None } else { number.parse().ok() }
}

/// Makes the token of a device.
pub(crate) fn make(call: &Call<Accounts>, device: &Device) -> Result<String, Fault> {
    let new = json!({ "name": "account token", "device": device.id, "scopes": SCOPES,
        "prefix": format!("{PREFIX}{}_", device.number), "revealable": true });
    let made: MadeKey = call.gateway.post("/v1/keys", &new)?.json()?;
    made.secret.ok_or_else(bad::no_such_resource)
}

/// The tokens among keys, oldest first, with the devices they are for.
fn among(mut keys: Vec<MadeKey>) -> impl Iterator<Item = (String, String)> {
    keys.sort_by_key(|made| made.key.number);
    keys.into_iter().filter_map(|made| {
        let text = made.secret.filter(|text| text.starts_with(PREFIX) && made.key.revoked_at.is_none())?;
        Some((made.key.device?, text))
    })
}

/// The tokens of all the caller's devices, by device; of several the oldest.
pub(crate) fn all(call: &Call<Accounts>) -> Result<std::collections::BTreeMap<String, String>, Fault> {
    let mut tokens = std::collections::BTreeMap::new();
    for (device, text) in among(call.gateway.all("/v1/keys?reveal=true")?) {
        tokens.entry(device).or_insert(text);
    }
    Ok(tokens)
}

/// The caller's device that a token is for. A token of somebody else is told like one that never was.
pub(crate) fn owned(call: &Call<Accounts>, token: &str) -> Result<Device, Fault> {
    let number = number_of(token).ok_or_else(bad::no_such_resource)?;
    let device: Device = call.gateway.get(&format!("/v1/devices/no:{number}"))?.json()?;
    let keys: Vec<MadeKey> = call.gateway.all(&format!("/v1/keys?device={}&reveal=true", segment(&device.id)))?;
    let is_its_own = among(keys).any(|(_, text)| text == token);
    if is_its_own { Ok(device) } else { Err(bad::no_such_resource()) }
}

/// The device of the token that stands in a path and is the only credential. What follows runs with the token's rights.
pub(crate) fn assumed(call: &Call<Accounts>, token: &str) -> Result<Device, Fault> {
    // Any key would do for `assume`, so other keys are refused before they lend their rights.
    let number = number_of(token).ok_or_else(bad::no_such_resource)?;
    call.gateway.assume(token)?;
    let devices: Vec<Device> = call.gateway.all("/v1/devices")?;
    devices.into_iter().find(|device| device.number == number).ok_or_else(bad::no_such_resource)
}

/// The device of the account token that came in a header.
pub(crate) fn presented<'a>(call: &'a Call<Accounts>) -> Result<&'a str, Fault> {
    call.identity().and_then(|identity| identity.device.as_deref()).ok_or_else(bad::wrong_credentials)
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn a_token_spells_the_number_of_its_device() {
        assert_eq!(number_of("acc_12_abc_def"), Some(12));
        for text in ["", "acc_", "acc_12", "acc_12_", "acc_x_abc", "api_12_abc", "acc_-1_abc"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }
}
