//! The benchmark: texts both ways beside the bare library, lone texts, idle sessions, one call of a plugin, a dialect over the
//! core's own API.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use portico_bench::bare::{Bare, Keys};
use portico_bench::bed::Bed;
use portico_bench::dialect;
use portico_bench::figures::{Line, Row, Yardstick, head};
use portico_bench::idle::idle;
use portico_bench::incoming::Hooked;
use portico_bench::outgoing::{Load, Senders};
use portico_bench::plugin_call;

/// Devices (and chats) that the floods are spread over.
const DEVICES: usize = 4;
/// Requests under way at once on each device.
const AT_ONCE: usize = 8;
/// The pause behind each lone text.
const PAUSE: Duration = Duration::from_millis(40);
/// Calls of a plugin.
const CALLS: usize = 5_000;
/// Requests through the dialect, and as many to the core's own API.
const DIALECT_CALLS: usize = 1_000;

/// Measures the gateway beside the bare protocol library, on this machine, in one run.
#[derive(Parser)]
struct Options {
    /// Runs of each load; figures are their medians
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Texts of one run of a flood
    #[arg(long, default_value_t = 4_000)]
    texts: usize,
    /// Lone texts of one run
    #[arg(long, default_value_t = 200)]
    lone_texts: usize,
    /// Idle sessions
    #[arg(long, default_value_t = 500)]
    sessions: usize,
    /// Measure the dialect alone
    #[arg(long)]
    only_dialect: bool,
    /// A Postgres server to measure as well
    #[arg(long, value_name = "URL", env = "PORTICO_TEST_POSTGRES")]
    postgres: Option<String>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    if options.only_dialect {
        println!("{}", dialect::run(&Bed::start(None).await?, DIALECT_CALLS).await?);
        return Ok(());
    }
    println!("Portico benchmark: medians of {} runs, {} texts each\n", options.runs, options.texts);
    println!("== texts, gateway on SQLite; beside it the bare library, one client, one chat");
    let yardsticks = texts(&options, None, None).await?;
    if let Some(server) = &options.postgres {
        println!("\n== texts, gateway on Postgres; ratios to the loops above");
        texts(&options, Some(server), Some(yardsticks)).await?;
    }
    println!("\n== idle sessions, gateway on SQLite");
    println!("{}", idle(&mut Bed::start(None).await?, options.sessions).await?);
    println!("\n== plugin: one call of webhook-format (one event, fresh instance)");
    println!("{}", plugin_call::run(CALLS).await?);
    println!("\n== a dialect of 98 rows over /v1, and a tenant beside one that waits");
    println!("{}", dialect::run(&Bed::start(None).await?, DIALECT_CALLS).await?);
    Ok(())
}

/// The yardsticks of both directions: client to phone, phone to client.
type Yardsticks = (Yardstick, Yardstick);

/// All loads on one database, run by run, so that what else the machine does hits all of them alike. Measures the bare loops
/// too, unless they are given.
async fn texts(options: &Options, postgres: Option<&str>, known: Option<Yardsticks>) -> Result<Yardsticks> {
    let bed = Bed::start(postgres).await?;
    let mut bare = Vec::new();
    if known.is_none() {
        for (keys, name) in [(Keys::Memory, "memory"), (Keys::Sqlite, "SQLite")] {
            let lines = (
                Line::new(format!("bare, {name}: client -> phone")),
                Line::new(format!("bare, {name}: phone -> client")),
            );
            bare.push((Bare::open(&bed, keys).await?, lines));
        }
    }
    let (mut senders, mut sender) = (Senders::open(&bed, DEVICES).await?, Senders::open(&bed, 1).await?);
    let (hooked, hooked_one) = (Hooked::open(&bed, DEVICES).await?, Hooked::open(&bed, 1).await?);
    let mut out = (Line::new("REST -> phone, 4 devices"), Line::new("REST -> phone, 1 chat"));
    let mut into = (Line::new("phone -> webhook, 4 devices"), Line::new("phone -> webhook, 1 chat"));
    let mut lone = (Line::new("REST -> phone, lone texts"), Line::new("phone -> webhook, lone texts"));
    let flood = Load { texts: options.texts, at_once: AT_ONCE, pause: Duration::ZERO };
    let one = Load { at_once: AT_ONCE * DEVICES, ..flood };
    let paced = Load { texts: options.lone_texts, at_once: 1, pause: PAUSE };
    for _ in 0..options.runs {
        for (bare, lines) in &mut bare {
            lines.0.add(bare.run_outgoing(&bed, options.texts).await?);
            lines.1.add(bare.run_incoming(&bed, options.texts).await?);
        }
        lone.0.add(sender.run(&bed, paced).await?);
        lone.1.add(hooked_one.run_paced(&bed, options.lone_texts, PAUSE).await?);
        out.0.add(senders.run(&bed, flood).await?);
        out.1.add(sender.run(&bed, one).await?);
        into.0.add(hooked.run(&bed, options.texts).await?);
        into.1.add(hooked_one.run(&bed, options.texts).await?);
    }
    println!("{}", head());
    let mut measured = Vec::new();
    for (bare, (outgoing, incoming)) in bare {
        bare.close().await;
        println!("{}\n{}", Row(&outgoing, None), Row(&incoming, None));
        measured.push((outgoing.per_second(), incoming.per_second()));
    }
    let yardsticks = match (known, measured.as_slice()) {
        (Some(known), _) => known,
        (None, [memory, sqlite]) => {
            (Yardstick { memory: memory.0, sqlite: sqlite.0 }, Yardstick { memory: memory.1, sqlite: sqlite.1 })
        }
        (None, _) => anyhow::bail!("the bare loops were not measured"),
    };
    for line in [&out.0, &out.1] {
        println!("{}", Row(line, Some(yardsticks.0)));
    }
    for line in [&into.0, &into.1] {
        println!("{}", Row(line, Some(yardsticks.1)));
    }
    println!("{}\n{}", Row(&lone.0, None), Row(&lone.1, None));
    Ok(yardsticks)
}
