//! Votes of polls. They are encrypted under a secret that went with the poll: for our own polls it can be derived again, that of
//! others the library has put into the backend, or is about to: it writes secrets behind the messages they came with.

use std::collections::BTreeSet;
use std::time::Duration;

use portico_core::message::Change;
use whatsapp_rust::types::durability_hook::InboundMessage;
use whatsapp_rust::wacore::poll::PollVoteCiphertext;
use whatsapp_rust::wacore::store::traits::MsgSecretStore;
use whatsapp_rust::{Client, Jid};

use super::{Reader, content};
use crate::send;

/// How long to wait for the secret of a poll that has just come in, before the first, second, … look for it.
const SECRET_WAITS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400)];

/// The vote that the message makes, and WhatsApp's id of the poll. `None` when it is no vote, or one nobody here can read.
pub(super) async fn of(client: &Client, reader: Reader<'_>, message: &InboundMessage) -> Option<(String, Change)> {
    let update = content::unwrapped(&message.message).poll_update_message.as_option()?;
    let poll = update.poll_creation_message_key.as_option()?;
    let vote = update.vote.as_option()?;
    let (payload, iv) = (vote.enc_payload.as_deref()?, vote.enc_iv.as_deref()?);
    let id = poll.id.as_deref().filter(|id| !id.is_empty())?;
    let ciphertext = PollVoteCiphertext { enc_payload: payload, enc_iv: iv };

    let source = &message.info.source;
    let named = poll.participant.as_deref().and_then(|jid| jid.parse().ok());
    // Everybody who may have made it, and every name of the chat: the secret is kept under those it came with.
    let creators = jids([
        named,
        client.pn(),
        client.lid(),
        Some(source.sender.clone()),
        source.sender_alt.clone(),
        source.recipient.clone(),
        source.recipient_alt.clone(),
    ]);
    let chats = jids([
        Some(source.chat.clone()),
        Some(source.sender.clone()),
        source.sender_alt.clone(),
        source.recipient.clone(),
        source.recipient_alt.clone(),
    ]);
    let own = send::rich::secret(reader.sealer, reader.device, id);
    for wait in SECRET_WAITS {
        tokio::time::sleep(wait).await;
        for creator in &creators {
            let mut secrets = vec![own.to_vec()];
            for chat in &chats {
                secrets.extend(reader.backend?.get_msg_secret(chat, creator, id).await.ok().flatten());
            }
            let Ok(creator) = creator.parse::<Jid>() else { continue };
            for secret in secrets {
                let opened = client.polls().decrypt_vote(ciphertext, &secret, id, &creator, &source.sender).await;
                if let Ok(hashes) = opened {
                    let options = hashes.iter().map(hex::encode).collect();
                    return Some((id.to_owned(), Change::Vote { options }));
                }
            }
        }
    }
    tracing::warn!(device.id = %reader.device, "a vote can't be read: the secret of its poll is not known here");
    None
}

/// JIDs of users without devices, each once.
fn jids(jids: impl IntoIterator<Item = Option<Jid>>) -> BTreeSet<String> {
    jids.into_iter().flatten().map(|jid| jid.to_non_ad_string()).collect()
}
