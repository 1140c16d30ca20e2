//! Devices from creation to logout, and every way to show a code.

use portico_core::id::DeviceId;
use portico_harness::{Kind, TestGateway, wait_until};
use portico_sandbox::Phone;
use reqwest::{Method, header::ACCEPT};
use serde_json::json;

on_both! {
    the_code_is_shown_in_every_form
    a_phone_can_type_a_code_instead
    a_disconnected_device_resumes_without_a_code
    a_session_runs_exactly_where_the_state_says_so
    a_session_that_nobody_wants_is_ended
    logging_out_needs_a_new_pairing
    unlinking_on_the_phone_is_noticed
    a_deleted_device_is_gone
}

/// The numbers of the devices linked to a phone; 0 is the phone itself.
fn companions(phone: &Phone) -> Vec<u16> {
    phone.devices().into_iter().map(|d| d.device).filter(|d| *d != 0).collect()
}

async fn the_code_is_shown_in_every_form(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let path = format!("/v1/devices/{device}/qr");
    assert_eq!(gw.api.get(&path).await.expect(409).str("/code"), "device_not_ready");
    gw.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    let json = wait_until("a code", || async {
        let answer = gw.api.get(&path).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(json.str("/png").starts_with("data:image/png;base64,"));
    assert!(json.str("/text").split(',').count() >= 4);
    for (accept, start) in [("image/png", "\u{fffd}PNG"), ("text/html", "<!"), ("text/plain", "")] {
        let response = gw.api.request(Method::GET, &path).header(ACCEPT, accept).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{accept}");
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(kind.starts_with(accept), "{kind}");
        let body = response.bytes().await.expect("a body");
        assert!(String::from_utf8_lossy(&body).trim_start().starts_with(start), "{accept}");
    }
    // Asking to connect again while it waits changes nothing.
    gw.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
}

async fn a_phone_can_type_a_code_instead(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let phone = gw.phone();
    gw.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    gw.wait_for_state(&device, "pairing").await;
    let path = format!("/v1/devices/{device}/pairing-code");
    assert_eq!(gw.api.post(&path, json!({ "phone": "12" })).await.expect(400).str("/field"), "phone");
    let code = gw.api.post(&path, json!({ "phone": phone.number() })).await.expect(200).str("/code");
    phone.enter_code(&code).await.expect("the phone takes the code");
    gw.wait_for_state(&device, "connected").await;
}

async fn a_disconnected_device_resumes_without_a_code(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    gw.api.act(&format!("/v1/devices/{}/disconnect", device.id)).await.expect(200);
    gw.wait_for_state(&device.id, "disconnected").await;
    customer.send_text(device.phone.number(), "while away").await.expect("sent");
    gw.api.act(&format!("/v1/devices/{}/connect", device.id)).await.expect(202);
    gw.wait_for_state(&device.id, "connected").await;
    wait_until("what was sent meanwhile", || async {
        let list = gw.api.get(&format!("/v1/devices/{}/messages", device.id)).await.json;
        (list["items"][0]["content"]["text"] == "while away").then_some(())
    })
    .await;
}

async fn a_session_runs_exactly_where_the_state_says_so(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (path, id) = (format!("/v1/devices/{}", device.id), device.id.parse().expect("an id"));
    let ask = async |what: &str| gw.api.act(&format!("{path}/{what}")).await.status;
    for round in 0..10 {
        // At once, so that they may share a commit.
        let answers = match round % 2 {
            0 => tokio::join!(ask("connect"), ask("disconnect"), ask("connect")),
            _ => tokio::join!(ask("disconnect"), ask("connect"), ask("disconnect")),
        };
        assert!([answers.0, answers.1, answers.2].into_iter().all(|status| status < 300), "{answers:?}");
        // A session that WhatsApp ended meanwhile is started again in a moment, so the two may differ for that long.
        wait_until(&format!("state and session to agree in round {round}"), || async {
            let state = gw.api.get(&path).await.expect(200).str("/state");
            let runs = gw.running().services().sessions.resources(&id).is_some();
            (runs == (state != "disconnected")).then_some(())
        })
        .await;
    }
    gw.api.act(&format!("{path}/connect")).await.expect(202);
    gw.wait_for_state(&device.id, "connected").await;
}

async fn a_session_that_nobody_wants_is_ended(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let id: DeviceId = device.id.parse().expect("an id");
    gw.api.act(&format!("/v1/devices/{}/disconnect", device.id)).await.expect(200);
    // As if the last word of an earlier session had stopped the device under this one.
    let services = gw.running().services();
    let wanted = id.clone();
    let stopped = services.ports.read(move |tx| tx.device_load(&wanted)).await.expect("read").expect("a device");
    services.sessions.open(&stopped).await.expect("opened");
    wait_until("its end", || async { services.sessions.resources(&id).is_none().then_some(()) }).await;
    let state = gw.api.get(&format!("/v1/devices/{}", device.id)).await.expect(200).str("/state");
    assert_eq!(state, "disconnected");
}

async fn logging_out_needs_a_new_pairing(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    gw.api.act(&format!("/v1/devices/{}/logout", device.id)).await.expect(200);
    gw.wait_for_state(&device.id, "logged_out").await;
    wait_until("the phone to drop it", || async { companions(&device.phone).is_empty().then_some(()) }).await;
    let other = gw.phone();
    gw.pair(&device.id, &other).await;
    let shown = gw.api.get(&format!("/v1/devices/{}", device.id)).await.expect(200);
    assert_eq!(shown.str("/jid"), other.jid());
}

async fn unlinking_on_the_phone_is_noticed(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    assert!(device.phone.unlink(companions(&device.phone)[0]), "the phone knows the device");
    gw.wait_for_state(&device.id, "logged_out").await;
    let shown = gw.api.get(&format!("/v1/devices/{}", device.id)).await.expect(200);
    assert!(shown.json["reason"]["text"].is_string(), "{}", shown.text);
}

async fn a_deleted_device_is_gone(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    gw.send_text(&device.id, gw.phone().number(), "bye").await;
    gw.api.delete(&format!("/v1/devices/{}", device.id)).await.expect(204);
    gw.api.get(&format!("/v1/devices/{}", device.id)).await.expect(404);
    wait_until("the phone to drop it", || async { companions(&device.phone).is_empty().then_some(()) }).await;
}
