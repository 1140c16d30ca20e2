//! What sessions cost that do nothing, and how fast they are restored.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::PATIENCE;
use crate::bed::Bed;

/// How long the gateway rests before and while CPU is measured.
const REST: Duration = Duration::from_secs(10);
/// Devices paired at the same time.
const PAIR_AT_ONCE: usize = 4;

/// What idle sessions cost.
pub struct Idle {
    sessions: usize,
    empty_kib: u64,
    paired_kib: u64,
    restored_kib: u64,
    restored_in: Duration,
    cpu_percent: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |kib: u64| kib.saturating_sub(self.empty_kib) as f64 / self.sessions as f64;
        writeln!(f, "   without sessions        {:>8} KiB resident", self.empty_kib)?;
        for (when, kib) in [("after pairing", self.paired_kib), ("after a restart", self.restored_kib)] {
            writeln!(
                f,
                "   {} sessions {when:<15} {kib:>8} KiB resident = {:.0} KiB a session",
                self.sessions,
                each(kib)
            )?;
        }
        writeln!(
            f,
            "   all restored in         {:>8.2} s from the start of the process",
            self.restored_in.as_secs_f64()
        )?;
        write!(f, "   CPU while idle          {:>8.2} % of one core", self.cpu_percent)
    }
}

/// Pairs `sessions` devices, restarts the gateway and lets it rest.
///
/// # Errors
/// When the sessions are not restored.
pub async fn idle(bed: &mut Bed, sessions: usize) -> Result<Idle> {
    sleep(REST).await;
    let empty_kib = bed.resident_kib()?;
    let mut left = sessions;
    while left > 0 {
        let some = left.min(PAIR_AT_ONCE);
        join_all((0..some).map(|_| bed.device())).await;
        left -= some;
    }
    sleep(REST).await;
    let paired_kib = bed.resident_kib()?;
    let mut began = Instant::now();
    bed.restart(|| {
        began = Instant::now();
        Ok(())
    })
    .await?;
    while bed.connected().await? < sessions {
        if began.elapsed() > PATIENCE {
            bail!("{} of {sessions} sessions were restored within {PATIENCE:?}", bed.connected().await?);
        }
        sleep(Duration::from_millis(50)).await;
    }
    let restored_in = began.elapsed();
    sleep(REST).await;
    let ticks = bed.cpu_ticks()?;
    sleep(REST).await;
    // A tick is 10 ms, so that ticks a second are hundredths of a core.
    let cpu_percent = (bed.cpu_ticks()? - ticks) as f64 / REST.as_secs_f64();
    Ok(Idle { sessions, empty_kib, paired_kib, restored_kib: bed.resident_kib()?, restored_in, cpu_percent })
}
