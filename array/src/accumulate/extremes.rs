//! The least and the greatest value of one strip, and how two of them merge.

use super::KEEP;
use super::LANES;
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
    let (mut least, mut greatest) = ([T::GREATEST; LANES], [T::LEAST; LANES]);
    // Whether a lane has seen a NaN, or (where NaN are left out) any value.
    let mut seen = [false; LANES];
    lanes::<T, MODE>(values, mask, |j, v, counts_in| {
        least[j] = if counts_in & (v < least[j]) { v } else { least[j] };
        greatest[j] = if counts_in & (v > greatest[j]) { v } else { greatest[j] };
        seen[j] |= if MODE == KEEP { v.is_nan() } else { counts_in };
    });
    let seen = seen.iter().any(|s| *s);
    if T::FLOAT && seen == (MODE == KEEP) {
        return (f64::NAN.to_bits(), f64::NAN.to_bits());
    }
    let less = least.iter().fold(T::GREATEST, |a, b| if *b < a { *b } else { a });
    let more = greatest.iter().fold(T::LEAST, |a, b| if *b > a { *b } else { a });
    (less.to_word(), more.to_word())
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
