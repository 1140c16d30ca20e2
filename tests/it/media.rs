//! Files from end to end: in by every way, out to phones and back, byte for byte.

mod limits;
mod pictures;
mod upload;

use portico_harness::{Client, PairedDevice, TestGateway, wait_until};
use portico_sandbox::{InboxEntry, Phone};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A file as it came over HTTP.
pub(crate) struct Download {
    pub(crate) status: u16,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) bytes: Vec<u8>,
}

impl Download {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let text = |v: &reqwest::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = response.status().as_u16();
        Self { status, headers, bytes: response.bytes().await.expect("a body").to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A form with one file.
pub(crate) fn form(api: &Client, file: &[u8], media_type: &str, file_name: &str) -> RequestBuilder {
    let head = format!(
        "--border\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--border--\r\n"].concat();
    let request = api.request(Method::POST, "/v1/media");
    request.header("Content-Type", "multipart/form-data; boundary=border").body(body)
}

/// Uploads a file and gives what is known of it.
pub(crate) async fn uploaded(api: &Client, file: &[u8], media_type: &str, file_name: &str) -> Value {
    Client::send(form(api, file, media_type, file_name)).await.expect(201).json
}

/// A PNG of that size in pixels.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}

/// Sends a file and gives the message as answered.
pub(crate) async fn send(gw: &TestGateway, device: &PairedDevice, to: &Phone, content: Value) -> Value {
    let path = format!("/v1/devices/{}/messages", device.id);
    gw.api.post(&path, json!({ "to": to.number(), "content": content })).await.expect(202).json
}

/// Waits for a message of that kind.
pub(crate) async fn arrived(phone: &Phone, after: u64, kind: &str) -> InboxEntry {
    wait_until(&format!("a message of type {kind}"), || async {
        phone.inbox(after, 100).into_iter().find(|entry| entry.kind == kind && !entry.from_me)
    })
    .await
}
