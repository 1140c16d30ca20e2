//! Members: roles, assigned devices, who may manage whom, and what is told of it.

use portico_harness::{Client, Kind, TestGateway};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    a_role_says_what_a_member_may_do
    an_agent_reaches_the_devices_that_are_assigned
    nobody_makes_a_member_who_could_do_more
    the_last_admin_stays
    a_manager_manages_its_own_agents
    changes_of_members_are_told_and_entered
}

const PASSWORD: &str = "correct horse";

fn new(name: &str, role: &str) -> Value {
    json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD, "role": role })
}

/// Makes a member; gives its id, and a client that is logged in as it.
async fn member(api: &Client, name: &str, role: &str) -> (String, Client) {
    let made = api.post("/v1/members", new(name, role)).await.expect(201);
    assert_eq!((made.str("/role"), made.json["devices"].is_array()), (role.into(), matches!(role, "agent" | "viewer")));
    (made.str("/id"), login(api, name).await)
}

async fn login(api: &Client, name: &str) -> Client {
    let login = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
    let token = api.with_key(None).post("/v1/login", login).await.expect(200).str("/token");
    api.with_key(Some(&token))
}

fn text(to: &str, text: &str) -> Value {
    json!({ "to": to, "content": { "type": "text", "text": text } })
}

async fn a_role_says_what_a_member_may_do(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let hook = json!({ "url": "http://127.0.0.1:9/hook", "events": ["message.received"] });
    // Of each role: whether it may list devices, make one, see webhooks, make one, make keys, see members, the audit log and figures.
    for (role, allowed) in [
        ("admin", [true, true, true, true, true, true, true, true]),
        ("manager", [true, true, true, false, false, true, false, true]),
        ("agent", [true, false, false, false, false, false, false, false]),
        ("viewer", [true, false, false, false, false, false, false, true]),
    ] {
        let (id, api) = member(&gw.api, role, role).await;
        let answers = [
            api.get("/v1/devices").await,
            api.post("/v1/devices", json!({ "name": "support" })).await,
            api.get("/v1/webhooks").await,
            api.post("/v1/webhooks", hook.clone()).await,
            api.post("/v1/keys", json!({ "name": "k", "scopes": ["messages:read"] })).await,
            api.get("/v1/members").await,
            api.get("/v1/audit-log").await,
            api.get("/v1/analytics?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z").await,
        ];
        let did: Vec<bool> = answers.iter().map(|answer| (200..300).contains(&answer.status)).collect();
        assert_eq!(did, allowed, "{role}: {:?}", answers.map(|answer| answer.text));
        assert_eq!(api.get("/v1/users/me").await.expect(200).json["id"], json!(id));
        api.get("/v1/tenants").await.expect(403);
    }
    // A role counts from the next request on, also in a login of before.
    let viewer = login(&gw.api, "viewer").await;
    let id = viewer.get("/v1/users/me").await.expect(200).str("/id");
    viewer.get(&format!("/v1/devices/{device}")).await.expect(403);
    gw.api.patch(&format!("/v1/members/{id}"), json!({ "role": "admin" })).await.expect(200);
    viewer.get(&format!("/v1/devices/{device}")).await.expect(200);
    gw.api.delete(&format!("/v1/members/{id}")).await.expect(204);
    viewer.get(&format!("/v1/devices/{device}")).await.expect(401);
    gw.api.get(&format!("/v1/members/{id}")).await.expect(404);
    let taken = gw.api.post("/v1/members", new("agent", "viewer")).await.expect(409);
    assert_eq!(taken.str("/code"), "user_exists");
    let list = gw.api.get("/v1/members?limit=2&total=true").await.expect(200).json;
    assert_eq!((list["items"].as_array().map(Vec::len), &list["total"]), (Some(2), &json!(3)));
}

