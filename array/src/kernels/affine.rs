//! `x * scale + offset` with a missing value, on any stored type: what decoding by CF conventions is made of,
//! and any product with a constant that is followed by a sum with one.
//!
//! A step that an expression lacks is done with its neutral constant, which changes no bit: a factor of 1, or
//! a summand of -0.

use super::cast::As;
use super::{Body, Kernel, Operands, elements, output, vector, with_type};
use crate::element::{Element, Real};
use dasklike_graph::dtype::DType;
use std::marker::PhantomData;

/// Constants: scale, offset (in `F`), and with `MASKED` the value of `T` that becomes NaN.
struct Affine<T, F, const MASKED: bool>(PhantomData<(T, F)>);

impl<T: Element + As<F>, F: Real, const MASKED: bool> Body for Affine<T, F, MASKED> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let (scale, offset, missing) =
            (F::from_bits(o.consts[0]), F::from_bits(o.consts[1]), T::from_bits(o.consts[2]));
        for (d, a) in output::<F>(out, n).iter_mut().zip(elements::<T>(o.args[0], n)) {
            let value = a.convert().mul(scale).add(offset);
            *d = if MASKED && *a == missing { F::NAN } else { value };
        }
    }
}

/// The kernel from `from` to the float dtype `to`.
pub(crate) fn affine(from: DType, to: DType, masked: bool) -> Kernel {
    match (to, masked) {
        (DType::F32, false) => with_type!(from, T => vector::<Affine<T, f32, false>>),
        (DType::F32, true) => with_type!(from, T => vector::<Affine<T, f32, true>>),
        (_, false) => with_type!(from, T => vector::<Affine<T, f64, false>>),
        (_, true) => with_type!(from, T => vector::<Affine<T, f64, true>>),
    }
}
