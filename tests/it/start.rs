//! Starting and stopping the real binary, and what it says when it can't start.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use portico_harness::{Client, Database, Kind, Process, TestGateway, wait_until};
use serde_json::json;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

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
    assert!(process.output().contains(hint), "{hint}: {}", process.output());
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
    fails_with(serve(folder.path(), &free_address(), &[], &[]), "a data folder of its own");
}

/// What `portico doctor` says, and whether it is content.
fn doctor(data: &Path, more: &[&str]) -> (bool, String) {
    let data = data.display().to_string();
    let mut args = vec!["doctor", "--data", &data, "--bind", "127.0.0.1:0"];
    args.extend(more);
    let mut process = Process::start(&Process::sandbox_build(), &args, &[]);
    (process.wait(PATIENCE) == Some(0), process.output())
}

/// Names and lengths of what is in a folder.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut all: Vec<_> = entries
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().expect("metadata").len()))
        .collect();
    all.sort();
    all
}

const ADMIN: (&str, &str) = ("PORTICO_ADMIN_TOKEN", "portico-tests-never-guess-this-0123456789");

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_key_that_is_replaced_stops_working() {
    const NEXT: &str = "portico-tests-never-guess-that-9876543210";
    let folder = tempfile::tempdir().expect("a folder");
    let bind = free_address();
    let mut gateway = serve(folder.path(), &bind, &[], &[ADMIN]);
    ready(&bind, Some(ADMIN.1)).await.get("/v1/keys").await.expect(200);
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    // The same key in the other place: it can do less from now on, and another one administrates.
    gateway = serve(folder.path(), &bind, &[], &[("PORTICO_ADMIN_TOKEN", NEXT), ("PORTICO_API_TOKEN", ADMIN.1)]);
    ready(&bind, Some(NEXT)).await.get("/v1/keys").await.expect(200);
    let all = ready(&bind, Some(ADMIN.1)).await.get("/v1/keys").await.expect(200).json;
    let scopes = |name: &str| all["items"].as_array().and_then(|k| k.iter().find(|k| k["name"] == name)).cloned();
    let has_admin = |name: &str| scopes(name).is_some_and(|key| key.to_string().contains("server:admin"));
    assert!(has_admin("preset admin key") && !has_admin("preset API key"), "{all}");
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    // Replaced for good; taking it up again is refused in clear words.
    gateway = serve(folder.path(), &bind, &[], &[("PORTICO_API_TOKEN", &NEXT.replace('9', "8"))]);
    ready(&bind, Some(NEXT)).await.get("/v1/keys").await.expect(200);
    ready(&bind, Some(ADMIN.1)).await.get("/v1/keys").await.expect(401);
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    fails_with(serve(folder.path(), &bind, &[], &[ADMIN]), "set a fresh one");
    let twice = [("PORTICO_ADMIN_TOKEN", NEXT), ("PORTICO_API_TOKEN", NEXT)];
    fails_with(serve(folder.path(), &bind, &[], &twice), "must differ");
    gateway = serve(folder.path(), &bind, &[], &[("PORTICO_ADMIN_TOKEN", NEXT)]);
    ready(&bind, Some(NEXT)).await.get("/v1/keys").await.expect(200);
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
}

on_both! { a_lost_master_key_stops_the_start }

