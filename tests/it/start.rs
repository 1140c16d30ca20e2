//! Starting and stopping the real binary, and what it says when it can't start.

use std::path::Path;
use std::time::Duration;

use portico_harness::{Client, Process, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A free port, as far as anybody can promise that.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// `portico serve --sandbox` on free ports.
pub(crate) fn serve(data: &Path, bind: &str, more: &[&str], env: &[(&str, &str)]) -> Process {
    let data = data.display().to_string();
    let sandbox = free_address();
    let mut args = vec!["serve", "--bind", bind, "--data", &data];
    if !more.contains(&"--sandbox-network") {
        args.extend(["--sandbox", "--sandbox-bind", &sandbox]);
    }
    args.extend(more);
    Process::start(&Process::sandbox_build(), &args, env)
}

/// Waits until a gateway answers.
pub(crate) async fn ready(bind: &str, key: Option<&str>) -> Client {
    let client = Client::new(format!("http://{bind}"), key.map(str::to_owned));
    wait_until("the gateway to answer", || async {
        let answer = Client::try_send(client.request(reqwest::Method::GET, "/health")).await;
        answer.is_ok_and(|a| a.status == 200).then_some(())
    })
    .await;
    client
}

fn fails_with(mut process: Process, hint: &str) {
    assert_ne!(process.wait(PATIENCE), Some(0));
    assert!(process.output().contains(hint), "{}", process.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_a_key_once_and_stops_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let bind = free_address();
    let mut first = serve(folder.path(), &bind, &[], &[]);
    ready(&bind, None).await;
    let output = wait_until("the key", || async { Some(first.output()).filter(|o| o.contains("Admin key")) }).await;
    let line = output.lines().find_map(|l| l.trim().strip_prefix("Admin key")).expect("the line with the key");
    let key = line.split_whitespace().next().expect("a key").to_owned();
    ready(&bind, Some(&key)).await.get("/v1/devices").await.expect(200);
    assert_eq!(first.terminate(PATIENCE), Some(0));

    let mut second = serve(folder.path(), &bind, &[], &[]);
    ready(&bind, Some(&key)).await.get("/v1/devices").await.expect(200);
    assert_eq!(second.terminate(PATIENCE), Some(0));
    assert!(!second.output().contains("Admin key"), "a key is shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let bind = free_address();
    let _first = serve(folder.path(), &bind, &[], &[]);
    ready(&bind, None).await;
    fails_with(serve(folder.path(), &free_address(), &[], &[]), "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    fails_with(serve(folder.path(), &address, &[], &[]), "in use");

    let weak = [("PORTICO_ADMIN_TOKEN", "changeme")];
    fails_with(serve(folder.path(), &free_address(), &[], &weak), "too weak");

    let nowhere = ["--database", "postgres://nobody@127.0.0.1:1/nothing"];
    fails_with(serve(folder.path(), &free_address(), &nowhere, &[]), "database");

    let plugins = tempfile::tempdir().expect("a folder");
    std::fs::write(plugins.path().join("notes.wasm"), "just some text").expect("a file");
    let dir = plugins.path().display().to_string();
    fails_with(serve(folder.path(), &free_address(), &["--plugins", &dir], &[]), "portico-pack");

    fails_with(serve(tempfile::tempdir().expect("a folder").path(), "0.0.0.0:0", &[], &[]), "loopback");

    let unknown = [("PORTICO_SERVER__BNID", "127.0.0.1:1")];
    fails_with(serve(folder.path(), &free_address(), &[], &unknown), "bnid");
}
