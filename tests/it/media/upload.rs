//! Uploads and downloads over the REST API alone.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portico_harness::{Client, FileServer, Kind, TestGateway};
use reqwest::Method;
use serde_json::json;

use super::{Download, form, png, uploaded};

on_both! {
    a_file_comes_back_as_it_went_in_by_each_way
    parts_of_a_file_can_be_downloaded
    files_are_listed_and_deleted
    the_same_idempotency_key_stores_once
    what_is_wrong_with_an_upload_is_named_and_nothing_stays
}

/// How many files the gateway has in its folder.
fn stored(gw: &TestGateway) -> usize {
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&gw.data().join("media"))
}

async fn a_file_comes_back_as_it_went_in_by_each_way(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let file = png(300, 200);
    let server = FileServer::start(file.clone(), "image/png").await;
    let by_form = uploaded(&gw.api, &file, "image/png", "pier.png").await;
    let base64 = BASE64_STANDARD.encode(&file);
    let by_data = gw.api.post("/v1/media", json!({ "file_name": "pier.png", "data": base64 })).await.expect(201).json;
    let by_data_url =
        gw.api.post("/v1/media", json!({ "data": format!("data:image/png;base64,{base64}"), "file_name": "pier.png" }));
    let by_data_url = by_data_url.await.expect(201).json;
    let by_url = gw.api.post("/v1/media", json!({ "url": server.url("/file/pier.png") })).await.expect(201).json;
    let redirected = gw.api.post("/v1/media", json!({ "url": server.url("/moved") })).await.expect(201).json;
    for (media, origin) in
        [(&by_form, "upload"), (&by_data, "upload"), (&by_data_url, "upload"), (&by_url, "url"), (&redirected, "url")]
    {
        assert_eq!(media["media_type"], "image/png", "{media}");
        assert_eq!(media["bytes"], file.len(), "{media}");
        assert_eq!(media["file_name"], "pier.png", "{media}");
        assert_eq!(media["origin"], origin, "{media}");
        assert_eq!(media["sha256"], by_form["sha256"]);
        let id = media["id"].as_str().expect("an id");
        let shown = gw.api.get(&format!("/v1/media/{id}")).await.expect(200).json;
        assert_eq!(&shown, media);
        let content = Download::of(gw.api.request(Method::GET, &format!("/v1/media/{id}/content"))).await;
        assert_eq!((content.status, content.bytes == file), (200, true));
        assert_eq!(content.header("content-type"), "image/png");
        assert_eq!(content.header("x-content-type-options"), "nosniff");
        assert!(content.header("content-security-policy").contains("sandbox"));
        assert_eq!(content.header("content-disposition"), "inline; filename=\"pier.png\"");
    }
    assert_eq!(stored(&gw), 1, "the same bytes are stored once");
}

async fn parts_of_a_file_can_be_downloaded(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let media = uploaded(&gw.api, b"0123456789", "text/plain", "digits.txt").await;
    let path = format!("/v1/media/{}/content", media["id"].as_str().expect("an id"));
    let with =
        async |name: &str, value: &str| Download::of(gw.api.request(Method::GET, &path).header(name, value)).await;
    let part = with("Range", "bytes=2-4").await;
    assert_eq!((part.status, &part.bytes[..], part.header("content-range")), (206, &b"234"[..], "bytes 2-4/10"));
    let tail = with("Range", "bytes=-3").await;
    assert_eq!((tail.status, &tail.bytes[..], tail.header("content-length")), (206, &b"789"[..], "3"));
    let beyond = with("Range", "bytes=10-").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    let whole = with("Range", "bytes=0-1,4-5").await;
    assert_eq!((whole.status, &whole.bytes[..]), (200, &b"0123456789"[..]));
    let tag = whole.header("etag").to_owned();
    let unchanged = with("If-None-Match", &tag).await;
    assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0));
    let other = gw.api.request(Method::GET, &path).header("Range", "bytes=2-4").header("If-Range", "\"other\"");
    assert_eq!(Download::of(other).await.status, 200);
    let head = Download::of(gw.api.request(Method::HEAD, &path)).await;
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "10", 0));
    assert_eq!(head.header("content-disposition"), "attachment; filename=\"digits.txt\"");
}

async fn files_are_listed_and_deleted(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let first = uploaded(&gw.api, b"one", "text/plain", "one.txt").await;
    let twin = uploaded(&gw.api, b"one", "text/plain", "twin.txt").await;
    let last = uploaded(&gw.api, b"two", "text/plain", "two.txt").await;
    let page = gw.api.get("/v1/media?limit=2").await.expect(200).json;
    assert_eq!(page["items"], json!([last, twin]));
    let next = page["next"].as_str().expect("a cursor");
    let page = gw.api.get(&format!("/v1/media?limit=2&cursor={next}")).await.expect(200).json;
    assert_eq!(page, json!({ "items": [first] }));

    assert_eq!(stored(&gw), 2);
    let path = |media: &serde_json::Value| format!("/v1/media/{}", media["id"].as_str().expect("an id"));
    gw.api.delete(&path(&first)).await.expect(204);
    assert_eq!(stored(&gw), 2, "another one still names the file");
    gw.api.delete(&path(&twin)).await.expect(204);
    assert_eq!(stored(&gw), 1);
    for gone in [gw.api.get(&path(&first)).await, gw.api.delete(&path(&first)).await] {
        assert_eq!(gone.expect(404).str("/code"), "not_found");
    }
    assert_eq!(gw.api.get(&format!("{}/content", path(&first))).await.status, 404);
}

