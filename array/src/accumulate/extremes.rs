//! The least and the greatest value of one strip, and how two of them merge.

use super::lanes::{self, Lanes};
use super::{KEEP, LANES};
use crate::element::Element;
use multiversion::multiversion;

/// Minimum and maximum in lanes.
#[derive(Clone, Copy)]
pub(super) struct Extremes<T> {
    least: [T; LANES],
    greatest: [T; LANES],
}

impl<T: Element> Lanes<T> for Extremes<T> {
    /// NaN, as what is left out, is neither less nor greater than anything.
    #[inline(always)]
    fn add(&mut self, j: usize, value: T, _: bool) {
        self.least[j] = if value < self.least[j] {
            value
        } else {
            self.least[j]
        };
        self.greatest[j] = if value > self.greatest[j] {
            value
        } else {
            self.greatest[j]
        };
    }
}

/// The least and the greatest value, as words of a state. With `KEEP`, one NaN makes both NaN; otherwise NaN
/// says that no value counts.
pub(super) fn extremes<T: Element, const MODE: u8>(values: &[T], mask: &[u8]) -> (u64, u64) {
    if !T::FLOAT {
        let (less, more) = integers(values);
        return (less.to_word(), more.to_word());
    }
    let mut e = Extremes::none();
    lanes::feed::<T, MODE, _>(&mut e, values, mask);
    e.finish::<MODE>(values)
}

impl<T: Element> Extremes<T> {
    /// Of no values.
    pub(super) fn none() -> Extremes<T> {
        Extremes {
            least: [T::GREATEST; LANES],
            greatest: [T::LEAST; LANES],
        }
    }

    /// The words of a state for floats, after `values` were let in.
    pub(super) fn finish<const MODE: u8>(&self, values: &[T]) -> (u64, u64) {
        let (less, more) = (least(&self.least), greatest(&self.greatest));
        // Each value that counts is no less than the one and no greater than the other.
        let nan = if MODE == KEEP {
            any_nan(values)
        } else {
            less > more
        };
        if nan {
            (f64::NAN.to_bits(), f64::NAN.to_bits())
        } else {
            (less.to_word(), more.to_word())
        }
    }
}

/// The order of integers does not matter, so the compiler may choose the lanes.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
fn integers<T: Element>(values: &[T]) -> (T, T) {
    (least(values), greatest(values))
}

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
fn any_nan<T: Element>(values: &[T]) -> bool {
    values.iter().fold(0u32, |n, v| n + v.is_nan() as u32) > 0
}

#[inline(always)]
fn least<T: Element>(values: &[T]) -> T {
    values
        .iter()
        .fold(T::GREATEST, |a, b| if *b < a { *b } else { a })
}

#[inline(always)]
fn greatest<T: Element>(values: &[T]) -> T {
    values
        .iter()
        .fold(T::LEAST, |a, b| if *b > a { *b } else { a })
}

/// Whether word `y` takes the place of `x`, as [`dasklike_graph::reduce::State`] merges minima (`least`) and
/// maxima of values of `T`.
#[inline(always)]
pub(super) fn replaces<T: Element, const MODE: u8>(x: u64, y: u64, least: bool) -> bool {
    if T::FLOAT {
        let (x, y) = (f64::from_bits(x), f64::from_bits(y));
        let better = if least { y < x } else { y > x };
        if MODE == KEEP {
            !x.is_nan() & (y.is_nan() | better)
        } else {
            !y.is_nan() & (x.is_nan() | better)
        }
    } else if T::SIGNED {
        if least {
            (y as i64) < x as i64
        } else {
            (y as i64) > x as i64
        }
    } else if least {
        y < x
    } else {
        y > x
    }
}
