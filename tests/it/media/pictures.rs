//! Files in messages: to phones, and from phones.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portico_harness::{Client, FileServer, Kind, TestGateway, wait_until};
use portico_sandbox::{Media, MediaKind};
use reqwest::Method;
use serde_json::json;

use super::{Download, arrived, form, png, send, uploaded};
use crate::waiting::{hold_back, let_go};

on_both! {
    a_picture_reaches_the_phone_by_each_way
    every_kind_of_file_is_sent_as_what_it_is
    a_file_of_a_phone_is_downloaded
    refusals_say_what_is_wrong_with_the_file
    a_file_that_is_deleted_before_it_is_sent_fails_the_message
}

async fn a_picture_reaches_the_phone_by_each_way(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let file = png(120, 80);
    let server = FileServer::start(file.clone(), "image/png").await;
    let upload = uploaded(&gw.api, &file, "image/png", "pier.png").await;
    let mut after = 0;
    for media in [
        json!({ "upload": upload["id"] }),
        json!({ "data": BASE64_STANDARD.encode(&file) }),
        json!({ "url": server.url("/file/pier.png") }),
    ] {
        let content = json!({ "type": "image", "media": media, "caption": "The pier" });
        let message = send(&gw, &device, &customer, content).await;
        assert_eq!(message["content"]["type"], "image", "{message}");
        assert_eq!(message["content"]["caption"], "The pier");
        assert_eq!(message["content"]["media"]["bytes"], file.len());
        assert!(message["content"]["media"]["id"].as_str().is_some_and(|id| id.starts_with("med_")), "{message}");
        let entry = arrived(&customer, after, "image").await;
        after = entry.seq;
        assert_eq!((entry.text.as_deref(), entry.mime.as_deref()), (Some("The pier"), Some("image/png")));
        assert!(customer.download(&entry.id).await.expect("the picture") == file, "byte for byte");
        // The sender can look at what was sent.
        let url = message["content"]["media"]["url"].as_str().expect("a path");
        assert!(Download::of(gw.api.request(Method::GET, url)).await.bytes == file);
    }
}

