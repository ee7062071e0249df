//! Counts, sums, and sums of squared distances from the mean, of one strip.

use super::lanes::{self, Lanes};
use super::{KEEP, LANES};
use crate::element::Element;
use multiversion::multiversion;

/// Count and sum in lanes.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    sums: [f64; LANES],
    /// As wide as the sums, so that one comparison serves both.
    counts: [u64; LANES],
}

impl<T: Element> Lanes<T> for Moments {
    #[inline(always)]
    fn add(&mut self, j: usize, value: T, counts_in: bool) {
        self.sums[j] += if counts_in { value.to_f64() } else { 0.0 };
        self.counts[j] += counts_in as u64;
    }
}

impl Moments {
    /// Of no values.
    pub(super) const NONE: Moments = Moments {
        sums: [0.0; LANES],
        counts: [0; LANES],
    };

    /// How many of `n` values count, and their sum.
    pub(super) fn finish<const MODE: u8>(self, n: usize) -> (u64, f64) {
        let count = if MODE == KEEP {
            n as u64
        } else {
            self.counts.iter().sum()
        };
        (count, fold(self.sums))
    }
}

/// How many values count and their sum.
pub(super) fn moments<T: Element, const MODE: u8>(values: &[T], mask: &[u8]) -> (u64, f64) {
    let mut m = Moments::NONE;
    lanes::feed::<T, MODE, _>(&mut m, values, mask);
    m.finish::<MODE>(values.len())
}

#[derive(Clone, Copy)]
struct Spread {
    sums: [f64; LANES],
    mean: f64,
}

impl<T: Element> Lanes<T> for Spread {
    #[inline(always)]
    fn add(&mut self, j: usize, value: T, counts_in: bool) {
        let distance = value.to_f64() - self.mean;
        self.sums[j] += if counts_in { distance * distance } else { 0.0 };
    }
}

/// The sum of the squared distances from `mean`.
pub(super) fn spread<T: Element, const MODE: u8>(values: &[T], mask: &[u8], mean: f64) -> f64 {
    let mut s = Spread {
        sums: [0.0; LANES],
        mean,
    };
    lanes::feed::<T, MODE, _>(&mut s, values, mask);
    fold(s.sums)
}

/// The sum of integers as words, with wrapping.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn total<T: Element>(values: &[T]) -> u64 {
    if size_of::<T>() > 2 {
        return values
            .iter()
            .fold(0u64, |sum, v| sum.wrapping_add(v.to_word()));
    }
    // This many narrow values fit 32 bits, which take half the instructions.
    let parts = values.chunks(1 << 14);
    let part = |p: &[T]| {
        p.iter()
            .fold(0i32, |sum, v| sum.wrapping_add(v.to_word() as i32))
    };
    parts.fold(0, |sum, p| sum.wrapping_add(i64::from(part(p)) as u64))
}

/// The sum of the lanes, always in the same order: halves are added to each other.
fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for j in 0..width {
            lanes[j] += lanes[j + width];
        }
        width /= 2;
    }
    lanes[0]
}
