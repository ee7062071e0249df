//! `where`: one of two values by a mask. Only the width of the elements matters.

use super::{Body, Kernel, Operands, elements, output, vector, with_width};
use crate::element::Element;
use std::hint::select_unpredictable;
use std::marker::PhantomData;

/// Both values are strips.
struct Both<T>(PhantomData<T>);
/// The value where the mask is false is a constant.
struct ElseConst<T>(PhantomData<T>);
/// The value where the mask is true is a constant.
struct ThenConst<T>(PhantomData<T>);
/// Both values are constants.
struct Consts<T>(PhantomData<T>);

impl<T: Element> Body for Both<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let (m, a, b) = (
            elements::<u8>(o.args[0], n),
            elements::<T>(o.args[1], n),
            elements::<T>(o.args[2], n),
        );
        for (((d, m), a), b) in output::<T>(out, n).iter_mut().zip(m).zip(a).zip(b) {
            *d = pick(*m, *a, *b);
        }
    }
}

impl<T: Element> Body for ElseConst<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let k = T::from_bits(o.consts[0]);
        let (m, a) = (elements::<u8>(o.args[0], n), elements::<T>(o.args[1], n));
        for ((d, m), a) in output::<T>(out, n).iter_mut().zip(m).zip(a) {
            *d = pick(*m, *a, k);
        }
    }
}

impl<T: Element> Body for ThenConst<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let k = T::from_bits(o.consts[0]);
        let (m, b) = (elements::<u8>(o.args[0], n), elements::<T>(o.args[1], n));
        for ((d, m), b) in output::<T>(out, n).iter_mut().zip(m).zip(b) {
            *d = pick(*m, k, *b);
        }
    }
}

impl<T: Element> Body for Consts<T> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let (a, b) = (T::from_bits(o.consts[0]), T::from_bits(o.consts[1]));
        for (d, m) in output::<T>(out, n)
            .iter_mut()
            .zip(elements::<u8>(o.args[0], n))
        {
            *d = pick(*m, a, b);
        }
    }
}

/// A choice without a branch: the loads of one with a branch sink into its arms, become a choice between two addresses,
/// and with that a gather, which takes several times as long.
#[inline(always)]
fn pick<T>(mask: u8, a: T, b: T) -> T {
    select_unpredictable(mask != 0, a, b)
}

/// Operands: mask, value if true, value if false.
pub(crate) fn both(size: usize) -> Kernel {
    with_width!(size, T => vector::<Both<T>>)
}

/// Operands: mask, value if true; constant: value if false.
pub(crate) fn else_const(size: usize) -> Kernel {
    with_width!(size, T => vector::<ElseConst<T>>)
}

/// Operands: mask, value if false; constant: value if true.
pub(crate) fn then_const(size: usize) -> Kernel {
    with_width!(size, T => vector::<ThenConst<T>>)
}

/// Operand: mask; constants: value if true, value if false.
pub(crate) fn consts(size: usize) -> Kernel {
    with_width!(size, T => vector::<Consts<T>>)
}
