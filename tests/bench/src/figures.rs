//! Latencies and rates of runs, their medians, and the table they are printed in.

use std::fmt;
use std::time::Duration;

/// One run of texts.
pub struct Run {
    latencies_ms: Vec<f64>,
    wall: Duration,
}

impl Run {
    /// A run that took `wall`, with the latency of each text that arrived.
    pub fn new(mut latencies_ms: Vec<f64>, wall: Duration) -> Self {
        latencies_ms.sort_by(f64::total_cmp);
        Self { latencies_ms, wall }
    }

    /// Texts a second.
    pub fn per_second(&self) -> f64 {
        self.latencies_ms.len() as f64 / self.wall.as_secs_f64()
    }

    /// The latency that a share `p` (0 to 1) of the texts did not exceed, in milliseconds.
    pub fn percentile(&self, p: f64) -> f64 {
        percentile(&self.latencies_ms, p)
    }
}

/// The value that a share `p` (0 to 1) of ascending values does not exceed; not a number when there are none.
pub fn percentile(ascending: &[f64], p: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    ascending.get((last as f64 * p).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The median of values in any order; not a number when there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// Several runs of the same load: one line of the table.
pub struct Line {
    label: String,
    runs: Vec<Run>,
}

impl Line {
    /// A line without runs yet.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), runs: Vec::new() }
    }

    /// Adds a run.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Texts a second, the median of the runs.
    pub fn per_second(&self) -> f64 {
        median(self.runs.iter().map(Run::per_second).collect())
    }

    fn range(&self) -> (f64, f64) {
        let rates = self.runs.iter().map(Run::per_second);
        rates.fold((f64::INFINITY, 0.0), |(least, most), rate| (least.min(rate), most.max(rate)))
    }

    fn percentile(&self, p: f64) -> f64 {
        median(self.runs.iter().map(|run| run.percentile(p)).collect())
    }
}

/// The loops of the bare library a line is compared with, in texts a second.
#[derive(Clone, Copy)]
pub struct Yardstick {
    /// Keys in memory.
    pub memory: f64,
    /// Keys in the library's own SQLite store.
    pub sqlite: f64,
}

/// A line with what it is compared with; those of lone texts with nothing.
pub struct Row<'a>(pub &'a Line, pub Option<Yardstick>);

/// The same figure of the core's own API and of a dialect over it, in milliseconds.
pub struct Pair {
    /// Through `/v1`.
    pub core: f64,
    /// Through the dialect.
    pub dialect: f64,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/v1 {:.2} ms, dialect {:.2} ms (+{:.0} µs)",
            self.core,
            self.dialect,
            (self.dialect - self.core) * 1e3
        )
    }
}

/// Prints the head of the table.
pub fn head() -> String {
    format!(
        "   {:<36} {:>8} {:>15} {:>9} {:>9} {:>9} {:>9}",
        "median of the runs", "texts/s", "min-max", "/memory", "/SQLite", "p50 ms", "p99 ms"
    )
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line, yardstick) = self;
        let (least, most) = line.range();
        write!(f, "   {:<36} {:>8.0} {:>15}", line.label, line.per_second(), format!("{least:.0}-{most:.0}"))?;
        match yardstick {
            Some(bare) => {
                write!(f, " {:>9.2} {:>9.2}", line.per_second() / bare.memory, line.per_second() / bare.sqlite)?;
            }
            None => write!(f, " {:>9} {:>9}", "", "")?,
        }
        write!(f, " {:>9.2} {:>9.2}", line.percentile(0.50), line.percentile(0.99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_the_median_of_its_runs_and_the_ratios() {
        let mut line = Line::new("sample");
        for seconds in [1, 2, 4] {
            line.add(Run::new(vec![3.0, 1.0, 2.0, 4.0], Duration::from_secs(seconds)));
        }
        assert_eq!(line.per_second(), 2.0);
        assert_eq!(line.range(), (1.0, 4.0));
        let text = Row(&line, Some(Yardstick { memory: 8.0, sqlite: 2.0 })).to_string();
        assert!(text.contains("1-4") && text.contains("0.25") && text.contains("1.00"), "{text}");
    }

    #[test]
    fn medians_and_percentiles_of_few_values() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
        assert_eq!((percentile(&[1.0, 2.0, 3.0], 0.5), percentile(&[1.0, 2.0, 3.0], 0.99)), (2.0, 3.0));
    }
}
