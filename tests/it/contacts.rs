//! People: who is on WhatsApp and under which names, and what a block does, seen from the other side.

use portico_harness::{Kind, TestGateway};
use serde_json::{Value, json};

on_both! {
    people_are_checked_at_once_under_all_their_names
    what_a_blocked_person_writes_stays_out
    refusals_name_what_is_wrong
}

async fn people_are_checked_at_once_under_all_their_names(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (one, other) = (gw.phone(), gw.phone());
    let base = format!("/v1/devices/{}", device.id);
    let lid = format!("{}@lid", other.lid());
    let asked = json!({ "contacts": [one.number(), lid, "15550199999", format!("+{}", one.number())] });
    let checked = gw.api.post(&format!("{base}/contacts/check"), asked).await.expect(200).json;
    let results = checked["results"].as_array().expect("results");
    let seen: Vec<_> = results.iter().map(|r| (&r["asked"], &r["on_whatsapp"], &r["party"]["pn"])).collect();
    assert_eq!(
        seen,
        [
            (&json!(one.number()), &json!(true), &json!(one.jid())),
            (&json!(lid), &json!(true), &json!(other.jid())),
            (&json!("15550199999"), &json!(false), &Value::Null),
        ],
        "each once: {checked}"
    );

    // What WhatsApp told is known from then on, both ways.
    let party = gw.api.get(&format!("{base}/lids/{lid}")).await.expect(200).json;
    assert_eq!((&party["pn"], &party["lid"]), (&json!(other.jid()), &json!(lid)));
    let party = gw.api.get(&format!("{base}/lids/{}", other.number())).await.expect(200).json;
    assert_eq!(party["lid"], json!(lid));
    let known = gw.api.get(&format!("{base}/lids?total=true")).await.expect(200).json;
    let listed = known["items"].as_array().expect("items");
    assert!(listed.iter().any(|party| party["lid"] == json!(lid)), "{known}");
    assert_eq!(known["total"], json!(listed.len()));
    let contact = gw.api.get(&format!("{base}/contacts/{}", one.number())).await.expect(200).json;
    assert_eq!((&contact["pn"], &contact["is_business"]), (&json!(one.jid()), &json!(false)));
}

async fn what_a_blocked_person_writes_stays_out(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (hook, _, _) = gw.webhook(&device.id, &["message.received"]).await;
    let customer = gw.phone();
    let base = format!("/v1/devices/{}", device.id);
    let contact = format!("{base}/contacts/{}", customer.number());
    gw.api.act(&format!("{contact}/block")).await.expect(204);
    let blocked = gw.api.get(&format!("{base}/blocked")).await.expect(200).json;
    assert_eq!(blocked["items"][0]["pn"], json!(customer.jid()), "{blocked}");
    customer.send_text(device.phone.number(), "blocked").await.expect("sent");
    gw.api.act(&format!("{contact}/unblock")).await.expect(204);
    assert_eq!(gw.api.get(&format!("{base}/blocked")).await.expect(200).json["items"], json!([]));
    customer.send_text(device.phone.number(), "again").await.expect("sent");
    let came = hook.at_least(1).await;
    assert_eq!(came.len(), 1, "texts of one chat come in order, so the first would have come before");
    assert_eq!(came[0].json()["data"]["content"]["text"], "again");
}

async fn refusals_name_what_is_wrong(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.limits.contacts_per_check = 2).await;
    let device = gw.paired("sales").await;
    let idle = gw.api.post("/v1/devices", json!({ "name": "idle" })).await.expect(201).str("/id");
    let check = format!("/v1/devices/{}/contacts/check", device.id);
    for (contacts, field) in [
        (json!([]), "contacts"),
        (json!(["15550100001", "15550100002", "15550100003"]), "contacts"),
        (json!(["15550100001", "120363000000000001@g.us"]), "contacts[1]"),
    ] {
        let refused = gw.api.post(&check, json!({ "contacts": contacts })).await.expect(400);
        assert_eq!(refused.str("/field"), field);
    }
    let one = json!({ "contacts": ["15550100001"] });
    let not_ready = gw.api.post(&format!("/v1/devices/{idle}/contacts/check"), one).await.expect(409);
    assert_eq!(not_ready.str("/code"), "device_not_ready");
    let nobody = gw.api.get(&format!("/v1/devices/{}/contacts/15550199999", device.id)).await.expect(422);
    assert_eq!(nobody.str("/code"), "not_on_whatsapp");
    let nowhere = gw.api.get(&format!("/v1/devices/{}/groups/nowhere", device.id)).await.expect(404);
    assert_eq!(nowhere.str("/code"), "not_found");
}
