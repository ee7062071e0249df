//! A strip each of whose elements has a cell of its own.

use super::extremes::replaces;
use super::run::chan;
use super::{Columns, KEEP, MASKED, Place};
use crate::element::Element;
use multiversion::multiversion;

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(super) fn feed<T: Element, const MODE: u8>(
    columns: &Columns,
    words: &mut [u64],
    place: Place,
    values: &[T],
    mask: &[u8],
) {
    // Before the count and the sum that it reads.
    if let (Some(m2), Some(count), Some(sum)) = (columns.m2, columns.count, columns.sum_float) {
        distances::<T, MODE>([m2, count, sum], words, place, values, mask);
    }
    let column = |k: Option<usize>| k.map(|k| k * place.cells + place.cell);
    if let Some(at) = column(columns.count) {
        each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, _, ok| {
            w + ok as u64
        });
    }
    if let Some(at) = column(columns.sum_float) {
        each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, v, ok| {
            (f64::from_bits(w) + if ok { v.to_f64() } else { 0.0 }).to_bits()
        });
    }
    if let Some(at) = column(columns.sum_int) {
        each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, v, _| {
            w.wrapping_add(v.to_word())
        });
    }
    for (k, least) in [(columns.min, true), (columns.max, false)] {
        if let Some(at) = column(k) {
            each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, v, ok| {
                let y = v.to_word();
                if ok & replaces::<T, MODE>(w, y, least) {
                    y
                } else {
                    w
                }
            });
        }
    }
    if let Some(at) = column(columns.any) {
        each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, v, _| {
            w | !v.is_zero() as u64
        });
    }
    if let Some(at) = column(columns.all) {
        each::<T, MODE>(&mut words[at..], place.stride, values, mask, |w, v, _| {
            w & !v.is_zero() as u64
        });
    }
}

/// Replaces each cell's word by what `f` makes of it, the value, and whether the value counts.
#[inline(always)]
fn each<T: Element, const MODE: u8>(
    words: &mut [u64],
    stride: usize,
    values: &[T],
    mask: &[u8],
    f: impl Fn(u64, T, bool) -> u64,
) {
    let counts = |v: T| MODE == KEEP || !v.is_nan();
    match (MODE == MASKED, stride) {
        (false, 1) => {
            for (w, v) in words[..values.len()].iter_mut().zip(values) {
                *w = f(*w, *v, counts(*v));
            }
        }
        (true, 1) => {
            for ((w, v), m) in words[..values.len()].iter_mut().zip(values).zip(mask) {
                *w = f(*w, *v, (*m != 0) & counts(*v));
            }
        }
        _ => {
            for (i, (w, v)) in words.iter_mut().step_by(stride).zip(values).enumerate() {
                *w = f(*w, *v, (MODE != MASKED || mask[i] != 0) & counts(*v));
            }
        }
    }
}

/// Updates the squared distances from the mean (the first of `columns`) by one value a cell; the others are
/// the columns of counts and sums, not yet updated, which lie before it.
#[inline(always)]
fn distances<T: Element, const MODE: u8>(
    columns: [usize; 3],
    words: &mut [u64],
    place: Place,
    values: &[T],
    mask: &[u8],
) {
    let at = columns.map(|k| k * place.cells + place.cell);
    let (before, m2) = words.split_at_mut(columns[0] * place.cells);
    let m2 = &mut m2[place.cell..];
    let (counts, sums) = (&before[at[1]..], &before[at[2]..]);
    let update = |m2: &mut u64, count: u64, sum: u64, v: T, selected: bool| {
        let counts_in = selected & (MODE == KEEP || !v.is_nan());
        let v = v.to_f64();
        // A value's squared distance from itself, which NaN and infinities do not have.
        let own = if v.is_finite() { 0.0 } else { f64::NAN };
        let (sum, old) = (f64::from_bits(sum), f64::from_bits(*m2));
        let new = chan((count, sum, old), (1, v, own));
        *m2 = if counts_in { new } else { old }.to_bits();
    };
    if place.stride == 1 {
        let n = values.len();
        let cells = m2[..n]
            .iter_mut()
            .zip(&counts[..n])
            .zip(&sums[..n])
            .zip(values);
        if MODE == MASKED {
            for ((((m2, count), sum), v), m) in cells.zip(mask) {
                update(m2, *count, *sum, *v, *m != 0);
            }
        } else {
            for (((m2, count), sum), v) in cells {
                update(m2, *count, *sum, *v, true);
            }
        }
        return;
    }
    for (i, v) in values.iter().enumerate() {
        let cell = i * place.stride;
        let selected = MODE != MASKED || mask[i] != 0;
        update(&mut m2[cell], counts[cell], sums[cell], *v, selected);
    }
}
