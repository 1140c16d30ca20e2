//! Which way dependencies point, read from cargo's own metadata.

mod core;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate of the host may depend on, of ours.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("portico-core", &["portico-api"]),
    ("portico-sandbox", &[]),
    ("portico-store", &["portico-core"]),
    ("portico-whatsapp", &["portico-core"]),
    ("portico-runtime", &["portico-core"]),
    ("portico-media", &["portico-core"]),
    ("portico-net", &["portico-core"]),
    ("portico-http", &["portico-api", "portico-core"]),
    ("portico-jobs", &["portico-core"]),
    (
        "portico",
        &[
            "portico-core",
            "portico-http",
            "portico-jobs",
            "portico-media",
            "portico-net",
            "portico-runtime",
            "portico-sandbox",
            "portico-store",
            "portico-whatsapp",
        ],
    ),
];

/// The heavy libraries, and the one crate of the host that may name each.
const HEAVY: [(&str, &[&str]); 9] = [
    ("sqlx", &["portico-store"]),
    ("rusqlite", &["portico-store"]),
    ("whatsapp-rust", &["portico-whatsapp", "portico-sandbox"]),
    ("wasmtime", &["portico-runtime"]),
    ("reqwest", &["portico-net"]),
    ("object_store", &["portico-media"]),
    ("image", &["portico-whatsapp"]),
    ("axum", &["portico-http", "portico-sandbox"]),
    // The facade `metrics` may be used anywhere; what it is rendered with has one home.
    ("metrics-exporter-prometheus", &["portico-http"]),
];

/// What would make `core` do I/O.
const IO: [&str; 10] =
    ["tokio", "reqwest", "axum", "sqlx", "rusqlite", "wasmtime", "hyper", "whatsapp-rust", "mio", "object_store"];

/// The normal dependencies of every crate of the workspace, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let metadata: Value = serde_json::from_slice(&cargo.expect("cargo metadata").stdout).expect("JSON");
    let text = |v: &Value| v.as_str().expect("a text").to_owned();
    let names = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        all.iter().filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect()
    };
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (text(&package["name"]), names(package))).collect()
}

#[test]
fn dependencies_point_inwards() {
    let all = dependencies();
    for (package, allowed) in ALLOWED {
        let ours: Vec<_> = all[package].iter().filter(|d| d.starts_with("portico")).collect();
        for dependency in ours {
            assert!(allowed.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
}

#[test]
fn every_heavy_library_has_one_home() {
    let all = dependencies();
    for (library, homes) in HEAVY {
        for (package, _) in ALLOWED {
            assert!(
                !all[package].contains(library) || homes.contains(&package),
                "{package} must not depend on {library}"
            );
        }
    }
}

#[test]
fn core_does_no_io() {
    for library in IO {
        assert!(!dependencies()["portico-core"].contains(library), "core must not depend on {library}");
    }
}

#[test]
fn plugins_know_nothing_of_the_host() {
    for (package, dependencies) in dependencies() {
        if package.starts_with("portico-plugin-") {
            let ours: Vec<_> = dependencies.iter().filter(|d| d.starts_with("portico")).collect();
            assert_eq!(ours, ["portico-sdk"], "{package}");
        }
    }
}
