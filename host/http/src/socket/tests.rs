use std::sync::Arc;

use portico_core::event::{Event, EventKind};
use portico_core::id::EventId;
use portico_core::ports::plugins::{Hook, Mount, PluginInfo, SocketEndpoint};
use portico_core::time::UtcMs;

use super::endpoints::{Claim, Endpoints, Table};
use super::party::{Ended, Parties, Said};
use crate::HttpConfig;
use crate::tests::fakes::{api_with, caller};

fn plugin(name: &str, paths: &[&str]) -> PluginInfo {
    let endpoint = |path: &&str| SocketEndpoint {
        path: (*path).to_owned(),
        credentials: vec!["token".to_owned()],
        events: vec![EventKind::MessageReceived],
    };
    PluginInfo {
        id: format!("dialect-{name}"),
        version: "1.0.0".to_owned(),
        name: name.to_owned(),
        digest: String::new(),
        hooks: vec![Hook::DialectSocket],
        mount: Some(Mount { name: name.to_owned(), root: Vec::new(), limits: Vec::new() }),
        routes: Arc::new([]),
        sockets: paths.iter().map(endpoint).collect(),
        grants: Vec::new(),
    }
}

fn table(plugins: &[PluginInfo]) -> Arc<Table> {
    Endpoints::default().of(&plugins.into())
}

#[test]
fn a_path_leads_to_all_that_name_it_and_below_a_mount_to_one() {
    let table = table(&[plugin("one", &["/", "/ws"]), plugin("two", &["/"])]);
    let found = |path: &str| {
        let claims = table.find(path);
        claims.iter().map(|Claim { plugin, endpoint }| (*plugin, *endpoint)).collect::<Vec<_>>()
    };
    assert_eq!(found("/"), [(0, 0), (1, 0)]);
    assert_eq!(found("/ws/"), [(0, 1)]);
    assert_eq!(found("/d/two"), [(1, 0)]);
    assert_eq!(found("/d/one/ws"), [(0, 1)]);
    for path in ["/v1/events", "/health", "/d/two/ws", "/d/none/", "/wss", ""] {
        assert_eq!(found(path), [], "{path}");
    }
    assert_eq!(table.label(&table.find("/ws")[0]), "dialect:one socket /ws");
}

fn event(seq: i64) -> Event {
    Event {
        id: EventId::new(1, 1),
        seq,
        kind: EventKind::MessageReceived,
        tenant: caller().tenant().clone(),
        device: None,
        lane: "lane".to_owned(),
        timestamp: UtcMs(0),
        data: serde_json::Value::Null,
    }
}

async fn parties(names: &[&str]) -> Parties {
    let plugins: Vec<_> = names.iter().map(|name| plugin(name, &["/"])).collect();
    let table = table(&plugins);
    let app = api_with(HttpConfig::default()).app;
    let claims = table.find("/");
    Parties::opened(&app, &table, &claims, Vec::new(), caller(), None).await.ok().unwrap()
}

fn frames(said: Said) -> Vec<String> {
    assert_eq!(said.ended, None);
    said.frames
}

#[tokio::test]
async fn the_client_that_subscribes_belongs_to_the_one_and_gets_nothing_of_the_other() {
    let mut parties = parties(&["pushes", "subscribes"]).await;
    assert!(parties.choosing().is_some(), "nothing is sent before the client had its moment");
    assert!(frames(parties.received("what?").await).is_empty(), "nobody's message decides nothing");
    assert!(parties.choosing().is_some());
    assert_eq!(frames(parties.received("subscribe").await), ["dialect-subscribes opened"]);
    assert!(parties.choosing().is_none());
    assert_eq!(frames(parties.events(&[event(1), event(2)]).await), ["dialect-subscribes 1", "dialect-subscribes 2"]);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_pushed_to_and_may_still_subscribe() {
    let mut parties = parties(&["pushes", "subscribes"]).await;
    assert_eq!(frames(parties.begun()), ["dialect-pushes opened", "dialect-subscribes opened"]);
    assert_eq!(frames(parties.events(&[event(1)]).await), ["dialect-pushes 1"]);
    assert!(frames(parties.received("subscribe").await).is_empty());
    assert_eq!(frames(parties.events(&[event(2)]).await), ["dialect-subscribes 2"]);
}

#[tokio::test]
async fn one_that_breaks_down_leaves_the_others_and_the_last_ends_the_socket() {
    let mut parties = parties(&["breaks", "pushes"]).await;
    parties.begun();
    assert_eq!(frames(parties.events(&[event(1)]).await), ["dialect-pushes 1"]);
    assert_eq!(frames(parties.events(&[event(2)]).await), ["dialect-pushes 2"]);

    let mut alone = self::parties(&["breaks"]).await;
    assert!(alone.choosing().is_none());
    assert!(matches!(alone.events(&[event(1)]).await.ended, Some(Ended(1011, _))));
}

#[tokio::test]
async fn a_plugin_may_close_the_socket() {
    let mut parties = parties(&["subscribes"]).await;
    parties.begun();
    let said = parties.received("bye").await;
    assert_eq!(said.ended, Some(Ended(1000, "goodbye".to_owned())));
}
