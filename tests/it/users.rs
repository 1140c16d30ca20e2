//! Users and tenants: signing up, logging in, what an operator makes and presets.

use portico_core::access::bootstrap::PresetToken;
use portico_core::access::secret::KeySecret;
use portico_harness::{Answer, Client, Kind, TestGateway};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    a_sign_up_makes_a_tenant_a_user_and_a_key
    a_sign_up_names_its_organization_and_can_be_repeated
    a_login_stands_for_its_user_until_the_password_changes
    failed_logins_are_throttled
    sign_up_is_closed_unless_opened
    an_operator_makes_tenants
    preset_tokens_make_their_tenants
}

fn ada() -> Value {
    json!({ "name": "Ada", "mobile": "+1 555 010 0002", "email": "Ada@Example.com", "password": "correct horse", "key_prefix": "api_" })
}

fn login(account: Value, password: &str) -> Value {
    let mut body = account;
    body["password"] = json!(password);
    body
}

async fn patch(client: &Client, path: &str, body: Value) -> Answer {
    Client::send(client.request(Method::PATCH, path).json(&body)).await
}

async fn a_sign_up_makes_a_tenant_a_user_and_a_key(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let stranger = gw.api.with_key(None);
    let made = stranger.post("/v1/sign-up", ada()).await.expect(201);
    assert_eq!((made.str("/user/mobile"), made.str("/user/email")), ("15550100002".into(), "ada@example.com".into()));
    assert_eq!((&made.json["user"]["number"], &made.json["key"]["number"]), (&json!(1), &json!(1)));
    let key = made.str("/key/key");
    assert!(key.starts_with("api_"), "the prefix that was chosen");
    let client = gw.api.with_key(Some(&key));
    assert_eq!(client.get("/v1/devices").await.expect(200).json["items"], json!([]));
    client.get("/v1/tenants").await.expect(403);
    // The key is revealable, and the list shows it where that is asked for.
    let id = made.str("/key/id");
    assert_eq!(client.get(&format!("/v1/keys/{id}/secret")).await.expect(200).str("/key"), key);
    assert_eq!(client.get("/v1/keys?reveal=true").await.expect(200).str("/items/0/key"), key);
    assert_eq!(client.get("/v1/keys").await.expect(200).json["items"][0]["key"], Value::Null);
    let users = client.get("/v1/users?total=true").await.expect(200).json;
    assert_eq!((&users["items"][0]["name"], &users["total"]), (&json!("Ada"), &json!(1)));
    // A key is no user.
    client.get("/v1/users/me").await.expect(403);

    let again = stranger.post("/v1/sign-up", ada()).await.expect(409);
    assert_eq!(again.str("/code"), "user_exists");
    for (name, value, field) in [
        ("password", json!("short"), "password"),
        ("email", json!("ada"), "email"),
        ("mobile", json!("0"), "mobile"),
        ("name", json!(" "), "name"),
        ("key_prefix", json!("a b"), "key_prefix"),
    ] {
        let mut body = ada();
        body[name] = value;
        assert_eq!(stranger.post("/v1/sign-up", body).await.expect(400).str("/field"), field);
    }
    let nobody = json!({ "name": "Bob", "password": "correct horse" });
    assert_eq!(stranger.post("/v1/sign-up", nobody).await.expect(400).str("/field"), "mobile");
}

