//! Groups, as their other members see them.

use portico_harness::{Kind, PairedDevice, TestGateway, wait_until};
use portico_sandbox::{GroupChange, Phone};
use serde_json::{Value, json};

on_both! {
    a_group_is_made_written_to_and_changed
    what_members_do_comes_as_events
    people_come_and_go_by_invite_and_request
    refusals_say_who_may
}

/// Makes a group of the device and these phones; its path and its JID.
async fn made(gw: &TestGateway, device: &PairedDevice, phones: &[&Phone]) -> (String, String) {
    let participants: Vec<_> = phones.iter().map(|phone| phone.number()).collect();
    let groups = format!("/v1/devices/{}/groups", device.id);
    let made = gw.api.post(&groups, json!({ "subject": "Harbour tours", "participants": participants })).await;
    let made = made.expect(201);
    for result in made.json["results"].as_array().expect("results") {
        assert_eq!(result["done"], true, "{}", made.text);
    }
    let id = made.str("/id");
    (format!("{groups}/{id}"), id)
}

/// The members by number, with their roles.
fn roles(group: &Value) -> Vec<(String, String)> {
    let members = group["participants"].as_array().expect("participants");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut roles: Vec<_> = members.iter().map(|member| (text(&member["pn"]), text(&member["role"]))).collect();
    roles.sort();
    roles
}

async fn a_group_is_made_written_to_and_changed(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (ada, bob) = (gw.phone(), gw.phone());
    let (hook, _, _) = gw.webhook(&device.id, &["message.received"]).await;
    let (path, id) = made(&gw, &device, &[&ada, &bob]).await;

    gw.send_text(&device.id, &id, "Hello all").await;
    for phone in [&ada, &bob] {
        let message = phone.next_message().await.expect("it arrives");
        assert_eq!((message.chat.as_str(), message.text.as_deref()), (id.as_str(), Some("Hello all")));
    }
    ada.send_text(&id, "Hello back").await.expect("sent");
    let event = hook.at_least(1).await.remove(0).json();
    let data = &event["data"];
    assert_eq!((&data["chat"]["id"], &data["sender"]["pn"]), (&json!(id), &json!(ada.jid())), "{event}");
    assert_eq!(data["content"]["text"], "Hello back");

    let change =
        json!({ "subject": "Pier tours", "description": "Every Sunday", "locked": true, "ephemeral_s": 86_400 });
    let group = gw.api.patch(&path, change).await.expect(200).json;
    assert_eq!((&group["subject"], &group["locked"]), (&json!("Pier tours"), &json!(true)), "{group}");
    // The other members' network shows the same: a member who may not change it any more is refused.
    assert!(ada.change_group(&id, &GroupChange::Subject("Mine".to_owned())).is_err());
    let group = gw.api.get(&path).await.expect(200).json;
    assert_eq!((&group["description"], &group["ephemeral_s"]), (&json!("Every Sunday"), &json!(86_400)));

    let who = json!({ "participants": [ada.number(), "15550199999"] });
    let promoted = gw.api.post(&format!("{path}/participants/promote"), who).await.expect(200).json;
    assert_eq!(
        (&promoted["results"][0]["done"], &promoted["results"][1]["code"]),
        (&json!(true), &json!("not_a_member"))
    );
    ada.change_group(&id, &GroupChange::Subject("Ada's tours".to_owned())).expect("an admin may");
    let listed = gw.api.get(&format!("/v1/devices/{}/groups", device.id)).await.expect(200).json;
    assert_eq!(listed["items"][0]["subject"], "Ada's tours", "{listed}");
    let owner = (device.phone.jid(), "owner".to_owned());
    assert_eq!(roles(&listed["items"][0]).iter().filter(|role| **role == owner).count(), 1);
    let demoted = gw.api.post(&format!("{path}/participants/demote"), json!({ "participants": [ada.jid()] })).await;
    assert_eq!(demoted.expect(200).json["results"][0]["done"], true);
    assert!(ada.change_group(&id, &GroupChange::Subject("Mine".to_owned())).is_err());
}

async fn what_members_do_comes_as_events(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (ada, bob) = (gw.phone(), gw.phone());
    let (hook, _, _) = gw.webhook(&device.id, &["group.*"]).await;
    let id = ada.create_group("Ada's group", &[device.phone.number().to_owned()]).expect("a group");
    let event = async |kind: &str, action: &str| {
        wait_until(action, || async {
            hook.all().into_iter().map(|d| d.json()).find(|e| e["type"] == kind && e["data"]["action"] == action)
        })
        .await
    };
    let joined = wait_until("the invitation", || async {
        hook.all().into_iter().map(|d| d.json()).find(|e| e["type"] == "group.joined")
    })
    .await;
    assert_eq!(joined["data"]["group"], json!(id), "{joined}");
    ada.change_group(&id, &GroupChange::Subject("Ada's pier".to_owned())).expect("renamed");
    let renamed = event("group.updated", "subject").await;
    assert_eq!((&renamed["data"]["value"], &renamed["data"]["actor"]["pn"]), (&json!("Ada's pier"), &json!(ada.jid())));
    ada.change_group(&id, &GroupChange::Add(vec![bob.number().to_owned()])).expect("added");
    let added = event("group.participants", "added").await;
    assert_eq!(added["data"]["participants"][0]["pn"], json!(bob.jid()), "{added}");
    ada.change_group(&id, &GroupChange::Announcement(true)).expect("closed");
    assert_eq!(event("group.updated", "announce").await["data"]["value"], json!(true));
    ada.change_group(&id, &GroupChange::Remove(vec![device.phone.number().to_owned()])).expect("removed");
    assert_eq!(event("group.left", "removed").await["data"]["group"], json!(id));
    let gone = gw.api.get(&format!("/v1/devices/{}/groups/{id}", device.id)).await.expect(422);
    assert_eq!(gone.str("/code"), "not_group_member");
}

