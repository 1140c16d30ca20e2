//! The soak: a steady rate of texts both ways over a full store, with the trend of memory, CPU and latencies, and a count of what
//! was lost.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Parser;
use futures_util::future::join_all;
use portico_bench::bed::Bed;
use portico_bench::figures::percentile;
use portico_bench::inbox::Inbox;
use portico_bench::incoming::{Hooked, whatsapp_id};
use portico_bench::outgoing::post;
use portico_bench::trend::Trend;
use portico_bench::{PATIENCE, filling, now_ms};
use tokio::time::{Instant as TokioInstant, sleep, sleep_until};

/// Devices the texts are spread over, in each direction.
const DEVICES: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);
/// The first minutes warm caches and pools up; the trend begins after them.
const WARM_MINUTES: usize = 2;

/// Lets texts go both ways at a steady rate, and prints figures by the minute and their trend.
#[derive(Parser)]
struct Options {
    /// How long
    #[arg(long, default_value_t = 20)]
    minutes: usize,
    /// Texts a second, each way
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Messages the store holds before
    #[arg(long, default_value_t = 500_000)]
    messages: usize,
}

/// Devices that write, each with the phone it writes to.
struct Writer {
    device: String,
    inbox: Inbox,
}

/// What was sent and what of it arrived, so far.
#[derive(Default)]
struct Ledger {
    posted: HashMap<String, f64>,
    posted_count: usize,
    arrived: usize,
    written: usize,
    delivered: HashSet<String>,
}

/// The figures of one minute.
struct Minute {
    resident_mib: f64,
    cpu_percent: f64,
    post_p50: f64,
    out_p50: f64,
    in_p50: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.minutes > 0 && options.rate > 0.0, "minutes and rate must be more than 0");
    let mut bed = Bed::start(None).await?;
    let mut writers = Vec::new();
    for _ in 0..DEVICES {
        let (device, mut inbox) = (bed.device().await.id, Inbox::new(bed.phone().await));
        post(&bed, &device, &inbox.phone, "warm").await;
        inbox.next(&bed, 1, PATIENCE).await?;
        writers.push(Writer { device, inbox });
    }
    let hooked = Hooked::open(&bed, DEVICES).await?;
    let database = bed.folder().join("data/portico.db");
    let mut held = 0;
    bed.restart(|| {
        held = filling::messages(&database, options.messages)?;
        Ok(())
    })
    .await?;
    connected(&bed, 2 * DEVICES).await?;
    println!(
        "Portico soak: {} minutes, {} texts a second each way, {held} messages in the store\n",
        options.minutes, options.rate
    );
    println!("   minute  resident MiB  CPU %  POST p50 ms  REST -> phone p50 ms  phone -> webhook p50 ms");
    let mut ledger = Ledger::default();
    let mut minutes = Vec::new();
    for number in 1..=options.minutes {
        let minute = minute(&bed, &mut writers, &hooked, options.rate, &mut ledger).await?;
        println!(
            "   {number:>6}  {:>12.1}  {:>5.1}  {:>11.2}  {:>20.2}  {:>23.2}",
            minute.resident_mib, minute.cpu_percent, minute.post_p50, minute.out_p50, minute.in_p50
        );
        minutes.push(minute);
    }
    drain(&bed, &mut writers, &hooked, &mut ledger).await?;
    print_trends(&minutes);
    print_losses(&ledger)
}

