//! What an install refuses, and that it says what to do.

use std::ffi::OsString;
use std::time::Duration;

use portico_runtime::compile::CompileError;
use portico_runtime::{Compiler, LoadError, Runtime, RuntimeConfig, Source, check_file};

use crate::support::{component, config};

/// What an operator reads: the error and everything it came from.
fn told(error: &LoadError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn hostile() -> Vec<u8> {
    std::fs::read(component("tests/plugins/hostile")).expect("a component")
}

/// Changes bytes in place; both texts are equally long, so that no length in the file becomes wrong.
fn edited(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{from} is not there");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

async fn refusal_with(config: RuntimeConfig, bytes: Vec<u8>) -> LoadError {
    let Err(refused) = Runtime::start(config, vec![Source::memory("test", bytes)]).await else { panic!("installed") };
    match refused {
        LoadError::Plugin { source, .. } => *source,
        other => other,
    }
}

async fn refusal(bytes: Vec<u8>) -> LoadError {
    refusal_with(config(), bytes).await
}

#[tokio::test]
async fn what_is_no_regular_file_is_refused_before_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(path("pipe.wasm")).status().unwrap().success());
    std::fs::create_dir(path("folder.wasm")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket.wasm")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("device.wasm")).unwrap();
    for (name, what) in [("pipe", "pipe"), ("folder", "folder"), ("socket", "socket"), ("device", "device")] {
        let path = path(&format!("{name}.wasm"));
        let start = Runtime::start(config(), vec![Source::file(&path)]);
        let start = tokio::time::timeout(Duration::from_secs(20), start).await.expect("nobody waits for a writer");
        let Err(refused) = start else { panic!("installed") };
        let told = told(&refused);
        assert!(told.contains(what) && told.contains(&path.display().to_string()), "{told}");
    }
}

#[tokio::test]
async fn files_that_are_no_plugins_are_refused_by_name() {
    assert!(matches!(refusal(b"#!/bin/sh".to_vec()).await, LoadError::NotWasm));
    assert!(matches!(refusal(b"\0asm\x01\0\0\0".to_vec()).await, LoadError::NotComponent));
    assert!(matches!(refusal(b"\0asm\x0d\0\x01\0".to_vec()).await, LoadError::NoManifest));
    let half = hostile();
    assert!(matches!(refusal(half[..half.len() / 2].to_vec()).await, LoadError::Malformed(_)));
    assert!(matches!(refusal(vec![0; (4 << 20) + 1]).await, LoadError::TooLarge { .. }));
}

#[tokio::test]
async fn a_plugin_gets_nothing_it_did_not_ask_for() {
    let silent = edited(hostile(), "[[grant]]", "#[grant]]");
    let silent = edited(edited(silent, "kind = \"rest\"", "#ind = \"rest\""), "why = \"to", "#hy = \"to");
    let silent = edited(edited(silent, "kind = \"kv\"", "#ind = \"kv\""), "kind = \"assume\"", "#ind = \"assume\"");
    let refused = refusal(silent).await;
    assert!(matches!(refused, LoadError::GrantMissing { grant: "rest" | "kv" | "assume", .. }), "{refused}");
    let foreign = edited(hostile(), "portico:plugin/log", "vanillo:plugin/log");
    let refused = refusal(foreign).await;
    assert!(matches!(&refused, LoadError::Import(name) if name.starts_with("vanillo:")), "{refused}");
}

#[tokio::test]
async fn exports_have_to_be_the_hooks_of_the_manifest() {
    let refused = refusal(edited(hostile(), "\"pacing\", ", "          ")).await;
    assert!(matches!(refused, LoadError::Hooks { .. }), "{refused}");
    let refused = refusal(edited(hostile(), "wit = \"0.1.0\"", "wit = \"0.2.0\"")).await;
    assert!(matches!(refused, LoadError::Manifest(_)), "{refused}");
}

#[tokio::test]
async fn an_id_belongs_to_one_plugin() {
    let source = Source::memory("test", hostile());
    let Err(refused) = Runtime::start(config(), vec![source.clone(), source]).await else { panic!("installed") };
    assert!(told(&refused).contains("hostile"), "{}", told(&refused));
}

#[tokio::test]
async fn a_compiling_child_that_fails_or_hangs_costs_one_refusal() {
    let refused = async |program: &str, args: Vec<OsString>| {
        let mut config = config();
        config.limits.compiled_bytes = 1 << 20;
        config.limits.compile_timeout = Duration::from_millis(500);
        config.compiler = Compiler::Child { program: program.into(), args };
        match refusal_with(config, hostile()).await {
            LoadError::Compile(why) => why,
            other => panic!("{program}: {other}"),
        }
    };
    assert!(matches!(refused("/nonexistent", vec![]).await, CompileError::Child(_)));
    assert!(matches!(refused("/bin/false", vec![]).await, CompileError::Child(_)));
    assert!(matches!(refused("/bin/sleep", vec!["60".into()]).await, CompileError::TooLong(_)));
    assert!(matches!(refused("/usr/bin/yes", vec![]).await, CompileError::TooLarge(_)));
}

#[tokio::test]
async fn the_check_for_authors_makes_the_same_checks() {
    let plugin = check_file(&component("plugins/pacing")).await.expect("a good plugin");
    assert_eq!((plugin.id.as_str(), plugin.mount, plugin.grants.len()), ("pacing", None, 0));
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("not-a-plugin.wasm");
    std::fs::write(&path, "hello").expect("written");
    let refused = check_file(&path).await.expect_err("no plugin");
    assert!(told(&refused).contains("portico-pack"), "{}", told(&refused));
    assert!(matches!(check_file(&dir.path().join("missing")).await, Err(LoadError::Read { .. })));
}

#[tokio::test]
async fn a_child_compiles_under_its_limits() {
    let test = std::env::current_exe().expect("this test");
    let target = test.ancestors().nth(2).expect("target/<profile>");
    let child = |bytes: Vec<u8>| {
        let mut config = config();
        let program = target.join("examples/plugin_compile");
        config.compiler = Compiler::Child { program, args: Vec::new() };
        Runtime::start(config, vec![Source::memory("test", bytes)])
    };
    child(hostile()).await.expect("a runtime");
    // The core module's export no longer has the name that the component around it asks for.
    let mut broken = hostile();
    let name = b"portico:plugin/pacing@0.1.0#decide";
    let at = broken.windows(name.len()).position(|w| w == name).expect("an export");
    broken[at] ^= 1;
    let Err(refused) = child(broken).await else { panic!("installed") };
    assert!(told(&refused).contains("compile"), "{}", told(&refused));
}
