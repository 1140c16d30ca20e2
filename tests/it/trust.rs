//! Trust: what a production binary and a sandbox binary refuse. The binaries are those `make test` built.

use std::time::Duration;

use portico_harness::Process;

const PATIENCE: Duration = Duration::from_secs(60);

fn run(program: &std::path::PathBuf, args: &[&str]) -> (Option<i32>, String) {
    let mut process = Process::start(program, args, &[]);
    let code = process.wait(PATIENCE);
    (code, process.output())
}

#[test]
fn a_production_build_has_no_sandbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display().to_string();
    let (code, output) = run(&Process::production_build(), &["serve", "--sandbox", "--data", &data]);
    assert_ne!(code, Some(0));
    assert!(output.contains("production build"), "{output}");
    let (code, _) = run(&Process::production_build(), &["sandbox"]);
    assert_ne!(code, Some(0), "the command does not exist");
}

#[test]
fn a_production_build_refuses_a_forged_chain_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display().to_string();
    let (code, output) = run(&Process::production_build(), &["doctor", "--data", &data]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("a forged certificate chain is refused"), "{output}");
}

#[test]
fn a_sandbox_build_serves_nothing_but_a_sandbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display().to_string();
    let (code, output) = run(&Process::sandbox_build(), &["serve", "--data", &data]);
    assert_ne!(code, Some(0));
    assert!(output.contains("sandbox build"), "{output}");
    let elsewhere = ["serve", "--data", &data, "--bind", "127.0.0.1:0", "--sandbox-network", "192.0.2.1:8081"];
    let (code, output) = run(&Process::sandbox_build(), &elsewhere);
    assert_ne!(code, Some(0));
    assert!(output.contains("this machine"), "{output}");
}
