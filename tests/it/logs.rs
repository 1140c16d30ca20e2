//! What the gateway writes to its log.

use portico_harness::{Client, Process, wait_until};
use serde_json::json;

use crate::start::{PATIENCE, free_address, ready};

const ADMIN: (&str, &str) = ("PORTICO_ADMIN_TOKEN", "portico-tests-never-guess-this-0123456789");
const NUMBER: &str = "15550100077";
const CUSTOMER: &str = "15550100078";

#[tokio::test(flavor = "multi_thread")]
async fn pairing_and_sending_leave_no_number_and_no_code_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bind, phones_at) = (free_address(), free_address());
    let data = folder.path().display().to_string();
    let args = ["serve", "--bind", &bind, "--data", &data, "--sandbox", "--sandbox-bind", &phones_at];
    // All that the protocol library says, too.
    let mut gateway = Process::start(&Process::sandbox_build(), &args, &[ADMIN, ("PORTICO_LOG", "info")]);
    let api = ready(&bind, Some(ADMIN.1)).await;
    let phones = Client::new(format!("http://{phones_at}"), None);
    for (number, name) in [(NUMBER, "Bo"), (CUSTOMER, "Ada")] {
        let status = phones.post("/phones", json!({ "number": number, "name": name })).await.status;
        assert!((200..300).contains(&status), "{status}");
    }

    let device = api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let state = async |wanted: &str| {
        wait_until("the state", || async {
            let found = api.get(&format!("/v1/devices/{device}")).await.str("/state");
            (found == wanted).then_some(())
        })
        .await;
    };
    api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    state("pairing").await;
    let pairing = api.post(&format!("/v1/devices/{device}/pairing-code"), json!({ "phone": NUMBER })).await;
    let code = pairing.expect(200).str("/code");
    let entered = phones.post(&format!("/phones/{NUMBER}/enter-code"), json!({ "code": code })).await;
    assert!((200..300).contains(&entered.status), "{}", entered.status);
    state("connected").await;
    let text = json!({ "to": CUSTOMER, "content": { "type": "text", "text": "hello" } });
    api.post(&format!("/v1/devices/{device}/messages"), text).await.expect(202);
    wait_until("the text to arrive", || async {
        let inbox = phones.get(&format!("/phones/{CUSTOMER}/inbox")).await.json.to_string();
        inbox.contains("hello").then_some(())
    })
    .await;

    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    let log = gateway.output();
    assert!(log.contains("…77"), "the library spoke, and what it said is redacted: {log}");
    let halves = code.replace('-', "");
    for secret in [NUMBER, CUSTOMER, &code, &halves] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
