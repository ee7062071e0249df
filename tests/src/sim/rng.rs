//! A small generator of numbers that are the same for a seed everywhere (SplitMix64).

/// The generator.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.bits().is_multiple_of(n)
    }

    /// A number in `low..=high`, small ones as likely as large ones by their order of magnitude.
    pub fn spread(&mut self, low: u64, high: u64) -> u64 {
        let share = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        let (low, high) = (low.max(1) as f64, high.max(1) as f64);
        (low * (high / low).powf(share)) as u64
    }
}

/// Scrambles 64 bits.
pub(super) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One number for several.
pub(super) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x51_7c_c1_b7, |h, p| {
        mix(h ^ mix(p.wrapping_add(0x9e37_79b9)))
    })
}
