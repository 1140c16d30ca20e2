//! Conversations between a virtual phone and a client.

use std::sync::Arc;

use portico_sandbox::{Change, Config, Media, MediaKind, Phone, Presence, Sandbox, Typing};
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::download::MediaType;
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;
use whatsapp_rust::wacore::store::traits::SignalStore;
use whatsapp_rust::wacore::types::jid::JidExt as _;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::Outcome;
use portico_client::{TestClient, wait_until};

const CLIENT: &str = "15550100001";
const OTHER: &str = "15550100002";

/// A sandbox, the phone of the client's account, another phone, and the client.
async fn scene() -> Result<(Sandbox, Phone, Phone, TestClient), Box<dyn std::error::Error + Send + Sync>> {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, other) = (sandbox.phone(CLIENT)?, sandbox.phone(OTHER)?);
    let client = TestClient::linked(&sandbox, &own).await?;
    Ok((sandbox, own, other, client))
}

#[tokio::test]
async fn phone_and_client_text_both_ways_with_receipts() -> Outcome {
    let (sandbox, own, other, client) = scene().await?;
    let id = other.send_text(CLIENT, "hi").await?;
    let (text, got) = client.next_text().await?;
    assert_eq!((text.as_str(), got.as_str()), ("hi", id.as_str()));
    // The account's own phone got it too, and its receipt is a delivery whatever the client's presence.
    assert_eq!(own.next_text().await?, "hi");
    other
        .wait_until("delivery", |phone| phone.sent_record(&id).is_some_and(|sent| sent.delivered_ms.is_some()))
        .await?;
    client.client.mark_as_read(&Jid::pn(OTHER), None, &[id.as_str()]).await?;
    other.wait_until("reading", |phone| phone.sent_record(&id).is_some_and(|sent| sent.read_ms.is_some())).await?;
    let record = other.sent_record(&id).ok_or("no record")?;
    assert!(record.ack_ms.is_some() && record.error.is_none());

    let id = client.send_text(OTHER, "hello").await?;
    let entry = other.next_message().await?;
    assert_eq!((entry.text.as_deref(), entry.device, entry.id.as_str()), (Some("hello"), 1, id.as_str()));
    other.read(CLIENT, std::slice::from_ref(&id))?;
    let read = |event: &Event| match event {
        Event::Receipt(receipt) if receipt.message_ids.contains(&id) => Some(format!("{:?}", receipt.r#type)),
        _ => None,
    };
    let mut kinds = vec![client.next("a receipt", read).await?];
    while !kinds.iter().any(|kind| kind.contains("Read")) {
        kinds.push(client.next("a read receipt", read).await?);
    }
    // The client's own phone shows what the client sent.
    let own_entry = own.inbox(0, 10).into_iter().find(|entry| entry.id == id).ok_or("no own copy")?;
    assert!(own_entry.from_me && own_entry.chat == OTHER);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn media_goes_both_ways() -> Outcome {
    let (sandbox, _own, other, client) = scene().await?;
    let bytes: Vec<u8> = (0..300_000u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    let media = Media {
        kind: MediaKind::Document,
        mime: "application/pdf".to_owned(),
        bytes: bytes.clone(),
        caption: Some("read this".to_owned()),
        file_name: Some("paper.pdf".to_owned()),
    };
    other.send_media(CLIENT, media).await?;
    let document = client
        .next("a document", |event| match event {
            Event::Messages(batch) => batch.iter().find_map(|one| one.message.document_message.as_option().cloned()),
            _ => None,
        })
        .await?;
    assert_eq!(document.file_name.as_deref(), Some("paper.pdf"));
    assert_eq!(client.client.download(&document).await?, bytes);

    // Above 5 MiB a client first asks how much the host has.
    let large: Vec<u8> = bytes.iter().copied().cycle().take(6 * 1024 * 1024).collect();
    let upload = client.client.upload(large.clone(), MediaType::Image, Default::default()).await?;
    let options = whatsapp_rust::media::ImageOptions { caption: Some("look".into()), ..Default::default() };
    client.client.send_message(Jid::pn(OTHER), whatsapp_rust::media::image_message(upload, options)).await?;
    other.wait_until("the image", |phone| !phone.inbox(0, 1).is_empty()).await?;
    let entry = other.inbox(0, 1).pop().ok_or("no image")?;
    assert_eq!((entry.kind.as_str(), entry.text.as_deref()), ("image", Some("look")));
    assert_eq!(other.download(&entry.id).await?, large);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_lost_session_is_repaired_by_retries_in_both_directions() -> Outcome {
    let (sandbox, _own, other, client) = scene().await?;
    other.send_text(CLIENT, "one").await?;
    assert_eq!(client.next_text().await?.0, "one");
    client.send_text(OTHER, "two").await?;
    assert_eq!(other.next_text().await?, "two");
    // Now both sides speak plain messages; a phone without the session can open none.
    assert!(other.forget_session(CLIENT, 1).await?);
    client.send_text(OTHER, "three").await?;
    assert_eq!(other.next_text().await?, "three");
    let events = other.events(0, 1000);
    assert!(events.iter().any(|event| matches!(event.change, Change::Undecryptable { .. })));
    other.send_text(CLIENT, "four").await?;
    assert_eq!(client.next_text().await?.0, "four");
    assert_eq!(other.duplicates(), 0);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_client_that_lost_its_session_gets_the_message_again() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, other) = (sandbox.phone(CLIENT)?, sandbox.phone(OTHER)?);
    let store = Arc::new(InMemoryBackend::new());
    let client = TestClient::with_store(&sandbox, store.clone()).await?;
    own.scan_qr(&client.qr().await?).await?;
    client.connected().await?;
    other.send_text(CLIENT, "one").await?;
    assert_eq!(client.next_text().await?.0, "one");
    client.send_text(OTHER, "two").await?;
    assert_eq!(other.next_text().await?, "two");
    client.stop().await;
    for jid in [Jid::lid(other.lid()), Jid::pn(OTHER)] {
        store.delete_session(&jid.to_protocol_address_string()).await?;
    }
    let id = other.send_text(CLIENT, "three").await?;
    let client = TestClient::with_store(&sandbox, store).await?;
    assert_eq!(client.next_text().await?, ("three".to_owned(), id.clone()));
    assert!(other.sent_record(&id).is_some_and(|sent| sent.retries > 0));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_client_uploads_more_keys_when_they_run_low() -> Outcome {
    let (sandbox, own, _other, client) = scene().await?;
    let keys = || own.devices().iter().map(|device| device.one_time_keys).sum::<usize>();
    let before = keys();
    assert!(before > 20, "{before} keys uploaded");
    // Each new correspondent begins a session and takes a key.
    for n in 0..before {
        sandbox.phone(&format!("1555011{n:04}"))?.send_text(CLIENT, "hi").await?;
    }
    wait_until(|| keys() > 20).await?;
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_repeated_id_is_shown_once_and_counted() -> Outcome {
    let (sandbox, _own, other, client) = scene().await?;
    for _ in 0..2 {
        let message = wa::Message { conversation: Some("again".to_owned()), ..Default::default() };
        let options = SendOptions::default().with_message_id("3EB0AAAAAAAAAAAAAAAAAA");
        client.client.send_message_with_options(Jid::pn(OTHER), message, options).await?;
    }
    other.wait_until("the duplicate", |phone| phone.duplicates() == 1).await?;
    assert_eq!(other.inbox(0, 10).len(), 1);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn presence_and_typing_reach_the_other_side() -> Outcome {
    let (sandbox, _own, other, client) = scene().await?;
    client.client.presence().subscribe(&Jid::pn(OTHER)).await?;
    client
        .next("hidden", |event| match event {
            Event::Presence(presence) => presence.unavailable.then_some(()),
            _ => None,
        })
        .await?;
    other.presence(Presence::Available)?;
    client
        .next("shown", |event| match event {
            Event::Presence(presence) => (!presence.unavailable).then_some(()),
            _ => None,
        })
        .await?;
    other.typing(CLIENT, Typing::Composing)?;
    client.next("typing", |event| matches!(event, Event::ChatPresence(_)).then_some(())).await?;
    client.client.chatstate().send_recording(&Jid::pn(OTHER)).await?;
    let recording = |phone: &Phone| {
        phone
            .events(0, 1000)
            .iter()
            .any(|event| matches!(event.change, Change::Typing { state: Typing::Recording, .. }))
    };
    other.wait_until("recording", recording).await?;
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn an_unknown_request_gets_an_error_and_an_unknown_number_is_out() -> Outcome {
    let (sandbox, _own, _other, client) = scene().await?;
    let unknown = NodeBuilder::new("iq")
        .attr("xmlns", "portico:none")
        .attr("type", "get")
        .attr("to", Jid::new("", Server::Pn))
        .attr("id", "unknown-1")
        .children([NodeBuilder::new("what").build()])
        .build();
    let filter = whatsapp_rust::NodeFilter::tag("iq").attr("id", "unknown-1");
    let waiter = client.client.wait_for_node(filter);
    client.client.send_node(unknown).await?;
    let reply = waiter.await?;
    let code = reply.get_optional_child("error").and_then(|error| error.get_attr("code").map(|code| code.to_string()));
    assert_eq!(code.as_deref(), Some("501"));
    let asked = [Jid::pn(OTHER), Jid::pn("15550109999")];
    let found = client.client.contacts().is_on_whatsapp(&asked).await?;
    let registered: Vec<bool> = found.iter().map(|one| one.is_registered).collect();
    assert_eq!(registered, [true, false]);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
