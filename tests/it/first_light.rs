//! The thread everything hangs on: pair, text out, text back, webhook shaped by a component, restart.

use portico_harness::{Kind, TestGateway, wait_until};

on_both! { a_text_goes_out_and_its_answer_comes_back_as_a_signed_webhook after_a_restart_everything_goes_on }

async fn a_text_goes_out_and_its_answer_comes_back_as_a_signed_webhook(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let (hook, _, secret) = gw.webhook(&device.id, &["message.received"]).await;

    let sent = gw.send_text(&device.id, customer.number(), "Hello Ada").await;
    assert_eq!(sent["status"], "queued");
    let arrived = customer.next_message().await.expect("the text arrives");
    assert_eq!(arrived.text.as_deref(), Some("Hello Ada"));
    assert_eq!(arrived.id, sent["whatsapp_id"], "the id was made before the send");

    customer.send_text(device.phone.number(), "Hello back").await.expect("the answer goes out");
    let delivery = hook.at_least(1).await.remove(0);
    assert!(delivery.is_signed_with(&secret), "{:?}", delivery.headers);
    assert_eq!(delivery.header("x-portico-format"), "", "the component shaped it, not the fallback");
    let body = delivery.json();
    assert_eq!(body["type"], "message.received");
    assert_eq!(body["id"], delivery.header("webhook-id"));
    assert_eq!(body["data"]["content"]["text"], "Hello back");
    assert_eq!(body["data"]["chat"]["id"], customer.jid());
    assert_eq!(body["data"]["sender"]["lid"], format!("{}@lid", customer.lid()));
}

async fn after_a_restart_everything_goes_on(kind: Kind) {
    let mut gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let number = device.phone.number().to_owned();
    let customer = gw.phone();
    gw.send_text(&device.id, customer.number(), "before").await;
    assert_eq!(customer.next_text().await.expect("it arrives"), "before");
    let customer_number = customer.number().to_owned();

    gw.restart().await;
    gw.wait_for_state(&device.id, "connected").await;
    let sandbox = gw.running().sandbox().expect("a sandbox");
    let customer = sandbox.phone(&customer_number).expect("the phone is remembered");
    gw.send_text(&device.id, &customer_number, "after").await;
    wait_until("the text after the restart", || async {
        customer.inbox(0, 100).iter().any(|m| m.text.as_deref() == Some("after")).then_some(())
    })
    .await;
    customer.send_text(&number, "and back").await.expect("the answer goes out");
    wait_until("the answer", || async {
        let list = gw.api.get(&format!("/v1/devices/{}/messages?direction=in", device.id)).await;
        (list.json["items"][0]["content"]["text"] == "and back").then_some(())
    })
    .await;
}
