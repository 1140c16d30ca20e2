//! What files may take up, and that none is ever in memory as a whole.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use portico_harness::{Client, FileServer, Kind, TestGateway, wait_until};
use reqwest::{Body, Method};
use serde_json::json;

use super::{Download, form, uploaded};
use crate::start::{free_address, ready, serve};

on_both! {
    a_file_has_a_largest_size_by_each_way
    a_tenant_has_so_many_files_and_bytes
    what_expires_goes_with_its_bytes
    a_revoked_key_stores_nothing
    files_of_one_tenant_are_not_found_by_another
}

async fn a_file_has_a_largest_size_by_each_way(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.limits.media_bytes_max = 100_000).await;
    let (fits, large) = (vec![b'x'; 100_000], vec![b'x'; 100_001]);
    let server = FileServer::start(large.clone(), "text/plain").await;
    let base64 = |bytes: &[u8]| json!({ "data": BASE64_STANDARD.encode(bytes) });
    uploaded(&gw.api, &fits, "text/plain", "fits.txt").await;
    gw.api.post("/v1/media", base64(&fits)).await.expect(201);
    for answer in [
        Client::send(form(&gw.api, &large, "text/plain", "large.txt")).await,
        gw.api.post("/v1/media", base64(&large)).await,
        gw.api.post("/v1/media", json!({ "url": server.url("/file/large.txt") })).await,
    ] {
        assert_eq!(answer.expect(413).str("/code"), "too_large");
    }
}

async fn a_tenant_has_so_many_files_and_bytes(kind: Kind) {
    let change = |c: &mut portico_harness::Config| {
        c.limits.media_per_tenant = 3;
        c.limits.media_bytes_per_tenant = 3_000;
    };
    let gw = TestGateway::start_with(kind, change).await;
    let first = uploaded(&gw.api, &[b'x'; 2_000], "text/plain", "a.txt").await;
    let large = Client::send(form(&gw.api, &[b'x'; 1_001], "text/plain", "b.txt")).await;
    assert_eq!(large.expect(413).str("/code"), "too_large");
    for name in ["b.txt", "c.txt"] {
        uploaded(&gw.api, b"x", "text/plain", name).await;
    }
    let many = Client::send(form(&gw.api, b"x", "text/plain", "d.txt")).await.expect(409);
    assert_eq!(many.str("/code"), "too_much_media");
    gw.api.delete(&format!("/v1/media/{}", first["id"].as_str().expect("an id"))).await.expect(204);
    uploaded(&gw.api, b"x", "text/plain", "d.txt").await;
}

async fn what_expires_goes_with_its_bytes(kind: Kind) {
    let change = |c: &mut portico_harness::Config| {
        c.limits.media_kept = Duration::from_millis(300);
        c.jobs.reap.every = Duration::from_millis(100);
    };
    let gw = TestGateway::start_with(kind, change).await;
    uploaded(&gw.api, b"soon gone", "text/plain", "a.txt").await;
    wait_until("nothing left", || async {
        let list = gw.api.get("/v1/media").await.expect(200).json;
        let blobs = std::fs::read_dir(gw.data().join("media/blobs")).expect("a folder");
        let files = blobs.filter_map(|folder| std::fs::read_dir(folder.ok()?.path()).ok()).flatten().count();
        (list["items"] == json!([]) && files == 0).then_some(())
    })
    .await;
}

