//! Pictures of ten megabytes through dialects: whole at the phone, never in the memory of a guest, and hardly in the gateway's.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portico_harness::{Client, FileServer, Process, wait_until};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::start::{PATIENCE, free_address, ready, serve};

const ADMIN: &str = "5e0c1d7f93b84a6e8b21c4d09f67a3e2";
const OWN: &str = "15550100001";
const CUSTOMER: &str = "15550100002";
/// Bytes of the pictures.
const BYTES: usize = 10 << 20;
/// Bytes a guest may have.
const GUEST_BYTES_MAX: f64 = (1 << 20) as f64;
/// Kilobytes by which the process may grow.
const GROWTH_KB_MAX: u64 = 32 << 10;

/// A picture of that size that differs from others by `seed`: what follows a PNG's end is nobody's business.
fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = crate::media::png(64, 64);
    let mut state = u32::from(seed) + 1;
    bytes.resize_with(BYTES, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    bytes
}

/// The most memory that a process had so far, in kilobytes.
fn peak_kb(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The largest figure of that name, over all its labels.
fn largest(metrics: &str, name: &str) -> f64 {
    let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).fold(0.0, f64::max)
}

struct Bed {
    api: Client,
    phones: Client,
    device: String,
    after: u64,
}

impl Bed {
    fn request(&self, path: &str, header: &str) -> RequestBuilder {
        self.api.with_key(None).request(Method::POST, path).header(header, ADMIN)
    }

    /// Waits for the next picture at the customer's phone and compares it.
    async fn arrives(&mut self, file: &[u8]) {
        let path = format!("/phones/{CUSTOMER}/inbox?after={}", self.after);
        let (id, seq) = wait_until("a picture", || async {
            let inbox = self.phones.get(&path).await.json;
            let entries = inbox.as_array().or(inbox["items"].as_array()).or(inbox["messages"].as_array())?.clone();
            let found = entries.iter().find(|entry| entry["kind"] == "image")?.clone();
            Some((found["id"].as_str()?.to_owned(), found["seq"].as_u64()?))
        })
        .await;
        self.after = seq;
        let path = format!("/phones/{CUSTOMER}/inbox/{id}/media");
        let got =
            self.phones.request(Method::GET, &path).send().await.expect("an answer").bytes().await.expect("bytes");
        assert!(got == file, "{} of {} bytes, not as they were sent", got.len(), file.len());
    }

    /// A multipart upload through `devices`, sent by its id.
    async fn by_form(&mut self, file: &[u8]) {
        let head = "--border\r\nContent-Disposition: form-data; name=\"file\"; filename=\"pier.png\"\r\nContent-Type: image/png\r\n\r\n";
        let body = [head.as_bytes(), file, b"\r\n--border--\r\n"].concat();
        let upload = self.request("/api/whatsapp/files/upload", "x-api-token");
        let upload = upload.header("content-type", "multipart/form-data; boundary=border").body(body);
        let kept = Client::send(upload).await.expect(200).str("/data/fileId");
        let message =
            json!({ "sessionId": "user_shop_device_front", "phoneNumber": format!("+{CUSTOMER}"), "fileId": kept });
        Client::send(self.request("/api/whatsapp/send/image", "x-api-token").json(&message)).await.expect(200);
        self.arrives(file).await;
    }

    /// Base64 in JSON through `organizations`.
    async fn by_base64(&mut self, file: &[u8]) {
        let body = json!({ "file": BASE64_STANDARD.encode(file) });
        let kept = Client::send(self.request("/api/media/upload", "x-api-key").json(&body)).await.expect(201);
        let content = json!({ "type": "image", "media": { "upload": kept.str("/media/id") } });
        let path = format!("/v1/devices/{}/messages", self.device);
        self.api.post(&path, json!({ "to": CUSTOMER, "content": content })).await.expect(202);
        self.arrives(file).await;
    }

    /// A URL through `instances`.
    async fn by_url(&mut self, file: &[u8]) {
        let server = FileServer::start(file.to_vec(), "image/png").await;
        let list =
            Client::send(self.api.with_key(None).request(Method::GET, "/api/instance").header("x-api-key", ADMIN));
        let instance = list.await.expect(200).str("/data/0/id");
        let message = json!({ "instanceId": instance, "to": format!("{CUSTOMER}@s.whatsapp.net"),
            "image": server.url("/file/pier.png") });
        Client::send(self.request("/api/message/send/image", "x-api-key").json(&message)).await.expect(200);
        self.arrives(file).await;
    }
}

async fn bed(api: Client, phones: Client) -> Bed {
    for number in [OWN, CUSTOMER] {
        phones.post("/phones", json!({ "number": number })).await.expect(201);
    }
    let new = json!({ "userId": "shop", "alias": "front" });
    let bed = Bed { api, phones, device: String::new(), after: 0 };
    let made = Client::send(bed.request("/api/whatsapp/devices", "x-api-token").json(&new)).await;
    assert!(matches!(made.status, 200 | 201), "{}", made.text);
    let device = bed.api.get("/v1/devices").await.expect(200).str("/items/0/id");
    let qr = wait_until("a code", || async {
        let answer = bed.api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
        (answer.status == 200).then(|| answer.str("/text"))
    })
    .await;
    let scan = bed.phones.request(Method::POST, &format!("/admin/mock-phone/scan-qr?phone={OWN}")).body(qr);
    Client::send(scan).await.expect(200);
    wait_until("connected", || async {
        let state: Value = bed.api.get(&format!("/v1/devices/{device}")).await.json["state"].clone();
        (state == "connected").then_some(())
    })
    .await;
    Bed { device, ..bed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_pass_by_the_guests_and_through_the_gateway() {
    let (network, admin, bind) = (free_address(), free_address(), free_address());
    let _sandbox =
        Process::start(&Process::sandbox_build(), &["sandbox", "--network-bind", &network, "--bind", &admin], &[]);
    let phones = ready(&admin, None).await;
    let folder = tempfile::tempdir().expect("a folder");
    let env = [("PORTICO_ADMIN_TOKEN", ADMIN), ("PORTICO_LIMITS", "off")];
    let mut gateway = serve(folder.path(), &bind, &["--sandbox-network", network.as_str()], &env);
    let mut bed = bed(ready(&bind, Some(ADMIN)).await, phones).await;

    // Whatever is set up with the first small file of each way is not what a large one costs.
    let small = crate::media::png(32, 32);
    bed.by_form(&small).await;
    bed.by_base64(&small).await;
    bed.by_url(&small).await;
    let before = peak_kb(&gateway);
    bed.by_form(&picture(1)).await;
    bed.by_base64(&picture(2)).await;
    bed.by_url(&picture(3)).await;
    let grown = peak_kb(&gateway) - before;
    assert!(grown < GROWTH_KB_MAX, "the process grew by {grown} kB");
    let metrics = bed.api.get("/metrics").await.text;
    let guest = largest(&metrics, "portico_plugin_memory_bytes_max");
    assert!(guest > 0.0 && guest < GUEST_BYTES_MAX, "a guest had {guest} bytes");
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
}