async fn a_lost_master_key_stops_the_start(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::create(kind, folder.path()).await;
    let at = ["--database", database.url()];
    let bind = free_address();
    let mut first = serve(folder.path(), &bind, &at, &[ADMIN]);
    let api = ready(&bind, Some(ADMIN.1)).await;
    let hook = json!({ "url": "http://127.0.0.1:9/hook", "events": ["message.received"] });
    api.post("/v1/webhooks", hook).await.expect(201);

    let (content, report) = doctor(folder.path(), &at);
    assert!(content && report.contains("a gateway is running"), "{report}");
    assert_eq!(first.terminate(PATIENCE), Some(0));
    let (content, report) = doctor(folder.path(), &at);
    assert!(content && report.contains("opens what the database holds"), "{report}");

    let key = folder.path().join("master.key");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let kept = elsewhere.path().join("master.key");
    std::fs::rename(&key, &kept).expect("the key is there");
    let before = listing(folder.path());
    let (content, report) = doctor(folder.path(), &at);
    assert!(!content && report.contains("set PORTICO_MASTER_KEY"), "{report}");
    assert_eq!(listing(folder.path()), before, "doctor changes nothing");
    fails_with(serve(folder.path(), &bind, &at, &[ADMIN]), "restore the master.key that belongs to this database");
    assert!(!key.exists(), "no other key takes its place");
    let other = ("PORTICO_MASTER_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    fails_with(serve(folder.path(), &bind, &at, &[ADMIN, other]), "PORTICO_MASTER_KEY is not the key");

    std::fs::rename(&kept, &key).expect("the key comes back");
    let mut last = serve(folder.path(), &bind, &at, &[ADMIN]);
    ready(&bind, Some(ADMIN.1)).await;
    assert_eq!(last.terminate(PATIENCE), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_devices_keys_tell_which_master_key_is_right() {
    let mut gw = TestGateway::start(Kind::Sqlite).await;
    gw.paired("sales").await;
    gw.restart().await;
    gw.stop().await;
    let (content, report) = doctor(gw.data(), &[]);
    assert!(content && report.contains("opens what the database holds"), "{report}");
    std::fs::write(gw.data().join("master.key"), "00".repeat(32)).expect("another key");
    let (content, report) = doctor(gw.data(), &[]);
    assert!(!content && report.contains("is not the key"), "{report}");
}

#[test]
fn a_master_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("master.key");
    std::fs::write(&key, "00".repeat(32)).expect("a key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("a mode");
    let remedy = format!("chmod 600 '{}'", key.display());
    fails_with(serve(folder.path(), &free_address(), &[], &[]), &remedy);
    let (content, report) = doctor(folder.path(), &[]);
    assert!(!content && report.contains(&remedy), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_may_have_any_name_and_one_that_is_open_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    let data = home.path().join("what? 50%25 #1");
    let bind = free_address();
    let mut first = serve(&data, &bind, &[], &[ADMIN]);
    ready(&bind, Some(ADMIN.1)).await;
    assert_eq!(first.terminate(PATIENCE), Some(0));
    assert!(!first.output().contains("chmod"), "{}", first.output());

    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("a mode");
    let remedy = format!("chmod 700 '{}'", data.display());
    let mut second = serve(&data, &bind, &[], &[ADMIN]);
    ready(&bind, Some(ADMIN.1)).await.get("/v1/keys").await.expect(200);
    assert_eq!(second.terminate(PATIENCE), Some(0));
    assert!(second.output().contains(&remedy), "{}", second.output());
    let (content, report) = doctor(&data, &[]);
    assert!(content && report.contains(&remedy), "{report}");
}

#[test]
fn doctor_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (content, report) = doctor(folder.path(), &[]);
    assert!(content && report.contains("none yet"), "{report}");
    assert_eq!(listing(folder.path()), []);

    std::fs::write(folder.path().join("portico.db"), "").expect("an empty database");
    let (content, report) = doctor(folder.path(), &[]);
    assert!(content && report.contains("pending"), "{report}");
    assert_eq!(listing(folder.path()), [("portico.db".to_owned(), 0)]);

    let (content, report) = doctor(Path::new("/proc/x"), &[]);
    assert!(!content && report.contains("--data"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_finds_the_sandbox_that_runs_beside_it() {
    let (network, admin) = (free_address(), free_address());
    let args = ["sandbox", "--network-bind", &network, "--bind", &admin];
    let sandbox = Process::start(&Process::sandbox_build(), &args, &[]);
    let line = format!("portico serve --sandbox-network {network}");
    wait_until("the line to copy", || async { sandbox.output().contains(&line).then_some(()) }).await;

    for pasted in [network.clone(), format!("ws://{network}/ws/chat"), format!("http://{network}")] {
        let folder = tempfile::tempdir().expect("a folder");
        let bind = free_address();
        let mut gateway = serve(folder.path(), &bind, &["--sandbox-network", &pasted], &[]);
        ready(&bind, None).await;
        assert_eq!(gateway.terminate(PATIENCE), Some(0));
    }
    let folder = tempfile::tempdir().expect("a folder");
    fails_with(serve(folder.path(), &free_address(), &["--sandbox-network", "elsewhere"], &[]), "--sandbox-network");
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

    for name in ["storage.connections", "tuning.sessions_max", "tuning.devices_per_tenant"] {
        let variable = format!("PORTICO_{}", name.replace('.', "__").to_uppercase());
        fails_with(serve(folder.path(), &free_address(), &[], &[(&variable, "0")]), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_among_the_plugins_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    let pipe = plugins.join("hook.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let config = folder.path().join("portico.toml");
    std::fs::write(&config, format!("[plugins]\ndir = {:?}\n", plugins.display().to_string())).expect("a file");
    let more = ["--config", &config.display().to_string()];
    fails_with(serve(&folder.path().join("data"), &free_address(), &more, &[]), "is a named pipe (FIFO)");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_a_damaged_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let bind = free_address();
    let mut gateway = serve(folder.path(), &bind, &[], &[ADMIN]);
    ready(&bind, Some(ADMIN.1)).await;
    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    let (content, report) = doctor(folder.path(), &[]);
    assert!(content && report.contains("its pages are sound"), "{report}");

    // The last page holds something of the tables made last; nothing that is read at the start.
    let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("portico.db")).expect("the database");
    let length = file.metadata().expect("metadata").len();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4096], length - 4096).expect("written");
    let (content, report) = doctor(folder.path(), &[]);
    assert!(!content && report.contains("is damaged") && report.contains("restore"), "{report}");
}
