//! Numbers that look random and are the same for the same seed.

/// SplitMix64: few lines, and good enough to draw durations from.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to below `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The time to the next of what comes at random, `mean` apart.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// At least `least`, mostly little more, and seldom very much: the smaller `shape`, the more.
    pub fn pareto(&mut self, least: f64, shape: f64) -> f64 {
        least / (1.0 - self.unit()).powf(1.0 / shape)
    }

    /// Whether something happens that happens with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_even_and_repeatable() {
        let mut random = Random::new(1);
        let mean = (0..1_000_000).map(|_| random.unit()).sum::<f64>() / 1e6;
        assert!((mean - 0.5).abs() < 0.002, "{mean}");
        let mean = (0..1_000_000).map(|_| random.exponential(3.0)).sum::<f64>() / 1e6;
        assert!((mean - 3.0).abs() < 0.02, "{mean}");
        assert_eq!(Random::new(7).number(), Random::new(7).number());
    }
}