async fn connected(bed: &Bed, devices: usize) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while bed.connected().await? < devices {
        ensure!(Instant::now() < end, "the sessions were not restored");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// One minute of texts both ways.
async fn minute(bed: &Bed, writers: &mut [Writer], hooked: &Hooked, rate: f64, ledger: &mut Ledger) -> Result<Minute> {
    let (ticks, began) = (bed.cpu_ticks()?, Instant::now());
    let each = (rate * MINUTE.as_secs_f64() / DEVICES as f64) as usize;
    let pause = MINUTE.div_f64(each as f64);
    let start = TokioInstant::now();
    let first = ledger.posted_count;
    let posting = join_all(writers.iter().map(|writer| async move {
        let mut posted = Vec::with_capacity(each);
        for n in 0..each {
            sleep_until(start + pause.mul_f64(n as f64)).await;
            let text = format!("{} {}", writer.device, first + n);
            let at_ms = now_ms();
            posted.push((text.clone(), at_ms, post(bed, &writer.device, &writer.inbox.phone, &text).await));
        }
        posted
    }));
    let (posted, ()) = tokio::join!(posting, hooked.burst(bed, each, Some(1.0 / pause.as_secs_f64())));
    ledger.written += each * DEVICES;
    let mut posts = Vec::new();
    for (text, at_ms, took) in posted.into_iter().flatten() {
        ledger.posted.insert(text, at_ms);
        ledger.posted_count += 1;
        posts.push(took);
    }
    let cpu_percent = (bed.cpu_ticks()? - ticks) as f64 / began.elapsed().as_secs_f64();
    let (mut out, mut into) = collect(bed, writers, hooked, ledger).await?;
    for latencies in [&mut posts, &mut out, &mut into] {
        latencies.sort_by(f64::total_cmp);
    }
    Ok(Minute {
        resident_mib: bed.resident_kib()? as f64 / 1_024.0,
        cpu_percent,
        post_p50: percentile(&posts, 0.5),
        out_p50: percentile(&out, 0.5),
        in_p50: percentile(&into, 0.5),
    })
}

/// Latencies of what arrived at phones and at the webhook since the last call.
async fn collect(
    bed: &Bed,
    writers: &mut [Writer],
    hooked: &Hooked,
    ledger: &mut Ledger,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut out = Vec::new();
    for writer in writers {
        loop {
            let fresh = writer.inbox.fresh(bed).await?;
            if fresh.is_empty() {
                break;
            }
            for text in fresh {
                // A text that arrives twice is counted once: it is taken out here.
                if let Some(at_ms) = ledger.posted.remove(&text.text) {
                    ledger.arrived += 1;
                    out.push((text.at_ms - at_ms).max(0.0));
                }
            }
        }
    }
    let delivered = hooked.fresh();
    let into = hooked.latencies(bed, &delivered).await?.into_values().collect();
    ledger.delivered.extend(delivered.iter().filter_map(whatsapp_id));
    Ok((out, into))
}

/// Waits for what is still on its way.
async fn drain(bed: &Bed, writers: &mut [Writer], hooked: &Hooked, ledger: &mut Ledger) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while (ledger.arrived < ledger.posted_count || ledger.delivered.len() < ledger.written) && Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        collect(bed, writers, hooked, ledger).await?;
    }
    Ok(())
}

/// Reads one figure off a minute.
type Figure = fn(&Minute) -> f64;

fn print_trends(minutes: &[Minute]) {
    println!("\n   trend after minute {WARM_MINUTES} (slope ± standard error)");
    let figures: [(&str, Figure); 5] = [
        ("resident MiB", |m| m.resident_mib),
        ("CPU %", |m| m.cpu_percent),
        ("POST p50 ms", |m| m.post_p50),
        ("REST -> phone p50 ms", |m| m.out_p50),
        ("phone -> webhook p50 ms", |m| m.in_p50),
    ];
    for (name, figure) in figures {
        let late = minutes.iter().enumerate().skip(WARM_MINUTES);
        let points: Vec<_> = late.map(|(minute, m)| (minute as f64, figure(m))).collect();
        match Trend::of(&points) {
            Some(trend) => println!("   {name:<24} {trend}"),
            None => println!("   {name:<24} too few minutes"),
        }
    }
}

fn print_losses(ledger: &Ledger) -> Result<()> {
    println!("\n   {} texts accepted, {} at their phones", ledger.posted_count, ledger.arrived);
    println!("   {} texts sent by phones, {} at the webhook", ledger.written, ledger.delivered.len());
    if ledger.arrived != ledger.posted_count || ledger.delivered.len() != ledger.written {
        bail!("texts were lost");
    }
    println!("   nothing was lost");
    Ok(())
}
