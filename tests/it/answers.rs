//! What is around a message: answers, mentions, timers, advertisements; at phones and from them.

use portico_harness::{Kind, PairedDevice, TestGateway, wait_until};
use portico_sandbox::Around;
use serde_json::{Value, json};

on_both! { an_answer_quotes_and_mentions what_is_around_a_text_comes_in a_page_is_shown_under_a_text what_cant_be_around_a_message_is_refused }

async fn received(gw: &TestGateway, device: &PairedDevice, text: &str) -> Value {
    wait_until("the message", || async {
        let list = gw.api.get(&format!("/v1/devices/{}/messages?direction=in", device.id)).await.expect(200).json;
        list["items"].as_array()?.iter().find(|m| m["content"]["text"] == text).cloned()
    })
    .await
}

async fn an_answer_quotes_and_mentions(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let asked = customer.send_text(device.phone.number(), "Who comes?").await.expect("sent");
    let question = received(&gw, &device, "Who comes?").await;

    let body = json!({
        "to": customer.number(),
        "content": { "type": "text", "text": "@15550100099 does" },
        "quoted": question["id"], "mentions": ["+1 555 010 0099"], "disappears_after": 86_400,
    });
    let sent = gw.api.post(&format!("/v1/devices/{}/messages", device.id), body).await.expect(202).json;
    let arrived = customer.next_message().await.expect("it arrives");
    assert_eq!(arrived.text.as_deref(), Some("@15550100099 does"));
    assert_eq!(arrived.quoted, Some(asked));
    assert_eq!(arrived.mentions, ["15550100099@s.whatsapp.net"]);
    assert_eq!(arrived.disappears_after, Some(86_400));
    assert_eq!((&sent["quoted"]["message"], &sent["quoted"]["text"]), (&question["id"], &json!("Who comes?")));
}

async fn what_is_around_a_text_comes_in(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let sent = gw.send_text(&device.id, customer.number(), "Hello").await;
    let arrived = customer.next_message().await.expect("it arrives");
    let around = Around {
        quoted: Some(arrived.id.clone()),
        quoted_author: Some(device.phone.jid()),
        quoted_text: Some("Hello".to_owned()),
        mentions: vec![device.phone.jid()],
        forwarded: Some(4),
        disappears_after: Some(604_800),
        ad_click: Some("click-1".to_owned()),
        ad_headline: Some("Shoes".to_owned()),
    };
    customer.send_text_with(device.phone.number(), "Is it open?", &around).await.expect("sent");
    let message = received(&gw, &device, "Is it open?").await;
    assert_eq!(
        (&message["quoted"]["whatsapp_id"], &message["quoted"]["text"]),
        (&sent["whatsapp_id"], &json!("Hello"))
    );
    assert!(message["quoted"]["author"].is_null(), "the own account wrote it: {message}");
    assert_eq!(message["mentions"], json!([device.phone.jid()]));
    assert_eq!((&message["forwarded"], &message["disappears_after"]), (&json!(4), &json!(604_800)));
    assert_eq!(message["referral"], json!({ "click_id": "click-1", "source_type": "ad", "headline": "Shoes" }));
}

async fn what_cant_be_around_a_message_is_refused(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (customer, other) = (gw.phone(), gw.phone());
    other.send_text(device.phone.number(), "Another chat").await.expect("sent");
    let elsewhere = received(&gw, &device, "Another chat").await;
    let path = format!("/v1/devices/{}/messages", device.id);
    let many = vec!["15550100002"; 1_025];
    for (field, value) in [
        ("quoted", elsewhere["id"].clone()),
        ("quoted", json!("msg_00000000000000000000000000")),
        ("quoted", json!("3EB0")),
        ("mentions", json!(["Ada"])),
        ("mentions", json!(many)),
        ("disappears_after", json!(60)),
        ("view_once", json!(true)),
    ] {
        let mut body = json!({ "to": customer.number(), "content": { "type": "text", "text": "x" } });
        body[field] = value;
        let refused = gw.api.post(&path, body).await.expect(400);
        assert_eq!(refused.str("/field"), field, "{}", refused.text);
    }
    assert_eq!(gw.api.get(&format!("{path}?direction=out")).await.expect(200).json["items"], json!([]));
}

async fn a_page_is_shown_under_a_text(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let path = format!("/v1/devices/{}/messages", device.id);
    let text = |url: &str, preview: Value| json!({ "to": customer.number(), "content": { "type": "text", "text": format!("See {url}") }, "link_preview": preview });
    let url = "https://example.com/shoes";
    let sent = gw.api.post(&path, text(url, json!({ "url": url, "title": "Shoes" }))).await.expect(202).json;
    assert_eq!(sent["link_preview"], json!({ "url": url, "title": "Shoes" }));
    assert_eq!(customer.next_message().await.expect("it arrives").link_title.as_deref(), Some("Shoes"));

    let elsewhere = json!({ "url": "https://example.com/hats", "title": "Hats" });
    assert_eq!(gw.api.post(&path, text(url, elsewhere)).await.expect(400).str("/field"), "link_preview.url");
    // Nobody sends the gateway to its own network.
    let inside = "http://10.0.0.1/admin";
    let refused = gw.api.post(&path, text(inside, json!({ "url": inside }))).await;
    assert!([400, 422].contains(&refused.status), "{}", refused.text);
}
