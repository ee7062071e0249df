//! The least and the greatest value of one strip, and how two of them merge.

use super::{KEEP, LANES, MASKED};
use super::moments::lanes;
use crate::element::Element;
use multiversion::multiversion;

/// The least and the greatest value, as words of a state. With `KEEP`, one NaN makes both NaN; otherwise NaN
/// says that no value counts.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn extremes<T: Element, const MODE: u8>(values: &[T], mask: &[u8]) -> (u64, u64) {
    if !T::FLOAT {
        // The order of integers does not matter, so the compiler may choose the lanes.
        let less = values.iter().fold(T::GREATEST, |a, b| if *b < a { *b } else { a });
        let more = values.iter().fold(T::LEAST, |a, b| if *b > a { *b } else { a });
        return (less.to_word(), more.to_word());
    }
    let (mut least, mut greatest) = ([T::GREATEST; LANES], [T::LEAST; LANES]);
    lanes::<T, MODE>(values, mask, |j, v, counts_in| {
        // Comparisons with NaN are false, so only a mask can leave out more.
        let counts_in = MODE != MASKED || counts_in;
        least[j] = if counts_in & (v < least[j]) { v } else { least[j] };
        greatest[j] = if counts_in & (v > greatest[j]) { v } else { greatest[j] };
    });
    let less = least.iter().fold(T::GREATEST, |a, b| if *b < a { *b } else { a });
    let more = greatest.iter().fold(T::LEAST, |a, b| if *b > a { *b } else { a });
    let nan = if MODE == KEEP {
        values.iter().fold(0u32, |n, v| n + v.is_nan() as u32) > 0
    } else {
        // Each value that counts is no less than the one and no greater than the other.
        less > more
    };
    if nan { (f64::NAN.to_bits(), f64::NAN.to_bits()) } else { (less.to_word(), more.to_word()) }
}

/// Whether word `y` takes the place of `x`, as [`dasklike_graph::reduce::State`] merges minima (`least`) and
/// maxima of values of `T`.
#[inline(always)]
pub(super) fn replaces<T: Element, const MODE: u8>(x: u64, y: u64, least: bool) -> bool {
    if T::FLOAT {
        let (x, y) = (f64::from_bits(x), f64::from_bits(y));
        let better = if least { y < x } else { y > x };
        if MODE == KEEP { !x.is_nan() & (y.is_nan() | better) } else { !y.is_nan() & (x.is_nan() | better) }
    } else if T::SIGNED {
        if least { (y as i64) < x as i64 } else { (y as i64) > x as i64 }
    } else if least {
        y < x
    } else {
        y > x
    }
}
