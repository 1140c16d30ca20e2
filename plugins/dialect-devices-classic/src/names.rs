//! What things are called in this API and in the core.

use portico_sdk::api::{Device, DeviceState, Message, MessageStatus, Party};
use portico_sdk::gateway::segment;

/// The namespace of refs that hold session ids.
pub(crate) const SESSION: &str = "classic.session";

/// The largest user id: what a client's JSON holds exactly.
const USER_MAX: u64 = (1 << 53) - 1;

/// A device id as a path of the core takes it.
pub(crate) fn device_of(id: &str) -> Option<String> {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit()) && id.parse::<u32>().is_ok();
    is_number.then(|| format!("no:{id}"))
}

/// A user's id as it stands in a path.
pub(crate) fn user_of(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|user| is_number && is_user(*user))
}

/// Whether a number can be a user's id.
pub(crate) fn is_user(user: u64) -> bool {
    user <= USER_MAX
}

/// The namespace of the sessions of one user, so that the core itself finds the user's devices.
pub(crate) fn sessions_of(user: u64) -> String {
    format!("classic.user.{user}")
}

/// The id of a session; `None` when no path could name it: the host lets no path with two dots through.
pub(crate) fn session_of(user: u64, alias: &str) -> Option<String> {
    let alias: String =
        alias.to_lowercase().chars().map(|letter| if letter.is_whitespace() { '_' } else { letter }).collect();
    (!alias.contains("..")).then(|| format!("user_{user}_device_{alias}"))
}

/// A session's device, as a path of the core takes it.
pub(crate) fn device_of_session(session: &str) -> Option<String> {
    (!session.is_empty() && !session.contains("..")).then(|| format!("ref:{SESSION}:{}", segment(session)))
}

/// A message's id, as a path of the core takes it.
pub(crate) fn message_of(id: &str) -> Option<&str> {
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(id)
}

/// This API's status of a device: `pending` until somebody connects it, and `connecting` while it waits for its QR code to be
/// scanned. An unlinked device is told by `disconnected` too: connecting it asks for a QR code again.
pub(crate) fn status_of(device: &Device) -> &'static str {
    match device.state {
        DeviceState::Created => "pending",
        DeviceState::Connecting | DeviceState::Pairing | DeviceState::PasskeyRequired | DeviceState::Reconnecting => {
            "connecting"
        }
        DeviceState::Connected => "connected",
        DeviceState::Disconnected | DeviceState::LoggedOut => "disconnected",
    }
}

/// This API's status of a message. One that came in is `delivered`: the document has no word of its own for it.
pub(crate) fn status_of_message(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Queued => "pending",
        MessageStatus::Sent => "sent",
        MessageStatus::Delivered | MessageStatus::Received => "delivered",
        MessageStatus::Read | MessageStatus::Played => "read",
        MessageStatus::Failed => "failed",
    }
}

/// This API's type of a message, by the type of the core, or by WhatsApp's own name of what the core stores no more of.
pub(crate) fn type_of_message(message: &Message) -> String {
    let content = serde_json::to_value(&message.content).unwrap_or_default();
    let kind = content["kind"].as_str().or(content["type"].as_str()).unwrap_or_default();
    let known = match kind {
        "voice" => "audio",
        "video_note" => "video",
        "live_location" => "location",
        "contacts" | "contacts_array" => "contact",
        other => other,
    };
    known.to_owned()
}

/// The JID of a party, with the phone number where it is known.
pub(crate) fn jid_of(party: &Party) -> &str {
    party.pn.as_deref().unwrap_or(&party.id)
}

/// An account's JID without the number of its device.
pub(crate) fn account_of(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, server)) => format!("{}@{server}", user.split(':').next().unwrap_or(user)),
        None => jid.to_owned(),
    }
}

/// `+` and the digits of a JID with a phone number.
pub(crate) fn phone_of(jid: &str) -> Option<String> {
    let (user, server) = jid.split_once('@')?;
    let digits = user.split(':').next()?;
    (server == "s.whatsapp.net" && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_devices_and_users_are_numbers() {
        assert_eq!(device_of("7").as_deref(), Some("no:7"));
        assert_eq!(user_of("123"), Some(123));
        for text in ["", "+7", "-1", "99999999999999999999", "dev_1", "ref:a:b"] {
            assert_eq!((device_of(text), user_of(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn a_session_is_named_after_its_user_and_alias() {
        assert_eq!(session_of(123, "My WhatsApp Device").as_deref(), Some("user_123_device_my_whatsapp_device"));
        assert_eq!(session_of(1, "a..b"), None);
        assert_eq!(device_of_session("user_1_device_a b").as_deref(), Some("ref:classic.session:user_1_device_a%20b"));
    }

    #[test]
    fn every_user_has_a_namespace_the_core_takes() {
        assert!(is_user(USER_MAX) && !is_user(USER_MAX + 1));
        assert!(sessions_of(USER_MAX).len() <= 32, "{}", sessions_of(USER_MAX));
    }

    #[test]
    fn jids_are_shown_without_devices() {
        assert_eq!(account_of("15550100001:7@s.whatsapp.net"), "15550100001@s.whatsapp.net");
        assert_eq!(phone_of("15550100001:7@s.whatsapp.net").as_deref(), Some("+15550100001"));
        assert_eq!((phone_of("1203630@g.us"), phone_of("99@lid")), (None, None));
    }
}
