//! Counts, sums, and sums of squared distances from the mean, of one strip.

use super::{KEEP, LANES, MASKED};
use crate::element::Element;
use multiversion::multiversion;

/// How many values count and their sum.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn moments<T: Element, const MODE: u8>(values: &[T], mask: &[u8]) -> (u64, f64) {
    let (mut sums, mut counts) = ([0f64; LANES], [0u32; LANES]);
    lanes::<T, MODE>(values, mask, |j, v, counts_in| {
        sums[j] += if counts_in { v.to_f64() } else { 0.0 };
        counts[j] += counts_in as u32;
    });
    let count = if MODE == KEEP { values.len() as u64 } else { counts.iter().map(|c| *c as u64).sum() };
    (count, fold(sums))
}

/// The sum of the squared distances from `mean`.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn spread<T: Element, const MODE: u8>(values: &[T], mask: &[u8], mean: f64) -> f64 {
    let mut sums = [0f64; LANES];
    lanes::<T, MODE>(values, mask, |j, v, counts_in| {
        let distance = v.to_f64() - mean;
        sums[j] += if counts_in { distance * distance } else { 0.0 };
    });
    fold(sums)
}

/// The sum of integers as words, with wrapping.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn total<T: Element>(values: &[T]) -> u64 {
    if size_of::<T>() > 2 {
        return values.iter().fold(0u64, |sum, v| sum.wrapping_add(v.to_word()));
    }
    // This many narrow values fit 32 bits, which take half the instructions.
    let parts = values.chunks(1 << 14);
    let part = |p: &[T]| p.iter().fold(0i32, |sum, v| sum.wrapping_add(v.to_word() as i32));
    parts.fold(0, |sum, p| sum.wrapping_add(i64::from(part(p)) as u64))
}

/// Calls `each` with the lane, the value and whether it counts. Element `i` goes to lane `i % LANES`.
#[inline(always)]
pub(super) fn lanes<T: Element, const MODE: u8>(values: &[T], mask: &[u8], mut each: impl FnMut(usize, T, bool)) {
    let (blocks, rest) = values.as_chunks::<LANES>();
    if MODE == MASKED {
        let (masks, mask_rest) = mask.as_chunks::<LANES>();
        for (block, mask) in blocks.iter().zip(masks) {
            for j in 0..LANES {
                each(j, block[j], (mask[j] != 0) & !block[j].is_nan());
            }
        }
        for (j, (v, m)) in rest.iter().zip(mask_rest).enumerate() {
            each(j, *v, (*m != 0) & !v.is_nan());
        }
    } else {
        for block in blocks {
            for j in 0..LANES {
                each(j, block[j], MODE == KEEP || !block[j].is_nan());
            }
        }
        for (j, v) in rest.iter().enumerate() {
            each(j, *v, MODE == KEEP || !v.is_nan());
        }
    }
}

/// The sum of the lanes, always in the same order: halves are added to each other.
#[inline(always)]
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
