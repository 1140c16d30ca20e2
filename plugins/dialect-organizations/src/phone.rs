//! Phone numbers as this API writes them: `+` and digits.

use portico_sdk::api::{Device, Party};
use serde_json::Value;

/// Where a device keeps the number it was made with, until the phone that is linked tells its own.
pub(crate) const SETTING: &str = "phone_number";

/// Of a JID with a phone number, the number. Other JIDs (LIDs, groups, channels) have none and stay as they are.
pub(crate) fn of_jid(jid: &str) -> String {
    match jid.strip_suffix("@s.whatsapp.net").and_then(|user| user.split(':').next()) {
        Some(digits) => format!("+{digits}"),
        None => jid.to_owned(),
    }
}

/// The other side of a chat, by number where that is known.
pub(crate) fn of_party(party: &Party) -> String {
    of_jid(party.pn.as_deref().unwrap_or(&party.id))
}

/// The same of a party in an event.
pub(crate) fn of_party_json(party: &Value) -> Option<String> {
    party["pn"].as_str().or_else(|| party["id"].as_str()).map(of_jid)
}

/// The number of a device: that of the linked account, else the one it was made with.
pub(crate) fn of_device(device: &Device) -> Option<String> {
    let made_with = || device.settings.get(SETTING)?.as_str().map(str::to_owned);
    device.jid.as_deref().map(of_jid).or_else(made_with)
}

/// The id of the chat with a number, as the core takes it in filters.
pub(crate) fn to_chat(contact: &str) -> String {
    if contact.contains('@') {
        return contact.to_owned();
    }
    let digits: String = contact.chars().filter(char::is_ascii_digit).collect();
    format!("{digits}@s.whatsapp.net")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_a_plus_and_other_ids_stay() {
        for (jid, shown) in [
            ("15550100001:7@s.whatsapp.net", "+15550100001"),
            ("15550100001@s.whatsapp.net", "+15550100001"),
            ("1203630@g.us", "1203630@g.us"),
            ("77@lid", "77@lid"),
        ] {
            assert_eq!(of_jid(jid), shown);
        }
        // A `+` that was not encoded in a query comes as a blank.
        for contact in ["+15550100002", " 15550100002", "15550100002@s.whatsapp.net"] {
            assert_eq!(to_chat(contact), "15550100002@s.whatsapp.net");
        }
    }
}
