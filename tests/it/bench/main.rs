//! The benchmark: what a session costs, how fast texts go through, what a plugin call costs, beside the bare crate.
//!
//! The gateway and the sandbox network run as processes of their own, release builds, on this machine; so does the loop of the
//! bare protocol crate, against the same network in the same run. Read the ratios: absolute figures are the machine's.

mod bare;
mod figures;
mod gateway;
mod plugin_call;
mod traffic;

use std::time::Duration;

use anyhow::Result;
use traffic::Load;

/// Idle sessions for the memory figure.
const SESSIONS: usize = 100;
/// Texts each way for the throughput figures.
const TEXTS: usize = 2_000;
/// Devices the outgoing texts are spread over, and requests under way at once on each.
const DEVICES: usize = 4;
const AT_ONCE: usize = 8;
/// Texts for the figures of a gateway that is not busy, and the pause behind each.
const PACED_TEXTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(40);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    println!("Portico benchmark: {SESSIONS} idle sessions, {TEXTS} texts each way, {DEVICES} devices\n");
    let bed = gateway::Bed::start().await?;

    println!("== bare crate: whatsapp-rust alone, in-memory keys, one client, same network");
    let bare = bare::run(&bed, TEXTS).await?;
    println!("{bare}\n");

    println!("== gateway: memory and CPU of idle sessions");
    let idle = gateway::idle(&bed, SESSIONS).await?;
    println!("{idle}\n");

    println!("== gateway: REST -> phone");
    let paced = Load { texts: PACED_TEXTS, devices: 1, at_once: 1, pause: PAUSE };
    println!("{}", traffic::outgoing(&bed, &paced).await?);
    let flood = Load { texts: TEXTS, devices: DEVICES, at_once: AT_ONCE, pause: Duration::ZERO };
    let out = traffic::outgoing(&bed, &flood).await?;
    println!("{out}");
    println!("   of the bare crate's rate: {:.0} %\n", 100.0 * out.per_second() / bare.per_second());

    println!("== gateway: phone -> webhook (one chat, then {DEVICES} chats)");
    println!("{}", traffic::incoming_paced(&bed, PACED_TEXTS, PAUSE).await?);
    let one = traffic::incoming(&bed, TEXTS, 1).await?;
    println!("{one}");
    let many = traffic::incoming(&bed, TEXTS, DEVICES).await?;
    println!("{many}\n");

    println!("== plugin: one call of webhook-format (one event, fresh instance)");
    println!("{}", plugin_call::run(5_000).await?);
    Ok(())
}
