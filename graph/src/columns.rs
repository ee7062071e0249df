//! Whole columns of a partial's cells: how those of two partials merge, and how results are read off.

use crate::dtype::{DType, Lane, Scalar};
use crate::reduce::{Column, ReduceOp, State};
use std::ops::Range;

impl State {
    /// Merges all cells of `b` into as many cells of `a`, from cell `into` on. Both hold whole columns one after
    /// another: column `k` of a partial of `n` cells is at `k * n`.
    pub(crate) fn merge(&self, a: &mut [u64], into: usize, b: &[u64]) {
        let (na, nb) = (a.len() / self.columns.len(), b.len() / self.columns.len());
        // Before the counts and sums that it reads, which are columns before it.
        if let Some(k) = self.position(Column::M2) {
            let (before, m2) = a.split_at_mut(k * na);
            let both = |c| {
                let k = self.position(c)?;
                Some((&before[k * na + into..][..nb], &b[k * nb..][..nb]))
            };
            let (counts, sums) = (both(Column::Count), both(Column::SumFloat));
            let cells = m2[into..][..nb].iter_mut().zip(&b[k * nb..][..nb]);
            for (i, (x, y)) in cells.enumerate() {
                let counts = counts.map(|(a, b)| (a[i], b[i]));
                let sums = sums.map(|(a, b)| (f64::from_bits(a[i]), f64::from_bits(b[i])));
                *x = merge_m2(f64::from_bits(*x), f64::from_bits(*y), counts, sums).to_bits();
            }
        }
        for (k, column) in self.columns.iter().enumerate() {
            let (x, y) = (&mut a[k * na + into..][..nb], &b[k * nb..][..nb]);
            match column {
                Column::M2 => {}
                Column::Count | Column::SumInt => each(x, y, u64::wrapping_add),
                Column::SumFloat => each(x, y, |x, y| {
                    (f64::from_bits(x) + f64::from_bits(y)).to_bits()
                }),
                Column::Min => each(x, y, |x, y| self.extreme(x, y, true)),
                Column::Max => each(x, y, |x, y| self.extreme(x, y, false)),
                Column::Any => each(x, y, |x, y| x | y),
                Column::All => each(x, y, |x, y| x & y),
            }
        }
    }

    /// Appends the results of `op` for some cells of a partial's `words`, as elements of `dtype`. The state has the
    /// columns of `op`.
    pub(crate) fn finish(
        &self,
        op: ReduceOp,
        dtype: DType,
        words: &[u64],
        cells: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        let n = words.len() / self.columns.len();
        let column = |c| match self.position(c) {
            Some(k) => &words[k * n..][cells.clone()],
            None => &[],
        };
        let float = |c| column(c).iter().map(|w| f64::from_bits(*w));
        let counts = || column(Column::Count).iter().map(|n| *n as f64);
        let is_float = matches!(self.lane, Lane::F32 | Lane::F64);
        match op {
            ReduceOp::Count => low_bytes(column(Column::Count), dtype, out),
            ReduceOp::Sum if is_float => floats(float(Column::SumFloat), dtype, out),
            ReduceOp::Sum => low_bytes(column(Column::SumInt), dtype, out),
            ReduceOp::Mean => {
                let cells = float(Column::SumFloat).zip(counts());
                floats(cells.map(|(sum, count)| sum / count), dtype, out);
            }
            ReduceOp::Var { ddof } => {
                let cells = float(Column::M2).zip(counts());
                floats(cells.map(|(m2, n)| variance(m2, n, ddof)), dtype, out);
            }
            ReduceOp::Std { ddof } => {
                let cells = float(Column::M2).zip(counts());
                floats(
                    cells.map(|(m2, n)| variance(m2, n, ddof).sqrt()),
                    dtype,
                    out,
                );
            }
            ReduceOp::Min if is_float => floats(float(Column::Min), dtype, out),
            ReduceOp::Max if is_float => floats(float(Column::Max), dtype, out),
            ReduceOp::Min => low_bytes(column(Column::Min), dtype, out),
            ReduceOp::Max => low_bytes(column(Column::Max), dtype, out),
            // Kept as 0 or 1.
            ReduceOp::Any => low_bytes(column(Column::Any), dtype, out),
            ReduceOp::All => low_bytes(column(Column::All), dtype, out),
        }
    }
}

/// NumPy gives NaN without values and where no freedom is left.
fn variance(m2: f64, count: f64, ddof: u32) -> f64 {
    let free = count - ddof as f64;
    if count > 0.0 && free > 0.0 {
        m2 / free
    } else {
        f64::NAN
    }
}

fn each(x: &mut [u64], y: &[u64], f: impl Fn(u64, u64) -> u64) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = f(*x, *y);
    }
}

/// Appends floats as elements of `dtype`.
fn floats(values: impl ExactSizeIterator<Item = f64>, dtype: DType, out: &mut Vec<u8>) {
    let start = out.len();
    match dtype {
        DType::F64 => {
            out.resize(start + 8 * values.len(), 0);
            let elements = out[start..].as_chunks_mut().0.iter_mut();
            elements.zip(values).for_each(|(e, v)| *e = v.to_le_bytes());
        }
        DType::F32 => {
            out.resize(start + 4 * values.len(), 0);
            let elements = out[start..].as_chunks_mut().0.iter_mut();
            elements
                .zip(values)
                .for_each(|(e, v)| *e = (v as f32).to_le_bytes());
        }
        _ => values.for_each(|v| Scalar::F64(v).cast(dtype).write_le(dtype, out)),
    }
}

/// Appends integers and bools as elements of `dtype`, which are the low bytes of their words.
fn low_bytes(words: &[u64], dtype: DType, out: &mut Vec<u8>) {
    fn of<const N: usize>(words: &[u64], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + N * words.len(), 0);
        let elements = out[start..].as_chunks_mut::<N>().0.iter_mut();
        for (element, word) in elements.zip(words) {
            element.copy_from_slice(&word.to_le_bytes()[..N]);
        }
    }
    match dtype.size() {
        1 => of::<1>(words, out),
        2 => of::<2>(words, out),
        4 => of::<4>(words, out),
        _ => of::<8>(words, out),
    }
}

fn merge_m2(a: f64, b: f64, counts: Option<(u64, u64)>, sums: Option<(f64, f64)>) -> f64 {
    let (Some((na, nb)), Some((sa, sb))) = (counts, sums) else {
        return a + b;
    };
    if na == 0 {
        return b;
    }
    if nb == 0 {
        return a;
    }
    let (na, nb) = (na as f64, nb as f64);
    let delta = sb / nb - sa / na;
    a + b + delta * delta * (na * nb / (na + nb))
}
