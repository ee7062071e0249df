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
        let (scale, offset, missing) = (
            F::from_bits(o.consts[0]),
            F::from_bits(o.consts[1]),
            T::from_bits(o.consts[2]),
        );
        for (d, a) in output::<F>(out, n)
            .iter_mut()
            .zip(elements::<T>(o.args[0], n))
        {
            let value = a.convert().mul(scale).add(offset);
            *d = if MASKED && *a == missing {
                F::NAN
            } else {
                value
            };
        }
    }
}

/// Operands: mask, the strip, and unless `CONST` the other side; constants: scale, offset, and with `CONST` the
/// other side. Where the mask is true (false if `INVERTED`), the strip scaled and shifted.
struct Choice<F, const CONST: bool, const INVERTED: bool>(PhantomData<F>);

impl<F: Real, const CONST: bool, const INVERTED: bool> Body for Choice<F, CONST, INVERTED> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let (scale, offset, constant) = (
            F::from_bits(o.consts[0]),
            F::from_bits(o.consts[1]),
            F::from_bits(o.consts[2]),
        );
        let (m, a) = (elements::<u8>(o.args[0], n), elements::<F>(o.args[1], n));
        let b = if CONST {
            a
        } else {
            elements::<F>(o.args[2], n)
        };
        for (((d, m), a), b) in output::<F>(out, n).iter_mut().zip(m).zip(a).zip(b) {
            let (value, other) = (a.mul(scale).add(offset), if CONST { constant } else { *b });
            *d = if (*m != 0) != INVERTED { value } else { other };
        }
    }
}

/// The kernel of a choice in the float dtype `dtype`.
pub(crate) fn choice(dtype: DType, constant: bool, inverted: bool) -> Kernel {
    fn of<F: Real>(constant: bool, inverted: bool) -> Kernel {
        match (constant, inverted) {
            (false, false) => vector::<Choice<F, false, false>>,
            (false, true) => vector::<Choice<F, false, true>>,
            (true, false) => vector::<Choice<F, true, false>>,
            (true, true) => vector::<Choice<F, true, true>>,
        }
    }
    if dtype == DType::F32 {
        of::<f32>(constant, inverted)
    } else {
        of::<f64>(constant, inverted)
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