async fn the_same_idempotency_key_stores_once(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let server = FileServer::start("hello", "text/plain").await;
    let keyed = |request: reqwest::RequestBuilder, key: &str| Client::send(request.header("Idempotency-Key", key));
    let first = keyed(form(&gw.api, b"one", "text/plain", "one.txt"), "k1").await.expect(201);
    let again = keyed(form(&gw.api, b"one", "text/plain", "one.txt"), "k1").await.expect(201);
    assert_eq!(first.json, again.json);
    assert_eq!(again.headers.get("idempotent-replay").map(String::as_str), Some("true"));
    let other = keyed(form(&gw.api, b"other", "text/plain", "one.txt"), "k1").await.expect(409);
    assert_eq!(other.str("/code"), "idempotency_key_reused");
    let fetch = || gw.api.request(Method::POST, "/v1/media").json(&json!({ "url": server.url("/file/a.txt") }));
    let fetched = keyed(fetch(), "k2").await.expect(201).json;
    assert_eq!(keyed(fetch(), "k2").await.expect(201).json, fetched);
    assert_eq!(stored(&gw), 2, "what was refused left nothing behind");
    let all = gw.api.get("/v1/media").await.expect(200).json;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
}

async fn what_is_wrong_with_an_upload_is_named_and_nothing_stays(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let server = FileServer::start("hello", "text/plain").await;
    let base64 = BASE64_STANDARD.encode("hello");
    for (body, status, code, field) in [
        (json!({}), 400, "invalid_request", "data"),
        (json!({ "data": base64, "url": server.url("/file/a") }), 400, "invalid_request", "data"),
        (json!({ "data": "no base64!" }), 400, "invalid_request", "data"),
        (json!({ "data": 5 }), 400, "invalid_request", "data"),
        (json!({ "data": base64, "nmae": 1 }), 400, "invalid_request", "nmae"),
        (json!({ "data": base64, "media_type": "image" }), 400, "invalid_request", "media_type"),
        (json!({ "data": base64, "media_type": "image/png" }), 422, "media_type_mismatch", ""),
        (
            json!({ "data": BASE64_STANDARD.encode(png(2, 2)), "media_type": "image/jpeg" }),
            422,
            "media_type_mismatch",
            "",
        ),
        (json!({ "data": "" }), 400, "invalid_request", "file"),
        (json!({ "url": server.url("/nothing") }), 422, "media_url_failed", ""),
        (json!({ "url": server.url("/round") }), 422, "media_url_failed", ""),
        (json!({ "url": server.url("/away") }), 400, "invalid_request", "url"),
        (json!({ "url": "http://169.254.169.254/latest" }), 400, "invalid_request", "url"),
        (json!({ "url": "file:///etc/passwd" }), 400, "invalid_request", "url"),
    ] {
        let answer = gw.api.post("/v1/media", body.clone()).await;
        assert_eq!((answer.status, answer.str("/code").as_str()), (status, code), "{body}: {}", answer.text);
        assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{body}: {}", answer.text);
    }
    let raw = |content_type: &'static str, body: &'static str| {
        Client::send(gw.api.request(Method::POST, "/v1/media").header("Content-Type", content_type).body(body))
    };
    const FORM: &str = "multipart/form-data; boundary=b";
    assert_eq!(raw("text/plain", "hello").await.expect(415).str("/code"), "unsupported_media_type");
    assert_eq!(raw("multipart/form-data", "hello").await.expect(415).str("/code"), "unsupported_media_type");
    assert_eq!(raw(FORM, "hello").await.expect(400).str("/code"), "invalid_request");
    let named = raw(FORM, "--b\r\ncontent-disposition: form-data; name=\"photo\"\r\n\r\nx\r\n--b--\r\n").await;
    assert_eq!(named.expect(400).str("/field"), "photo");
    let twice = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nx\r\n\
                 --b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\ny\r\n--b--\r\n";
    assert_eq!(raw(FORM, twice).await.expect(400).str("/field"), "file");
    let half = raw(FORM, "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nhalf").await;
    assert_eq!(half.expect(400).str("/code"), "invalid_request");
    let stranger = gw.api.with_key(None).post("/v1/media", json!({ "data": base64 })).await.expect(401);
    assert_eq!(stranger.str("/code"), "unauthenticated");
    assert_eq!(stored(&gw), 0);
    assert_eq!(gw.api.get("/v1/media").await.expect(200).json, json!({ "items": [] }));
}
