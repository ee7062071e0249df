//! A strip each of whose elements has a cell of its own.

use super::extremes::replaces;
use super::run::chan;
use super::{Columns, KEEP, MASKED, Place};
use crate::element::Element;
use multiversion::multiversion;
use std::ops::Range;

/// Elements that are passed over together where a mask selects none of them. What they would enter is mostly not in
/// the processor's caches.
const BLOCK: usize = 64;

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
    if MODE != MASKED {
        return columns_of::<T, MODE>(columns, words, place, values, mask);
    }
    let mut end = 0;
    while let Some(run) = next_run(mask, end) {
        end = run.end;
        let place = Place {
            cell: place.cell + run.start * place.stride,
            ..place
        };
        columns_of::<T, MODE>(columns, words, place, &values[run.clone()], &mask[run]);
    }
}

/// The next blocks from element `from` on of each of which the mask selects something.
#[inline(always)]
fn next_run(mask: &[u8], from: usize) -> Option<Range<usize>> {
    let selects = |at: usize| {
        let block = &mask[at..mask.len().min(at + BLOCK)];
        block.iter().fold(0, |any, m| any | m) != 0
    };
    let mut blocks = (from..mask.len()).step_by(BLOCK);
    let start = blocks.find(|at| selects(*at))?;
    let end = blocks.find(|at| !selects(*at)).unwrap_or(mask.len());
    Some(start..end)
}

/// Lets values into all columns.
#[inline(always)]
fn columns_of<T: Element, const MODE: u8>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_the_blocks_with_a_selected_element(
            mask in proptest::collection::vec(prop_oneof![90 => Just(0u8), 1 => Just(1u8)], 0..1000),
        ) {
            let runs = std::iter::successors(next_run(&mask, 0), |run| next_run(&mask, run.end));
            let taken: Vec<usize> = runs.flatten().collect();
            let blocks = mask.chunks(BLOCK).enumerate();
            let selected = blocks.filter(|(_, block)| block.contains(&1));
            let wanted: Vec<usize> = selected
                .flat_map(|(b, block)| b * BLOCK..b * BLOCK + block.len())
                .collect();
            prop_assert_eq!(taken, wanted);
        }
    }
}
