//! Settings and history, as phones author them and clients learn them.

use portico_sandbox::{ChatSetting, Config, Sandbox, Traits};
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::types::events::Event;

use crate::Outcome;
use portico_client::TestClient;

const CLIENT: &str = "15550100001";
const OTHER: &str = "15550100002";

#[tokio::test]
async fn settings_go_both_ways() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, _) = (sandbox.phone(CLIENT)?, sandbox.phone(OTHER)?);
    let client = TestClient::linked(&sandbox, &own).await?;
    own.set(ChatSetting::Mute { chat: OTHER.into(), on: true, until_ms: Some(-1) })?;
    let muted = |event: &Event| match event {
        Event::MuteUpdate(update) => Some((update.jid.user.to_string(), update.action.muted)),
        _ => None,
    };
    assert_eq!(client.next("a muted chat", muted).await?, (OTHER.to_owned(), Some(true)));
    own.set(ChatSetting::Contact { number: OTHER.into(), name: "Ada L.".into() })?;
    let named = |event: &Event| match event {
        Event::ContactUpdate(update) => update.action.full_name.clone(),
        _ => None,
    };
    assert_eq!(client.next("a contact", named).await?, "Ada L.");
    // The client's own change is one record more for the phone.
    client.client.chat_actions().pin_chat(&Jid::pn(OTHER)).await?;
    let entries = own.app_state();
    let pinned = entries.iter().find(|entry| entry.index.first().is_some_and(|name| name == "pin_v1"));
    assert_eq!(pinned.map(|entry| &entry.value["pin_action"]["pinned"]), Some(&serde_json::json!(true)));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_linked_client_learns_the_past_and_asks_for_more() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, other) = (sandbox.phone(CLIENT)?, sandbox.phone(OTHER)?);
    own.set_traits(Traits { history: true, ..own.traits() });
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(other.send_text(CLIENT, &format!("text {n}")).await?);
    }
    own.wait_until("the texts", |phone| phone.inbox(0, 10).len() == 5).await?;
    let client = TestClient::new(&sandbox).await?;
    own.scan_qr(&client.qr().await?).await?;
    let history = |event: &Event| match event {
        Event::HistorySync(history) => Some((history.sync_type(), history.decompressed_size() > 0)),
        _ => None,
    };
    assert_eq!(client.next("the history", history).await?, (0, true));
    let oldest = ids.get(3).cloned().unwrap_or_default();
    client.client.fetch_message_history(&Jid::pn(OTHER), &oldest, false, 0, 2).await?;
    assert_eq!(client.next("more history", history).await?.0, 6);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
