//! Receipts of our own: what authors learn of their messages.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portico_harness::{Kind, PairedDevice, TestGateway, wait_until};
use portico_sandbox::{Media, MediaKind};
use serde_json::Value;

on_both! { reading_a_message_is_told_its_author playing_a_sound_is_told_its_author only_messages_of_others_are_read
a_star_is_kept_and_taken_away }

async fn received(gw: &TestGateway, device: &PairedDevice) -> (String, Value) {
    let path = format!("/v1/devices/{}/messages", device.id);
    let message = wait_until("the message", || async {
        gw.api.get(&format!("{path}?direction=in")).await.expect(200).json["items"].as_array()?.first().cloned()
    })
    .await;
    (format!("{path}/{}", message["id"].as_str().expect("an id")), message)
}

async fn reading_a_message_is_told_its_author(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let id = customer.send_text(device.phone.number(), "Is it open?").await.expect("sent");
    let (message, before) = received(&gw, &device).await;
    assert!(before["times"]["read"].is_null() && customer.sent_record(&id).expect("sent").read_ms.is_none());

    let first = gw.api.act(&format!("{message}/read")).await.expect(200).json;
    assert!(first["times"]["read"].is_string(), "{first}");
    customer
        .wait_until("read", |phone| phone.sent_record(&id).is_some_and(|sent| sent.read_ms.is_some()))
        .await
        .expect("it is told");
    let again = gw.api.act(&format!("{message}/read")).await.expect(200).json;
    assert_eq!((&again["times"]["read"], &again["status"]), (&first["times"]["read"], &Value::from("received")));
    let refused = gw.api.act(&format!("{message}/played")).await.expect(409);
    assert_eq!(refused.str("/code"), "message_not_changeable");
}

async fn playing_a_sound_is_told_its_author(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let bytes = BASE64_STANDARD.decode("T2dnUwACAAAAAAAAAAA=").expect("base64");
    let sound = Media { kind: MediaKind::Audio, mime: "audio/ogg".to_owned(), bytes, caption: None, file_name: None };
    let id = customer.send_media(device.phone.number(), sound).await.expect("sent");
    let (message, _) = received(&gw, &device).await;
    let played = gw.api.act(&format!("{message}/played")).await.expect(200).json;
    assert!(played["times"]["played"].is_string(), "{played}");
    customer
        .wait_until("played", |phone| phone.sent_record(&id).is_some_and(|sent| sent.played_ms.is_some()))
        .await
        .expect("it is told");
}

async fn only_messages_of_others_are_read(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let sent = gw.send_text(&device.id, customer.number(), "Hello").await["id"].as_str().expect("an id").to_owned();
    let refused = gw.api.act(&format!("/v1/devices/{}/messages/{sent}/read", device.id)).await.expect(409);
    assert_eq!(refused.str("/code"), "message_not_changeable");
    let nowhere = format!("/v1/devices/{}/messages/msg_00000000000000000000000000/read", device.id);
    gw.api.act(&nowhere).await.expect(404);
}

async fn a_star_is_kept_and_taken_away(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    customer.send_text(device.phone.number(), "Is it open?").await.expect("sent");
    let (message, _) = received(&gw, &device).await;
    assert_eq!(gw.api.act(&format!("{message}/star")).await.expect(200).json["starred"], true);
    assert_eq!(gw.api.get(&message).await.expect(200).json["starred"], true);
    assert!(gw.api.delete(&format!("{message}/star")).await.expect(200).json["starred"].is_null());
}
