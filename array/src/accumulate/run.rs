//! A strip whose elements all go into one cell.

use super::extremes::{Extremes, extremes, replaces};
use super::lanes;
use super::moments::{Moments, moments, spread, total};
use super::truth::truth;
use super::{Columns, Place};
use crate::element::Element;

pub(super) fn feed<T: Element, const MODE: u8>(
    columns: &Columns,
    words: &mut [u64],
    place: Place,
    values: &[T],
    mask: &[u8],
) {
    let at = |column: usize| column * place.cells + place.cell;
    let wants_moments = columns.count.is_some() || columns.sum_float.is_some();
    let wants_extremes = columns.min.is_some() || columns.max.is_some();
    // Of floats, both come from one pass over the strip; the extremes of integers vectorise better alone.
    let mut found = None;
    if wants_moments {
        let (n, sum) = if T::FLOAT && wants_extremes {
            let mut both = (Moments::NONE, Extremes::none());
            lanes::feed::<T, MODE, _>(&mut both, values, mask);
            found = Some(both.1.finish::<MODE>(values));
            both.0.finish::<MODE>(values.len())
        } else {
            moments::<T, MODE>(values, mask)
        };
        if let (Some(m2), Some(count), Some(sums), true) =
            (columns.m2, columns.count, columns.sum_float, n > 0)
        {
            let about = spread::<T, MODE>(values, mask, sum / n as f64);
            let before = (
                words[at(count)],
                f64::from_bits(words[at(sums)]),
                f64::from_bits(words[at(m2)]),
            );
            words[at(m2)] = chan(before, (n, sum, about)).to_bits();
        }
        if let Some(count) = columns.count {
            words[at(count)] += n;
        }
        if let Some(sums) = columns.sum_float {
            words[at(sums)] = (f64::from_bits(words[at(sums)]) + sum).to_bits();
        }
    }
    if let Some(column) = columns.sum_int {
        words[at(column)] = words[at(column)].wrapping_add(total(values));
    }
    if wants_extremes {
        let (least, greatest) = found.unwrap_or_else(|| extremes::<T, MODE>(values, mask));
        for (column, word, min) in [(columns.min, least, true), (columns.max, greatest, false)] {
            if let Some(column) = column
                && replaces::<T, MODE>(words[at(column)], word, min)
            {
                words[at(column)] = word;
            }
        }
    }
    if columns.any.is_some() || columns.all.is_some() {
        let (any, all) = truth(values);
        if let Some(column) = columns.any {
            words[at(column)] |= any as u64;
        }
        if let Some(column) = columns.all {
            words[at(column)] &= all as u64;
        }
    }
}

/// The sum of squared distances from the mean of two sets of values together, by Chan, Golub and LeVeque:
/// each is count, sum, and squared distances.
#[inline(always)]
pub(super) fn chan(a: (u64, f64, f64), b: (u64, f64, f64)) -> f64 {
    let (na, nb) = (a.0 as f64, b.0 as f64);
    let delta = b.1 / nb - a.1 / na;
    let merged = a.2 + b.2 + delta * delta * (na * nb / (na + nb));
    // Chosen at the end, so that many cells at once can be merged.
    if a.0 == 0 { b.2 } else { merged }
}
