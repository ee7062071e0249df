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

/// Operands: two strips; constants: a factor for each, then scale and offset of their sum.
struct Linear<F>(PhantomData<F>);

impl<F: Real> Body for Linear<F> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let k = |i: usize| F::from_bits(o.consts[i]);
        let (of_a, of_b, scale, offset) = (k(0), k(1), k(2), k(3));
        let (a, b) = (elements::<F>(o.args[0], n), elements::<F>(o.args[1], n));
        for ((d, a), b) in output::<F>(out, n).iter_mut().zip(a).zip(b) {
            *d = a.mul(of_a).add(b.mul(of_b)).mul(scale).add(offset);
        }
    }
}

/// The kernel of `(a * k + b * l) * scale + offset` in the float dtype `dtype`.
pub(crate) fn linear(dtype: DType) -> Kernel {
    if dtype == DType::F32 {
        vector::<Linear<f32>>
    } else {
        vector::<Linear<f64>>
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Neutral factors and summands change no bit of any value; NaN stays NaN.
    #[test]
    fn a_linear_form_rounds_as_its_steps_do() {
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            f32::MIN_POSITIVE / 4.0,
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        type Plain = fn(f32, f32) -> f32;
        let forms: [([f32; 4], Plain); 5] = [
            ([1.0, -1.0, 1.0, -0.0], |a, b| a - b),
            ([1.0, 6.3, 1.0, -0.0], |a, b| a + b * 6.3),
            ([0.7, -7.5, 1.0, 1.0], |a, b| a * 0.7 - b * 7.5 + 1.0),
            ([1.0, -1.0, 2.5, -0.0], |a, b| (a - b) * 2.5),
            ([1.0, 1.0, 3.0, -0.1], |a, b| (a + b) * 3.0 - 0.1),
        ];
        let pairs = values.iter().flat_map(|a| values.map(|b| (*a, b)));
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.unzip();
        for (consts, plain) in forms {
            let consts = consts.map(|k| u64::from(k.to_bits()));
            let operands = Operands {
                args: [bytemuck::cast_slice(&a), bytemuck::cast_slice(&b), &[]],
                consts: &consts,
            };
            let mut out = vec![0; a.len().div_ceil(2)];
            linear(DType::F32)(&mut out, &operands, a.len());
            for (i, got) in output::<f32>(&mut out, a.len()).iter().enumerate() {
                let want = plain(a[i], b[i]);
                let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
                assert!(same, "{} and {}: {got}, expected {want}", a[i], b[i]);
            }
        }
    }
}
