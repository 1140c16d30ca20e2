//! What the sources of `core` themselves must keep to, read as text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files of `host/core/src` by their path below it, without comments and unit tests.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/core/src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the sources are somewhere else");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
        (name, code_of(&text))
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The text without comments and without what follows the unit tests' attribute.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The top-level module a file belongs to.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// Which top-level modules each of them uses.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, code) in sources() {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let named = code.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let others = named.filter(|other| other != module && other.starts_with(|c: char| c.is_ascii_lowercase()));
        uses.entry(module.to_owned()).or_default().extend(others);
    }
    uses
}

#[test]
fn modules_of_core_have_no_cycle() {
    let mut uses = uses();
    // Modules that use nothing that is left can be understood next. What remains in the end goes round in circles.
    loop {
        let left: BTreeSet<String> = uses.keys().cloned().collect();
        let ready = |others: &BTreeSet<String>| others.iter().all(|other| !left.contains(other));
        uses.retain(|_, others| !ready(others));
        if uses.len() == left.len() {
            break;
        }
    }
    assert!(uses.is_empty(), "these modules of core depend on each other: {uses:#?}");
}

#[test]
fn nouns_of_core_know_no_api() {
    for (file, code) in sources() {
        assert!(!code.contains("utoipa") && !code.contains("ToSchema"), "{file} knows OpenAPI");
        assert!(!code.contains("/v1/"), "{file} names a path of an API");
    }
}

#[test]
fn every_operation_asks_whether_the_caller_may() {
    let mut operations = 0;
    for (file, code) in sources() {
        for function in code.split("\npub async fn ").skip(1) {
            let body = function.split("\n}\n").next().unwrap_or(function);
            if !body.contains("ctx: &OpContext") {
                continue;
            }
            operations += 1;
            let name = body.split(['(', '<']).next().unwrap_or_default();
            let ways = [
                ".require(Action::",
                ".require_within(Action::",
                ".require_reaching(Action::",
                ".own_user()",
                "lock(ctx, id)",
            ];
            let asks = ways.iter().any(|way| body.contains(way));
            assert!(asks, "the operation {name} in {file} touches things without asking for access");
        }
    }
    assert!(operations > 20, "operations look different now; this test finds only {operations}");
}

#[test]
fn only_access_leads_from_an_operation_to_rows_and_sessions() {
    for (file, code) in sources() {
        let may = file.starts_with("context") || file.starts_with("access/authorize");
        assert!(may || !code.contains("ctx.services"), "{file} goes around access");
    }
}
