//! Links to files: made with a key, followed without one, by whoever has them, for a while; and the bodies of dialects that name
//! them.

use portico_harness::{Client, Kind, Receiver, TestGateway, wait_until};
use portico_sandbox::{Media, MediaKind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::media::{Download, form, png, uploaded};

on_both! {
    a_link_opens_its_file_and_nothing_else
    a_link_ends_with_its_time_and_with_its_file
    a_webhook_of_accounts_tells_its_token_and_where_the_file_is
    the_preview_of_a_file_is_public_by_its_id
}

/// What somebody without a key gets at an address, which may name another host than the test's.
async fn fetched(gw: &TestGateway, url: &str) -> Download {
    let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or(url);
    Download::of(gw.api.with_key(None).request(Method::GET, path)).await
}

/// A picture that a fresh phone sends to a device.
async fn pictured(gw: &TestGateway, number: &str, file: &[u8]) {
    let media = Media {
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: file.to_vec(),
        caption: Some("look".to_owned()),
        file_name: None,
    };
    gw.phone().send_media(number, media).await.expect("sent");
}

async fn a_link_opens_its_file_and_nothing_else(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let file = png(300, 200);
    let id = uploaded(&gw.api, &file, "image/png", "pier.png").await["id"].as_str().expect("an id").to_owned();
    let link = gw.api.act(&format!("/v1/media/{id}/link")).await.expect(201);
    let url = link.str("/url");
    assert!(url.ends_with(&link.str("/token")) && link.str("/expires_at").ends_with('Z'), "{}", link.text);
    let whole = fetched(&gw, &url).await;
    assert_eq!((whole.status, whole.bytes == file), (200, true));
    assert_eq!(whole.header("content-type"), "image/png");
    assert_eq!(whole.header("content-disposition"), "inline; filename=\"pier.png\"");
    assert_eq!((whole.header("x-content-type-options"), whole.header("referrer-policy")), ("nosniff", "no-referrer"));
    assert!(whole.header("content-security-policy").contains("sandbox"));
    let path = format!("/v1/links/{}", link.str("/token"));
    let part = gw.api.with_key(None).request(Method::GET, &path).header("range", "bytes=8-15");
    let part = Download::of(part).await;
    assert_eq!((part.status, part.bytes == file[8..16]), (206, true));

    // A token that is changed anywhere opens nothing, and a key opens no token.
    let token = link.str("/token");
    for (at, _) in token.char_indices().step_by(7) {
        let other = if &token[at..=at] == "a" { "b" } else { "a" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let refused = fetched(&gw, &format!("/v1/links/{changed}")).await;
        assert_eq!(refused.status, 404, "{changed}");
    }
    // Who may not see the file makes no link to it.
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    gw.api.with_key(Some(&other)).act(&format!("/v1/media/{id}/link")).await.expect(404);
    gw.api.with_key(None).act(&format!("/v1/media/{id}/link")).await.expect(401);
}

async fn a_link_ends_with_its_time_and_with_its_file(kind: Kind) {
    let short = std::time::Duration::from_secs(1);
    let gw = TestGateway::start_with(kind, |config| config.limits.media_link_ttl = short).await;
    let file = png(30, 20);
    let id = uploaded(&gw.api, &file, "image/png", "pier.png").await["id"].as_str().expect("an id").to_owned();
    let url = gw.api.act(&format!("/v1/media/{id}/link")).await.expect(201).str("/url");
    wait_until("the link to end", || async {
        let answer = fetched(&gw, &url).await;
        assert!(matches!(answer.status, 200 | 410), "{}", answer.status);
        (answer.status == 410).then_some(())
    })
    .await;

    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (hook, ..) = gw.webhook(&device.id, &["message.received"]).await;
    pictured(&gw, device.phone.number(), &file).await;
    let message = hook.at_least(1).await[0].json()["data"]["id"].as_str().expect("an id").to_owned();
    let of_message = format!("/v1/devices/{}/messages/{message}/media", device.id);
    let url = gw.api.act(&format!("{of_message}/link")).await.expect(201).str("/url");
    // It is fetched from WhatsApp when somebody follows the link first.
    let first = fetched(&gw, &url).await;
    assert_eq!((first.status, first.bytes == file), (200, true));
    let kept = gw.api.get("/v1/media").await.expect(200).str("/items/0/id");
    gw.api.delete(&format!("/v1/media/{kept}")).await.expect(204);
    assert_eq!(
        fetched(&gw, &url).await.status,
        404,
        "its owner deleted the file, and it is not fetched again for a link"
    );
    let text = gw.send_text(&device.id, gw.phone().number(), "no file").await;
    let without = format!("/v1/devices/{}/messages/{}/media/link", device.id, text["id"].as_str().expect("an id"));
    gw.api.act(&without).await.expect(404);
}

async fn a_webhook_of_accounts_tells_its_token_and_where_the_file_is(kind: Kind) {
    const TOKEN: &str = "acc_1_never-shown-again";
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let hook = Receiver::start().await;
    let new = json!({ "url": hook.url(), "events": ["message.received"], "device": device.id,
        "format": "dialect-accounts", "format_data": { "accountToken": TOKEN } });
    let made = gw.api.post("/v1/webhooks", new).await.expect(201);
    for shown in [made.text.clone(), gw.api.get("/v1/webhooks").await.text] {
        assert!(!shown.contains(TOKEN) && !shown.contains("accountToken"), "{shown}");
    }
    let file = png(60, 40);
    pictured(&gw, device.phone.number(), &file).await;
    let body = hook.at_least(1).await[0].json();
    assert_eq!((&body["accountToken"], &body["message"]["type"]), (&json!(TOKEN), &json!("image")), "{body}");
    let url = body["message"]["media"]["url"].as_str().expect("an address");
    assert!(url.starts_with("http://"), "{url}");
    let opened = fetched(&gw, url).await;
    assert_eq!((opened.status, opened.bytes == file), (200, true));
    assert_eq!(opened.header("content-type"), "image/png");
    assert!(!opened.header("content-disposition").is_empty());
    // The id opens it too, as this API documents.
    let by_id = format!("/api/media/{}", body["message"]["id"].as_str().expect("an id"));
    assert_eq!(fetched(&gw, &by_id).await.status, 200);
    let missing = gw.api.with_key(None).get("/api/media/3EB0NOSUCH").await.expect(404);
    let says = "Media not found or expired. Media is only available for 24 hours.";
    assert_eq!(missing.json, json!({ "success": false, "error": says }));
    let forged = fetched(&gw, &format!("{by_id}x")).await;
    let forged: Value = serde_json::from_slice(&forged.bytes).expect("JSON");
    assert_eq!(forged["error"], says);

    // Another token, and it is still kept from everybody but the format.
    let change = json!({ "format_data": { "accountToken": "acc_1_another" } });
    gw.api.patch(&format!("/v1/webhooks/{}", made.str("/id")), change).await.expect(200);
    gw.phone().send_text(device.phone.number(), "hello").await.expect("sent");
    assert_eq!(hook.at_least(2).await[1].json()["accountToken"], "acc_1_another");
}

async fn the_preview_of_a_file_is_public_by_its_id(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let file = png(60, 40);
    let upload = form(&gw.api, &file, "image/png", "pier.png").build().expect("a request");
    let body = upload.body().and_then(|body| body.as_bytes()).expect("bytes").to_vec();
    let request = gw.api.with_key(None).request(Method::POST, "/api/whatsapp/files/upload");
    let request = request.header("x-api-token", &gw.key).header("content-type", "multipart/form-data; boundary=border");
    let kept = Client::send(request.body(body)).await.expect(200);
    let id = kept.str("/data/fileId");
    let preview = fetched(&gw, &format!("/api/whatsapp/files/{id}/preview")).await;
    assert_eq!((preview.status, preview.bytes == file), (200, true));
    assert_eq!(preview.header("content-type"), "image/png");
    let bare = id.split('.').next().expect("an id");
    assert_eq!(fetched(&gw, &format!("/api/whatsapp/files/{bare}/preview")).await.status, 404, "the file's id alone");
    let own = gw.api.with_key(None).request(Method::GET, &format!("/api/whatsapp/files/{bare}"));
    Client::send(own.header("x-api-token", &gw.key)).await.expect(200);
}