async fn an_agent_reaches_the_devices_that_are_assigned(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let (one, two) = (gw.paired("one").await, gw.paired("two").await);
    let customer = gw.phone();
    let (id, agent) = member(&gw.api, "agent", "agent").await;
    let send = |device: &str| format!("/v1/devices/{device}/messages");
    assert_eq!(agent.get("/v1/devices?total=true").await.expect(200).json["total"], 0);
    agent.post(&send(&one.id), text(customer.number(), "hello")).await.expect(403);
    let foreign = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    let foreign = gw.api.with_key(Some(&foreign));
    let elsewhere = foreign.post("/v1/devices", json!({ "name": "x" })).await.expect(201).str("/id");
    agent.post(&send(&elsewhere), text(customer.number(), "hello")).await.expect(404);
    gw.api.put(&format!("/v1/members/{id}/devices/{elsewhere}"), json!({})).await.expect(404);

    gw.api.put(&format!("/v1/members/{id}/devices/{}", one.id), json!({})).await.expect(200);
    agent.post(&send(&one.id), text(customer.number(), "from the agent")).await.expect(202);
    assert_eq!(customer.next_text().await.expect("it arrives"), "from the agent");
    agent.post(&send(&two.id), text(customer.number(), "hello")).await.expect(403);
    let hidden = gw.send_text(&two.id, customer.number(), "from two").await;
    assert_eq!(customer.next_text().await.expect("it arrives"), "from two");
    let hidden = hidden["id"].as_str().expect("an id");
    agent.get(&format!("/v1/messages/{hidden}")).await.expect(404);
    gw.api.get(&format!("/v1/messages/{hidden}")).await.expect(200);

    let list = agent.get("/v1/devices?total=true&limit=1").await.expect(200).json;
    assert_eq!((&list["items"][0]["id"], &list["total"]), (&json!(one.id), &json!(1)));
    let events = agent.get("/v1/events?after=0").await.expect(200).json;
    let of = events["items"].as_array().expect("events");
    assert!(!of.is_empty() && of.iter().all(|event| event["device"] == json!(one.id)), "{events}");
    agent.get(&format!("/v1/events?after=0&device={}", two.id)).await.expect(403);

    // What is taken away is gone with the next request.
    gw.api.delete(&format!("/v1/members/{id}/devices/{}", one.id)).await.expect(200);
    agent.post(&send(&one.id), text(customer.number(), "hello")).await.expect(403);
    let both = json!({ "devices": [one.id, two.id] });
    gw.api.patch(&format!("/v1/members/{id}"), both.clone()).await.expect(200);
    assert_eq!(agent.get("/v1/devices?total=true").await.expect(200).json["total"], 2);
    let page = agent.get("/v1/devices?limit=1").await.expect(200).json;
    let next = page["next"].as_str().expect("a second page");
    let second = agent.get(&format!("/v1/devices?limit=1&cursor={next}")).await.expect(200).json;
    assert_eq!((&page["items"][0]["id"], &second["items"][0]["id"]), (&json!(two.id), &json!(one.id)));
    assert_eq!(second["next"], Value::Null);
    // Devices mean nothing to a role that reaches all.
    let refused = gw.api.post("/v1/members", {
        let mut body = new("boss", "manager");
        body["devices"] = json!([one.id]);
        body
    });
    assert_eq!(refused.await.expect(400).str("/field"), "devices");
    let promoted = gw.api.patch(&format!("/v1/members/{id}"), json!({ "role": "manager" })).await.expect(200);
    assert_eq!(promoted.json["devices"], Value::Null);
    gw.api.delete(&format!("/v1/devices/{}", two.id)).await.expect(204);
}

async fn nobody_makes_a_member_who_could_do_more(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let scopes = json!(["members:write", "devices:read", "messages:read", "messages:write"]);
    let key = gw.api.post("/v1/keys", json!({ "name": "k", "scopes": scopes })).await.expect(201).str("/key");
    let weak = gw.api.with_key(Some(&key));
    weak.post("/v1/members", new("agent", "agent")).await.expect(201);
    for role in ["admin", "manager", "owner"] {
        weak.post("/v1/members", new(role, role)).await.expect(403);
    }
    gw.api.post("/v1/members", new("owner", "owner")).await.expect(403);
    let (admin, _) = member(&gw.api, "admin", "admin").await;
    weak.delete(&format!("/v1/members/{admin}")).await.expect(403);
    weak.patch(&format!("/v1/members/{admin}"), json!({ "role": "agent" })).await.expect(403);
    // A key without the scope sees nothing of them.
    let key = gw.api.post("/v1/keys", json!({ "name": "k" })).await.expect(201).str("/key");
    gw.api.with_key(Some(&key)).get("/v1/members").await.expect(403);
    for (name, value, field) in [
        ("password", json!("short"), "password"),
        ("email", json!("ada"), "email"),
        ("name", json!(" "), "name"),
        ("devices", json!(["dev_x"]), "devices[0]"),
        ("role", json!("king"), "role"),
    ] {
        let mut body = new("bob", "agent");
        body[name] = value;
        assert_eq!(gw.api.post("/v1/members", body).await.expect(400).str("/field"), field);
    }
}

