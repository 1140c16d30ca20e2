//! Randomness.

/// Randomness good enough for keys. Tests give a fixed one.
pub trait Rng: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// 128 random bits, for ids.
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }

    /// A number from 0.0 (included) to 1.0 (excluded), for jitter.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