async fn people_come_and_go_by_invite_and_request(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let other = gw.paired("support").await;
    let (ada, bob) = (gw.phone(), gw.phone());
    let (path, id) = made(&gw, &device, &[&ada]).await;
    let invite = gw.api.get(&format!("{path}/invite")).await.expect(200);
    let (code, link) = (invite.str("/code"), invite.str("/link"));
    let invites = format!("/v1/devices/{}/group-invites", other.id);
    let seen = gw.api.get(&format!("{invites}/{code}")).await.expect(200).json;
    assert_eq!((&seen["id"], &seen["subject"]), (&json!(id), &json!("Harbour tours")));
    for _ in 0..2 {
        let joined = gw.api.post(&invites, json!({ "code": link })).await.expect(200).json;
        assert_eq!((&joined["group"], &joined["pending"]), (&json!(id), &json!(false)), "joining twice is joining");
    }
    gw.api.act(&format!("/v1/devices/{}/groups/{id}/leave", other.id)).await.expect(204);
    let without = gw.api.get(&path).await.expect(200).json;
    assert!(roles(&without).iter().all(|(number, _)| *number != other.phone.jid()), "{without}");

    gw.api.patch(&path, json!({ "join_approval": true })).await.expect(200);
    bob.join_group(&code).expect("asked");
    let waiting = wait_until("the request", || async {
        let requests = gw.api.get(&format!("{path}/requests")).await.expect(200).json;
        requests["items"].as_array().is_some_and(|items| items.len() == 1).then_some(requests)
    })
    .await;
    assert_eq!(waiting["items"][0]["lid"], json!(format!("{}@lid", bob.lid())), "{waiting}");
    let who = json!({ "participants": [bob.number()] });
    let let_in = gw.api.post(&format!("{path}/requests/approve"), who.clone()).await.expect(200).json;
    assert_eq!(let_in["results"][0]["done"], true, "{let_in}");
    gw.send_text(&device.id, &id, "Welcome").await;
    assert_eq!(bob.next_text().await.expect("a member gets it"), "Welcome");
    let removed = gw.api.post(&format!("{path}/participants/remove"), who.clone()).await.expect(200).json;
    assert_eq!(removed["results"][0]["done"], true, "{removed}");
    let without = gw.api.get(&path).await.expect(200).json;
    assert!(roles(&without).iter().all(|(number, _)| *number != bob.jid()), "{without}");

    let renewed = gw.api.act(&format!("{path}/invite/revoke")).await.expect(200).str("/code");
    assert_ne!(renewed, code);
    let worthless = gw.api.post(&invites, json!({ "code": code })).await.expect(422);
    assert_eq!(worthless.str("/code"), "invite_invalid");
    let added = gw.api.post(&format!("{path}/participants/add"), who).await.expect(200).json;
    assert_eq!(added["results"][0]["done"], true, "{added}");
    let again = json!({ "participants": [bob.number(), "15550199999"] });
    let again = gw.api.post(&format!("{path}/participants/add"), again).await.expect(200).json;
    let codes: Vec<_> = again["results"].as_array().expect("results").iter().map(|r| &r["code"]).collect();
    assert_eq!(codes, [&json!("already_a_member"), &json!("not_on_whatsapp")], "{again}");
}

async fn refusals_say_who_may(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let ada = gw.phone();
    let id = ada.create_group("Ada's group", &[device.phone.number().to_owned()]).expect("a group");
    ada.change_group(&id, &GroupChange::Locked(true)).expect("locked");
    let path = format!("/v1/devices/{}/groups/{id}", device.id);
    let refused = gw.api.patch(&path, json!({ "subject": "Mine" })).await.expect(422);
    assert_eq!(refused.str("/code"), "not_group_admin");
    assert_eq!(gw.api.get(&path).await.expect(200).json["subject"], "Ada's group");
    let nowhere = format!("/v1/devices/{}/groups/120363000000000001@g.us", device.id);
    assert_eq!(gw.api.get(&nowhere).await.expect(404).str("/code"), "not_found");
    for (change, field) in [
        (json!({}), "subject"),
        (json!({ "subject": " " }), "subject"),
        (json!({ "ephemeral_s": 5 }), "ephemeral_s"),
        (json!({ "description": "x".repeat(2_049) }), "description"),
    ] {
        assert_eq!(gw.api.patch(&path, change).await.expect(400).str("/field"), field);
    }
    let nobody = gw.api.post(&format!("{path}/participants/add"), json!({ "participants": [] })).await.expect(400);
    assert_eq!(nobody.str("/field"), "participants");
}
