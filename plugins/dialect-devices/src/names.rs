//! What things are called in this API and in the core.

use portico_sdk::api::{Device, DeviceState};
use portico_sdk::gateway::segment;

/// The prefix of device ids in the core. This API's own keys of devices begin with the same letters.
const DEVICE_PREFIX: &str = "dev_";
/// The prefixes of file ids: in the core and here.
const MEDIA_PREFIX: &str = "med_";
const FILE_PREFIX: &str = "file_";
/// Characters of an id behind its prefix.
const ID_CHARS: usize = 26;
/// The namespace of refs that hold session ids.
pub(crate) const SESSION: &str = "devices.session";

/// A device id as a path of the core takes it. Webhooks about messages carry the core's own id, so that one is taken too.
pub(crate) fn device_of(id: &str) -> Option<String> {
    if id.parse::<u32>().is_ok() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("no:{id}"));
    }
    has_id_chars(id.strip_prefix(DEVICE_PREFIX)?).then(|| id.to_owned())
}

/// The core's id of a file.
pub(crate) fn media_of(file: &str) -> Option<String> {
    let rest = file.strip_prefix(FILE_PREFIX)?;
    let chars = rest.split_once('.').map_or(rest, |(chars, _)| chars);
    has_id_chars(chars).then(|| format!("{MEDIA_PREFIX}{chars}"))
}

/// This API's id of a file. The id alone lets anybody see the file here, so it is made of the token of a link: that begins with the
/// core's id, and the core signs it.
pub(crate) fn file_of(token: &str) -> String {
    format!("{FILE_PREFIX}{}", token.strip_prefix(MEDIA_PREFIX).unwrap_or(token))
}

/// The token of the link in a file's id; `None` for an id that has none.
pub(crate) fn link_of(file: &str) -> Option<String> {
    let rest = file.strip_prefix(FILE_PREFIX).filter(|rest| rest.contains('.'))?;
    Some(format!("{MEDIA_PREFIX}{rest}"))
}

fn has_id_chars(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The id of a session; `None` when no path could name it: the host lets no path with two dots through.
pub(crate) fn session_of(user: &str, alias: &str) -> Option<String> {
    let session = format!("user_{user}_device_{alias}");
    (!session.contains("..")).then_some(session)
}

/// A session's device, as a path of the core takes it.
pub(crate) fn device_of_session(session: &str) -> Option<String> {
    (!session.contains("..")).then(|| format!("ref:{SESSION}:{}", segment(session)))
}

/// A message's id, as a path of the core takes it.
pub(crate) fn message_of(id: &str) -> Option<&str> {
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(id)
}

/// The namespace of the aliases of one user. A namespace for each user lets the core itself find the user's devices and refuse
/// a repeated alias. Namespaces are short and take few characters, hence a digest (64-bit FNV-1a): two users that should share
/// one are told apart by the device's settings.
pub(crate) fn aliases_of(user: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = user.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("devices.user.{hash:016x}")
}

/// This API's status of a device. Until it is linked it is `pending`, also while it dials WhatsApp for a QR code.
pub(crate) fn status_of(device: &Device) -> &'static str {
    match device.state {
        DeviceState::Connected => "connected",
        DeviceState::Reconnecting => "connecting",
        DeviceState::Connecting if device.jid.is_some() => "connecting",
        DeviceState::Created | DeviceState::Connecting | DeviceState::Pairing | DeviceState::PasskeyRequired => {
            "pending"
        }
        DeviceState::Disconnected => "disconnected",
        DeviceState::LoggedOut => "logged_out",
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
    fn ids_of_devices_are_numbers_or_the_cores() {
        assert_eq!(device_of("7").as_deref(), Some("no:7"));
        let own = "dev_00000000000000000000000011";
        assert_eq!(device_of(own).as_deref(), Some(own));
        for text in ["", "+7", "-1", "99999999999", "dev_", "dev_../../keys/0000000000000000", "ref:a:b"] {
            assert_eq!(device_of(text), None, "{text}");
        }
    }

    #[test]
    fn ids_of_files_differ_by_their_prefix() {
        let (file, media) = ("file_00000000000000000000000021", "med_00000000000000000000000021");
        assert_eq!(media_of(file).as_deref(), Some(media));
        assert_eq!(file_of(media), file);
        let linked = file_of(&format!("{media}.ten.seal"));
        assert_eq!(media_of(&linked).as_deref(), Some(media));
        assert_eq!((link_of(&linked), link_of(file)), (Some(format!("{media}.ten.seal")), None));
        assert_eq!(media_of("file_nosuch"), None);
        assert_eq!(media_of(media), None);
    }

    #[test]
    fn each_user_has_a_namespace_the_core_takes() {
        let (one, other) = (aliases_of("user 1/ä"), aliases_of("user 2/ä"));
        assert!(one.len() <= 32 && one != other);
        assert!(one.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.'));
        // Stored in refs: it must never change.
        assert_eq!(aliases_of(""), "devices.user.cbf29ce484222325");
    }

    #[test]
    fn only_jids_with_a_phone_number_have_one() {
        assert_eq!(phone_of("15550100001:7@s.whatsapp.net").as_deref(), Some("+15550100001"));
        assert_eq!(phone_of("1203630@g.us"), None);
        assert_eq!(phone_of("99@lid"), None);
    }
}