async fn a_sign_up_names_its_organization_and_can_be_repeated(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let stranger = gw.api.with_key(None);
    let signs_up = async |key: &str, password: &str| {
        let mut body = ada();
        body["organization"] = json!("Acme");
        body["password"] = json!(password);
        Client::send(stranger.request(Method::POST, "/v1/sign-up").header("Idempotency-Key", key).json(&body)).await
    };
    let first = signs_up("k1", "correct horse").await.expect(201);
    let tenant = first.str("/tenant/id");
    assert_eq!(
        first.str("/tenant/name"),
        format!("Acme ({tenant})"),
        "a name alone leads nobody to a stranger's tenant"
    );
    let listed = gw.api.get(&format!("/v1/tenants/{tenant}")).await.expect(200);
    assert_eq!(listed.json, first.json["tenant"]);
    let again = signs_up("k1", "correct horse").await.expect(201);
    assert_eq!(first.text, again.text);
    assert_eq!(again.headers.get("idempotent-replay").map(String::as_str), Some("true"));
    // Whoever sends something else learns no more than any stranger.
    for (key, password) in [("k1", "another horse"), ("k2", "correct horse")] {
        assert_eq!(signs_up(key, password).await.expect(409).str("/code"), "user_exists");
    }
    let tenants = gw.api.get("/v1/tenants?total=true").await.expect(200);
    assert_eq!(tenants.json["total"], 2, "it was made once");
    let mut nameless = ada();
    nameless["organization"] = json!(" ");
    assert_eq!(stranger.post("/v1/sign-up", nameless).await.expect(400).str("/field"), "organization");
}

async fn a_login_stands_for_its_user_until_the_password_changes(kind: Kind) {
    let mut gw = TestGateway::start(kind).await;
    let stranger = gw.api.with_key(None);
    stranger.post("/v1/sign-up", ada()).await.expect(201);
    for account in [json!({ "mobile": "15550100002" }), json!({ "email": "ADA@example.com" })] {
        let wrong = stranger.post("/v1/login", login(account.clone(), "incorrect horse")).await.expect(401);
        assert_eq!(wrong.str("/code"), "unauthenticated");
        stranger.post("/v1/login", login(account, "correct horse")).await.expect(200);
    }
    stranger.post("/v1/login", login(json!({ "email": "bob@example.com" }), "correct horse")).await.expect(401);
    stranger.post("/v1/login", login(json!({}), "correct horse")).await.expect(400);

    let email = json!({ "email": "ada@example.com" });
    let token = stranger.post("/v1/login", login(email.clone(), "correct horse")).await.expect(200).str("/token");
    let ada = gw.api.with_key(Some(&token));
    let device = ada.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    assert_eq!(ada.get("/v1/users/me").await.expect(200).str("/name"), "Ada");
    let key = ada.post("/v1/keys", json!({ "name": "shop" })).await.expect(201);
    assert_eq!(key.json["expires_at"], Value::Null, "a key outlives the login it was made with");
    // Tampering with any part makes it worthless.
    let mut forged = token.clone();
    forged.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" });
    gw.api.with_key(Some(&forged)).get("/v1/users/me").await.expect(401);

    assert_eq!(patch(&ada, "/v1/users/me", json!({ "name": "Ada L." })).await.expect(200).str("/name"), "Ada L.");
    let new = json!({ "password": "another horse" });
    assert_eq!(patch(&ada, "/v1/users/me", new).await.expect(400).str("/field"), "current_password");
    let new = json!({ "password": "another horse", "current_password": "incorrect horse" });
    assert_eq!(patch(&ada, "/v1/users/me", new).await.expect(400).str("/field"), "current_password");
    ada.get("/v1/users/me").await.expect(200);

    // The signing key comes from the master key, so that logins survive a restart.
    gw.restart().await;
    let (stranger, ada) = (gw.api.with_key(None), gw.api.with_key(Some(&token)));
    ada.get(&format!("/v1/devices/{device}")).await.expect(200);
    let new = json!({ "password": "another horse", "current_password": "correct horse" });
    patch(&ada, "/v1/users/me", new).await.expect(200);
    ada.get("/v1/users/me").await.expect(401);
    stranger.post("/v1/login", login(email.clone(), "correct horse")).await.expect(401);
    stranger.post("/v1/login", login(email, "another horse")).await.expect(200);
}

