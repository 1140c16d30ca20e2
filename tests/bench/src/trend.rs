//! The slope of a figure over time, with its standard error.

use std::fmt;

/// A straight line through points by least squares.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// How much the figure grows per unit of time.
    pub slope: f64,
    /// The standard error of that slope; not a number for fewer than three points.
    pub error: f64,
}

impl Trend {
    /// The trend of points `(time, value)`; `None` for fewer than two different times.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / n;
        let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if !spread.is_normal() {
            return None;
        }
        let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let squares: f64 = points.iter().map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum();
        let error = if points.len() > 2 { (squares / (n - 2.0) / spread).sqrt() } else { f64::NAN };
        Some(Self { slope, error })
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.3} ± {:.3} a minute", self.slope, self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_no_error() {
        let trend = Trend::of(&[(2.0, 5.0), (3.0, 7.0), (4.0, 9.0)]).unwrap();
        assert!((trend.slope - 2.0).abs() < 1e-9 && trend.error < 1e-9, "{trend:?}");
        assert!(Trend::of(&[(1.0, 1.0)]).is_none());
    }

    #[test]
    fn scatter_shows_in_the_error() {
        // By hand: slope 0.4, residuals 0.6, -1.8, 1.8, -0.6 at spread 5; error = sqrt(7.2 / 2 / 5).
        let trend = Trend::of(&[(0.0, 1.0), (1.0, -1.0), (2.0, 3.0), (3.0, 1.0)]).unwrap();
        assert!((trend.slope - 0.4).abs() < 1e-9, "{trend:?}");
        assert!((trend.error - 0.72_f64.sqrt()).abs() < 1e-9, "{trend:?}");
    }
}