/// The key is revoked while the body comes.
async fn a_revoked_key_stores_nothing(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let made = gw.api.post("/v1/keys", json!({ "name": "app", "scopes": ["messages:write"] })).await.expect(201);
    let app = gw.api.with_key(Some(&made.str("/key")));
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::wrap_stream(stream::unfold(receive, async |mut receive| Some((receive.recv().await?, receive))));
    let request = app.request(Method::POST, "/v1/media").header("Content-Type", "multipart/form-data; boundary=b");
    let upload = tokio::spawn(Client::send(request.body(body)));
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n";
    send.send(Ok(Bytes::from(head))).await.expect("it is read");
    let _ = send.send(Ok(Bytes::from("first half"))).await;
    gw.api.delete(&format!("/v1/keys/{}", made.str("/id"))).await;
    // A key that was found valid is taken for valid this long.
    tokio::time::sleep(Duration::from_millis(150)).await;
    // On a busy machine the key may be revoked before the request is looked at; then nobody reads on, and the answer is the same.
    let _ = send.send(Ok(Bytes::from("\r\n--b--\r\n"))).await;
    drop(send);
    assert_eq!(upload.await.expect("an answer").expect(401).str("/code"), "unauthenticated");
    assert_eq!(gw.api.get("/v1/media").await.expect(200).json, json!({ "items": [] }));
}

async fn files_of_one_tenant_are_not_found_by_another(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let media = uploaded(&gw.api, b"mine", "text/plain", "a.txt").await;
    let stranger = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201);
    let other = gw.api.with_key(Some(&stranger.str("/key")));
    let path = format!("/v1/media/{}", media["id"].as_str().expect("an id"));
    other.get(&path).await.expect(404);
    other.get(&format!("{path}/content")).await.expect(404);
    other.delete(&path).await.expect(404);
    assert_eq!(other.get("/v1/media").await.expect(200).json, json!({ "items": [] }));
    gw.api.get(&path).await.expect(200);
}

/// What the process has needed of memory at most so far, in bytes.
fn memory_peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// A file of 64 MiB goes in as a form and as base64 and out again, and the gateway's memory hardly notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_never_in_memory() {
    const ADMIN: &str = "b7e1c09d53f2486a9c1e5d7048fa2260";
    const PIECES: usize = 1024;
    const PIECE: usize = 64 * 1024;
    let folder = tempfile::tempdir().expect("a folder");
    let bind = free_address();
    let env = [("PORTICO_ADMIN_TOKEN", ADMIN), ("PORTICO_LIMITS", "off")];
    let gateway = serve(folder.path(), &bind, &[], &env);
    let api = ready(&bind, Some(ADMIN)).await;
    // What is needed once, whatever the size.
    let small = uploaded(&api, b"small", "text/plain", "small.txt").await;
    api.get(&format!("/v1/media/{}/content", small["id"].as_str().expect("an id"))).await.expect(200);
    let before = memory_peak(gateway.pid());

    let pieces = |begin: &'static str, piece: Bytes, end: &'static str| {
        let middle = std::iter::repeat_n(piece, PIECES);
        let all = std::iter::once(Bytes::from(begin)).chain(middle).chain(std::iter::once(Bytes::from(end)));
        Body::wrap_stream(stream::iter(all.map(Ok::<_, std::io::Error>)))
    };
    let post = |kind: &str, body: Body| {
        Client::send(api.request(Method::POST, "/v1/media").header("Content-Type", kind).body(body))
    };
    let plain = Bytes::from(vec![b'x'; PIECE]);
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n";
    let by_form =
        post("multipart/form-data; boundary=b", pieces(head, plain.clone(), "\r\n--b--\r\n")).await.expect(201);
    let base64 = Bytes::from(vec![b'e'; PIECE]);
    let by_data = post("application/json", pieces("{\"data\": \"", base64, "\"}")).await.expect(201);
    assert_eq!(
        (&by_form.json["bytes"], &by_data.json["bytes"]),
        (&json!(PIECES * PIECE), &json!(PIECES * PIECE / 4 * 3))
    );
    let content = format!("/v1/media/{}/content", by_form.str("/id"));
    let whole = Download::of(api.request(Method::GET, &content)).await;
    assert_eq!((whole.status, whole.bytes.len()), (200, PIECES * PIECE));

    let grown = memory_peak(gateway.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "the gateway took {} MiB more", grown >> 20);
}
