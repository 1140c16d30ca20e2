//! Which way dependencies point, read from cargo's own metadata.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate of the host may depend on, of ours.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("portico-core", &[]),
    ("portico-sandbox", &[]),
    ("portico-store", &["portico-core"]),
    ("portico-whatsapp", &["portico-core"]),
    ("portico-runtime", &["portico-core"]),
    ("portico-net", &["portico-core"]),
    ("portico-http", &["portico-core"]),
    ("portico-jobs", &["portico-core"]),
    (
        "portico",
        &[
            "portico-core",
            "portico-http",
            "portico-jobs",
            "portico-net",
            "portico-runtime",
            "portico-sandbox",
            "portico-store",
            "portico-whatsapp",
        ],
    ),
];

/// The heavy libraries, and the one crate of the host that may name each.
const HEAVY: [(&str, &[&str]); 5] = [
    ("sqlx", &["portico-store"]),
    ("whatsapp-rust", &["portico-whatsapp", "portico-sandbox"]),
    ("wasmtime", &["portico-runtime"]),
    ("reqwest", &["portico-net"]),
    ("axum", &["portico-http", "portico-sandbox"]),
];

/// What would make `core` do I/O.
const IO: [&str; 8] = ["tokio", "reqwest", "axum", "sqlx", "wasmtime", "hyper", "whatsapp-rust", "mio"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let normal = |d: &&cargo_metadata::Dependency| d.kind == DependencyKind::Normal;
    metadata
        .packages
        .iter()
        .map(|p| (p.name.to_string(), p.dependencies.iter().filter(normal).map(|d| d.name.clone()).collect()))
        .collect()
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