async fn every_kind_of_file_is_sent_as_what_it_is(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let mp4 = [b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".as_slice(), &[7; 100_000]].concat();
    let ogg = [b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01".as_slice(), &[7; 9_000]]
        .concat();
    let webp = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbaImage::new(64, 64).write_to(&mut bytes, image::ImageFormat::WebP).expect("a picture");
        bytes.into_inner()
    };
    let pdf = b"%PDF-1.7 a contract".to_vec();
    let mut after = 0;
    for (kind, shown, file, media_type, mime) in [
        ("video", "video", &mp4, "video/mp4", "video/mp4"),
        ("audio", "audio", &ogg, "audio/ogg", "audio/ogg"),
        ("voice", "audio", &ogg, "audio/ogg", "audio/ogg; codecs=opus"),
        ("document", "document", &pdf, "application/pdf", "application/pdf"),
        ("sticker", "sticker", &webp, "image/webp", "image/webp"),
    ] {
        let upload = uploaded(&gw.api, file, media_type, "file.bin").await;
        let content = json!({ "type": kind, "media": { "upload": upload["id"], "file_name": "name.bin" } });
        let message = send(&gw, &device, &customer, content).await;
        assert_eq!(message["content"]["type"], kind);
        let entry = arrived(&customer, after, shown).await;
        after = entry.seq;
        assert_eq!(entry.mime.as_deref(), Some(mime), "{kind}");
        assert_eq!(entry.file_name.as_deref(), (kind == "document").then_some("name.bin"), "{kind}");
        assert!(customer.download(&entry.id).await.expect("the file") == *file, "{kind}");
    }
}

async fn a_file_of_a_phone_is_downloaded(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (hook, _, _) = gw.webhook(&device.id, &["message.received"]).await;
    let customer = gw.phone();
    let file = png(200, 100);
    let media = Media {
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: file.clone(),
        caption: Some("look".to_owned()),
        file_name: None,
    };
    customer.send_media(device.phone.number(), media).await.expect("sent");
    let event = hook.at_least(1).await.remove(0).json();
    let content = &event["data"]["content"];
    assert_eq!((&content["type"], &content["caption"]), (&json!("image"), &json!("look")), "{event}");
    assert_eq!(
        (&content["media"]["bytes"], &content["media"]["media_type"]),
        (&json!(file.len()), &json!("image/png"))
    );
    let url = content["media"]["url"].as_str().expect("a path").to_owned();
    assert!(!event.to_string().contains("direct_path") && !event.to_string().contains("media_key"), "{event}");

    for _ in 0..2 {
        let download = Download::of(gw.api.request(Method::GET, &url)).await;
        assert_eq!((download.status, download.bytes == file), (200, true));
        assert_eq!(download.header("content-type"), "image/png");
    }
    let part = Download::of(gw.api.request(Method::GET, &url).header("Range", "bytes=0-3")).await;
    assert_eq!((part.status, &part.bytes[..]), (206, &file[..4]));
    let list = gw.api.get("/v1/media").await.expect(200).json;
    let kept = list["items"].as_array().expect("items");
    assert_eq!((kept.len(), &kept[0]["origin"], &kept[0]["message"]), (1, &json!("incoming"), &event["data"]["id"]));

    // It can be fetched again as long as WhatsApp has it.
    let stored = format!("/v1/media/{}", kept[0]["id"].as_str().expect("an id"));
    gw.api.delete(&stored).await.expect(204);
    assert!(Download::of(gw.api.request(Method::GET, &url)).await.bytes == file);

    customer.send_text(device.phone.number(), "no file").await.expect("sent");
    let text = hook.at_least(2).await.remove(1).json()["data"]["id"].as_str().expect("an id").to_owned();
    let none = gw.api.get(&format!("/v1/devices/{}/messages/{text}/media", device.id)).await.expect(404);
    assert_eq!(none.str("/code"), "not_found");
}

async fn refusals_say_what_is_wrong_with_the_file(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.limits.media_played_bytes_max = 50_000).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let text = uploaded(&gw.api, b"plain", "text/plain", "a.txt").await;
    let picture = uploaded(&gw.api, &png(20, 20), "image/png", "a.png").await;
    let large = uploaded(&gw.api, &[&png(2, 2)[..], &[0; 60_000]].concat(), "image/png", "b.png").await;
    let path = format!("/v1/devices/{}/messages", device.id);
    let upload = |media: &serde_json::Value| json!({ "upload": media["id"] });
    for (content, status, code, field) in [
        (json!({ "type": "image" }), 400, "invalid_request", "content.media"),
        (json!({ "type": "image", "media": {} }), 400, "invalid_request", "content.media"),
        (json!({ "type": "image", "media": { "upload": "x" } }), 400, "invalid_request", "content.media.upload"),
        (
            json!({ "type": "image", "media": { "upload": "med_00000000000000000000000000" } }),
            400,
            "invalid_request",
            "content.media.upload",
        ),
        (json!({ "type": "image", "media": upload(&text) }), 422, "media_type_mismatch", ""),
        (json!({ "type": "sticker", "media": upload(&picture) }), 422, "media_type_mismatch", ""),
        (json!({ "type": "image", "media": upload(&large) }), 413, "too_large", ""),
        (json!({ "type": "audio", "media": upload(&text), "caption": "x" }), 400, "invalid_request", "content.caption"),
        (json!({ "type": "image", "media": { "data": "~" } }), 400, "invalid_request", "content.media.data"),
        (json!({ "type": "image", "media": { "url": "http://10.0.0.1/" } }), 400, "invalid_request", "url"),
    ] {
        let answer = gw.api.post(&path, json!({ "to": customer.number(), "content": content })).await;
        assert_eq!((answer.status, answer.str("/code").as_str()), (status, code), "{content}: {}", answer.text);
        assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{content}: {}", answer.text);
    }
    assert_eq!(gw.api.get(&path).await.expect(200).json["items"], json!([]));
    Client::send(form(&gw.api, b"x", "text/plain", "a.txt")).await.expect(201);
}

async fn a_file_that_is_deleted_before_it_is_sent_fails_the_message(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let upload = uploaded(&gw.api, &png(20, 20), "image/png", "a.png").await;
    hold_back(&gw, &device).await;
    let content = json!({ "type": "image", "media": { "upload": upload["id"] } });
    let queued = send(&gw, &device, &customer, content).await;
    gw.api.delete(&format!("/v1/media/{}", upload["id"].as_str().expect("an id"))).await.expect(204);
    let_go(&gw, &device).await;
    let message = format!("/v1/devices/{}/messages/{}", device.id, queued["id"].as_str().expect("an id"));
    wait_until("failed", || async {
        let seen = gw.api.get(&message).await.expect(200).json;
        (seen["status"] == "failed" && seen["error"]["code"] == "media_gone").then_some(())
    })
    .await;
}
