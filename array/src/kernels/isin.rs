//! `isin`: ranges of integers, lists of floats, tables.

use super::{
    Body, Kernel, Operands, elements, output, scalar, vector, with_float, with_integer, with_width,
};
use crate::element::{Element, Integer};
use dasklike_graph::dtype::{DType, Scalar};
use std::marker::PhantomData;

/// Within one of the ranges `consts[0]..=consts[1]`, `consts[2]..=consts[3]`, ...
struct Ranges<T>(PhantomData<T>);
/// Equal to one of the constants.
struct Equals<T>(PhantomData<T>);
/// Within one of many ranges, which rise: found by bisection.
struct Search<T>(PhantomData<T>);

/// For unsigned types, to which signed ones have the same bits: `a - low <= high - low`, modulo the width, does
/// for both ends of a range, whatever the sign.
impl<T: Integer> Body for Ranges<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let a = elements::<T>(o.args[0], n);
        let out = output::<u8>(out, n);
        let (ranges, _) = o.consts.as_chunks::<2>();
        let Some(([low, high], others)) = ranges.split_first() else {
            return out.fill(0);
        };
        let (low, width) = (
            T::from_bits(*low),
            T::from_bits(*high).sub(T::from_bits(*low)),
        );
        for (d, a) in out.iter_mut().zip(a) {
            *d = (a.sub(low) <= width) as u8;
        }
        // One pass a range: masks of a strip stay in the first-level cache.
        for [low, high] in others {
            let (low, width) = (
                T::from_bits(*low),
                T::from_bits(*high).sub(T::from_bits(*low)),
            );
            for (d, a) in out.iter_mut().zip(a) {
                *d |= (a.sub(low) <= width) as u8;
            }
        }
    }
}

impl<T: Element> Body for Equals<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let a = elements::<T>(o.args[0], n);
        let out = output::<u8>(out, n);
        out.fill(0);
        for k in o.consts {
            let k = T::from_bits(*k);
            for (d, a) in out.iter_mut().zip(a) {
                *d |= (*a == k) as u8;
            }
        }
    }
}

impl<T: Integer> Body for Search<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let ranges = o.consts.as_chunks::<2>().0;
        for (d, a) in output::<u8>(out, n)
            .iter_mut()
            .zip(elements::<T>(o.args[0], n))
        {
            let after = ranges.partition_point(|r| T::from_bits(r[0]) <= *a);
            *d = (after > 0 && *a <= T::from_bits(ranges[after - 1][1])) as u8;
        }
    }
}

/// Passes over a strip beyond which bisection is faster.
const MOST_RANGES: usize = 16;

/// The kernel and its constants for values of `dtype`, which is not `bool`.
pub(crate) fn isin(dtype: DType, values: &[Scalar]) -> Option<(Kernel, Vec<u64>)> {
    if dtype.is_float() {
        let consts = values.iter().map(|v| v.to_bits()).collect();
        return Some((
            with_float!(dtype, T => vector::<Equals<T>> as Kernel)?,
            consts,
        ));
    }
    let ranges = ranges(dtype, values);
    let many = ranges.len() / 2 > MOST_RANGES;
    let kernel: Kernel = if many {
        with_integer!(dtype, T => scalar::<Search<T>> as Kernel)?
    } else {
        with_width!(dtype.size(), T => vector::<Ranges<T>> as Kernel)
    };
    Some((kernel, ranges))
}

/// The values as rising ranges of consecutive ones, both ends included. Values outside of the dtype equal
/// nothing and are dropped.
fn ranges(dtype: DType, values: &[Scalar]) -> Vec<u64> {
    let fitting = values.iter().filter(|v| v.cast(dtype) == **v);
    let mut sorted: Vec<i128> = fitting
        .map(|v| match v {
            Scalar::I64(v) => *v as i128,
            v => v.to_bits() as i128,
        })
        .collect();
    sorted.sort_unstable();
    let mut ranges: Vec<(i128, i128)> = Vec::new();
    for v in sorted {
        match ranges.last_mut() {
            Some((_, high)) if v <= *high + 1 => *high = v,
            _ => ranges.push((v, v)),
        }
    }
    ranges
        .into_iter()
        .flat_map(|(low, high)| [low as u64, high as u64])
        .collect()
}
