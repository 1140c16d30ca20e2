//! A data folder on a disk that is really full: a small file system in a namespace of its own, which the test fills and frees.

use std::fs::{File, remove_file};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portico_harness::{Client, Process, Receiver, wait_until};
use reqwest::Method;
use serde_json::json;

use crate::crash::{ADMIN, CUSTOMER, OWN, set_up, text_of};
use crate::start::{free_address, ready};

/// Room for the database, its log and little more.
const DISK_SIZE: &str = "24m";
const PATIENCE: Duration = Duration::from_secs(30);

/// The file system, alive as long as the process that holds its namespace.
struct Disk {
    holder: Process,
    folder: PathBuf,
}

impl Disk {
    /// Mounts it over `folder`, for those who enter the namespace.
    async fn mount(folder: &Path) -> Self {
        let script = "mount -t tmpfs -o size=\"$0\" none \"$1\" && echo mounted && exec sleep infinity";
        let folder = folder.display().to_string();
        let args = ["--user", "--map-root-user", "--mount", "sh", "-c", script, DISK_SIZE, &folder];
        let holder = Process::start(&PathBuf::from("unshare"), &args, &[]);
        wait_until("a file system of its own (user namespaces have to be allowed)", || async {
            holder.output().contains("mounted").then_some(())
        })
        .await;
        Self { holder, folder: folder.into() }
    }

    /// Starts the gateway on it.
    fn serve(&self, bind: &str, network: &str) -> Process {
        let (pid, data) = (self.holder.pid().to_string(), self.folder.join("data").display().to_string());
        let binary = Process::sandbox_build().display().to_string();
        let enter = ["--target", &pid, "--user", "--mount", "--preserve-credentials", &binary];
        let serve = ["serve", "--bind", bind, "--data", &data, "--sandbox-network", network];
        let env = [("PORTICO_ADMIN_TOKEN", ADMIN), ("PORTICO_LIMITS", "off"), ("PORTICO_TUNING__PRE_KEYS", "30")];
        Process::start(&PathBuf::from("nsenter"), &[&enter[..], &serve[..]].concat(), &env)
    }

    /// A file on it, as this process reaches it.
    fn ballast(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.pid())).join(inside).join("ballast")
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.ballast()).expect("a file on it");
        let block = [0_u8; 4_096];
        loop {
            match file.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn free(&self) {
        remove_file(self.ballast()).expect("it is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(folder.path()).await;
    let (network, admin, bind) = (free_address(), free_address(), free_address());
    let args = ["sandbox", "--network-bind", &network, "--bind", &admin];
    let _sandbox = Process::start(&Process::sandbox_build(), &args, &[]);
    let phones = Client::new(format!("http://{admin}"), None);
    wait_until("the sandbox", || async {
        let answer = Client::try_send(phones.request(Method::GET, "/health")).await;
        answer.is_ok_and(|a| a.status == 200).then_some(())
    })
    .await;
    let mut gateway = disk.serve(&bind, &network);
    let api = ready(&bind, Some(ADMIN)).await;
    let hook = Receiver::start().await;
    let device = set_up(&api, &phones, &hook).await;
    let messages = format!("/v1/devices/{device}/messages");
    let text = |text: &str| json!({ "to": CUSTOMER, "content": { "type": "text", "text": text } });
    api.post(&messages, text("before")).await.expect(202);

    disk.fill();
    // What is written already may have left the log a little room; it is used up soon.
    let refused = wait_until("a write to be refused", || async {
        let answer = api.post(&messages, text("meanwhile")).await;
        disk.fill();
        (answer.status != 202).then_some(answer)
    })
    .await
    .expect(503);
    assert!(refused.text.contains("disk is full"), "{}", refused.text);
    let health = api.get("/health").await;
    assert_eq!(health.json["ready"], false, "{}", health.text);
    assert!(health.text.contains("full"), "{}", health.text);
    let burst = json!({ "to": OWN, "text": "in", "count": 20 });
    phones.post(&format!("/phones/{CUSTOMER}/messages"), burst).await.expect(200);
    // Reading goes on.
    api.get(&messages).await.expect(200);

    disk.free();
    wait_until("writes to go on", || async { (api.post(&messages, text("after")).await.status == 202).then_some(()) })
        .await;
    wait_until("the gateway to be ready again", || async {
        (api.get("/health").await.json["ready"] == true).then_some(())
    })
    .await;
    let arrived = wait_until("every text of the phone", || async {
        let texts: Vec<_> = hook.all().iter().filter_map(|d| text_of(&d.json()["data"])).collect();
        (1..=20).all(|n| texts.contains(&format!("in #{n}"))).then_some(texts)
    })
    .await;
    let mut first: Vec<&String> = Vec::new();
    for text in &arrived {
        if !first.contains(&text) {
            first.push(text);
        }
    }
    let expected: Vec<_> = (1..=20).map(|n| format!("in #{n}")).collect();
    assert_eq!(first, expected.iter().collect::<Vec<_>>(), "in their order");

    assert_eq!(gateway.terminate(PATIENCE), Some(0));
    disk.fill();
    let mut refused = disk.serve(&bind, &network);
    assert_ne!(refused.wait(PATIENCE), Some(0));
    assert!(refused.output().contains("full"), "a start says why: {}", refused.output());
    disk.free();
    let mut again = disk.serve(&bind, &network);
    ready(&bind, Some(ADMIN)).await.get(&messages).await.expect(200);
    assert_eq!(again.terminate(PATIENCE), Some(0));
}