async fn failed_logins_are_throttled(kind: Kind) {
    let gw = TestGateway::start_with(kind, |config| {
        config.server.rate_limits = portico_harness::rate_limits_on();
        config.limits.login_failures_per_account = 3;
        config.limits.sign_ups_per_address = 1;
    })
    .await;
    let stranger = gw.api.with_key(None);
    stranger.post("/v1/sign-up", ada()).await.expect(201);
    let bob = json!({ "name": "Bob", "email": "bob@example.com", "password": "correct horse" });
    assert!(stranger.post("/v1/sign-up", bob).await.expect(429).headers.contains_key("retry-after"));

    let email = || json!({ "email": "ada@example.com" });
    for _ in 0..3 {
        stranger.post("/v1/login", login(email(), "incorrect horse")).await.expect(401);
    }
    for password in ["incorrect horse", "correct horse"] {
        stranger.post("/v1/login", login(email(), password)).await.expect(429);
    }
    // Other accounts are not held up by it.
    stranger.post("/v1/login", login(json!({ "email": "eve@example.com" }), "x")).await.expect(401);
}

async fn sign_up_is_closed_unless_opened(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.server.sign_up = portico_harness::closed_sign_up()).await;
    let refused = gw.api.with_key(None).post("/v1/sign-up", ada()).await.expect(403);
    assert_eq!(refused.str("/code"), "forbidden");
    let account = login(json!({ "email": "ada@example.com" }), "correct horse");
    gw.api.with_key(None).post("/v1/login", account).await.expect(401);
}

async fn an_operator_makes_tenants(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let body = json!({ "name": "acme", "key": { "name": "first", "prefix": "sk_", "revealable": true } });
    let request = |key: &str| gw.api.request(Method::POST, "/v1/tenants").header("Idempotency-Key", key).json(&body);
    let made = Client::send(request("k1")).await.expect(201);
    let again = Client::send(request("k1")).await.expect(201);
    assert_eq!(made.text, again.text, "a lost answer comes again, with the key");
    assert_eq!(Client::send(request("k2")).await.expect(409).str("/code"), "tenant_exists");

    let key = made.str("/key/key");
    assert!(key.starts_with("sk_"));
    let acme = gw.api.with_key(Some(&key));
    acme.post("/v1/devices", json!({ "name": "sales" })).await.expect(201);
    acme.get("/v1/tenants").await.expect(403);
    assert_eq!(gw.api.get("/v1/devices").await.expect(200).json["items"], json!([]), "of another tenant");

    let list = gw.api.get("/v1/tenants?limit=1&total=true").await.expect(200);
    assert_eq!((list.str("/items/0/name"), &list.json["total"]), ("acme".to_owned(), &json!(2)));
    let second = gw.api.get("/v1/tenants?limit=1&offset=1").await.expect(200);
    assert_eq!(second.str("/items/0/name"), "default");
    let found = gw.api.get(&format!("/v1/tenants/{}", made.str("/tenant/id"))).await.expect(200);
    assert_eq!(found.json, made.json["tenant"]);
}

async fn preset_tokens_make_their_tenants(kind: Kind) {
    let mut gw = TestGateway::start(kind).await;
    const FIRST: &str = "b7e1c09d53f2486a9c1e5d70";
    const SECOND: &str = "c7e1c09d53f2486a9c1e5d71";
    let token = |text: &str| PresetToken {
        secret: KeySecret::preset("a test", text).expect("a good key"),
        tenant: "acme".to_owned(),
        scopes: None,
    };
    for (text, other) in [(FIRST, SECOND), (FIRST, SECOND), (SECOND, FIRST)] {
        gw.restart_with(|secrets| secrets.preset.tokens = vec![token(text)]).await;
        let client = gw.api.with_key(Some(text));
        client.get("/v1/devices").await.expect(200);
        client.get("/v1/tenants").await.expect(403);
        client.with_key(Some(other)).get("/v1/devices").await.expect(401);
        let tenants = gw.api.get("/v1/tenants").await.expect(200);
        let names: Vec<_> =
            tenants.json["items"].as_array().expect("a list").iter().map(|t| t["name"].clone()).collect();
        assert_eq!(names, ["acme", "default"], "it is made once");
    }
}