async fn the_last_admin_stays(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let body = json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD });
    let made = gw.api.with_key(None).post("/v1/sign-up", body).await.expect(201);
    let (owner, key) = (made.str("/user/id"), gw.api.with_key(Some(&made.str("/key/key"))));
    let ada = login(&gw.api, "ada").await;
    let path = format!("/v1/members/{owner}");
    for refused in [ada.patch(&path, json!({ "role": "viewer" })).await, ada.delete(&path).await] {
        assert_eq!(refused.expect(409).str("/code"), "last_admin");
    }
    let (admin, bob) = member(&ada, "bob", "admin").await;
    // Only an owner touches an owner.
    for other in [&bob, &key] {
        other.patch(&path, json!({ "role": "viewer" })).await.expect(403);
        other.delete(&path).await.expect(403);
    }
    bob.patch(&format!("/v1/members/{admin}"), json!({ "role": "owner" })).await.expect(403);
    ada.patch(&path, json!({ "role": "agent" })).await.expect(200);
    ada.get("/v1/members").await.expect(403);
    for refused in [
        bob.patch(&format!("/v1/members/{admin}"), json!({ "role": "agent" })).await,
        bob.delete(&format!("/v1/members/{admin}")).await,
    ] {
        assert_eq!(refused.expect(409).str("/code"), "last_admin");
    }
    bob.delete(&path).await.expect(204);
    // Things of other tenants are not there.
    gw.api.get(&format!("/v1/members/{admin}")).await.expect(404);
    gw.api.delete(&format!("/v1/members/{admin}")).await.expect(404);
}

async fn a_manager_manages_its_own_agents(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let (_, one) = member(&gw.api, "one", "manager").await;
    let (_, two) = member(&gw.api, "two", "manager").await;
    let (agent, _) = member(&one, "agent", "agent").await;
    for role in ["owner", "admin", "manager", "viewer"] {
        one.post("/v1/members", new(role, role)).await.expect(403);
    }
    one.put(&format!("/v1/members/{agent}/devices/{device}"), json!({})).await.expect(200);
    two.put(&format!("/v1/members/{agent}/devices/{device}"), json!({})).await.expect(403);
    two.delete(&format!("/v1/members/{agent}")).await.expect(403);
    one.patch(&format!("/v1/members/{agent}"), json!({ "role": "manager" })).await.expect(403);
    let (other, _) = member(&gw.api, "other", "agent").await;
    one.delete(&format!("/v1/members/{other}")).await.expect(403);
    one.delete(&format!("/v1/members/{agent}")).await.expect(204);
}

async fn changes_of_members_are_told_and_entered(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let (hook, ..) = gw.webhook(&device.id, &["*"]).await;
    let receiver = portico_harness::Receiver::start().await;
    gw.api.post("/v1/webhooks", json!({ "url": receiver.url(), "events": ["member.changed"] })).await.expect(201);
    let body = new("agent", "agent");
    let request = || gw.api.request(Method::POST, "/v1/members").header("Idempotency-Key", "k1").json(&body);
    let first = Client::send(request()).await.expect(201);
    assert_eq!(Client::send(request()).await.expect(201).text, first.text);
    let id = first.str("/id");
    let agent = login(&gw.api, "agent").await;
    gw.api.put(&format!("/v1/members/{id}/devices/{}", device.id), json!({})).await.expect(200);
    // Nothing changes, so nothing is told.
    gw.api.put(&format!("/v1/members/{id}/devices/{}", device.id), json!({})).await.expect(200);
    agent.post(&format!("/v1/devices/{}/messages", device.id), text(customer.number(), "hello")).await.expect(202);
    gw.api.delete(&format!("/v1/members/{id}")).await.expect(204);
    let told = receiver.at_least(3).await;
    let changes: Vec<_> = told.iter().map(|d| d.json()["data"]["change"].clone()).collect();
    assert_eq!(changes, [json!("added"), json!("changed"), json!("removed")]);
    assert_eq!(told[1].json()["data"]["member"]["devices"], json!([device.id]));
    assert!(told.iter().all(|d| !String::from_utf8_lossy(&d.body).contains("argon2")));
    assert!(hook.all().iter().all(|d| d.json()["type"] != "member.changed"), "`*` does not mean members");

    let log = gw.api.get("/v1/audit-log?total=true").await.expect(200).json;
    let entries = log["items"].as_array().expect("entries");
    let done_by_agent: Vec<_> = entries.iter().filter(|entry| entry["user"] == json!(id)).collect();
    assert_eq!(done_by_agent.len(), 1, "{log}");
    assert_eq!((&done_by_agent[0]["action"], &done_by_agent[0]["device"]), (&json!("send"), &json!(device.id)));
    let of_members = entries.iter().filter(|entry| entry["action"] == "manage_members").count();
    assert_eq!(of_members, 4, "{log}");
    let newest = gw.api.get("/v1/audit-log?limit=1&offset=1").await.expect(200).json;
    assert_eq!((newest["items"].as_array().map(Vec::len), &newest["items"][0]), (Some(1), &entries[1]));
}
