//! Whole-path tests: a real gateway, a real database, real phones of the sandbox network, real HTTP receivers.
//!
//! One binary, one file per subject. Tests that touch the store run on both databases: see [`on_both!`].

/// Runs `async fn name(kind: Kind)` once on each database.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(portico_harness::Kind::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(portico_harness::Kind::Postgres).await; })*
        }
    };
}

mod access;
mod analytics;
mod answers;
mod changes;
mod contacts;
mod contents;
mod crash;
mod dialects;
mod enablements;
mod events;
mod first_light;
mod full_disk;
mod groups;
mod hostile;
mod instances;
mod large_files;
mod layers;
mod links;
mod logs;
mod media;
mod members;
mod messages;
mod pages;
mod plugins;
mod receipts;
mod references;
mod repeats;
mod sessions;
mod sockets;
mod start;
mod trust;
mod users;
mod waiting;
mod webhooks;
