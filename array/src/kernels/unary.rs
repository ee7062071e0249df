//! Operations on one operand.

use super::{
    Body, Kernel, Operands, elements, output, scalar, vector, with_float, with_integer, with_type,
    with_width,
};
use crate::element::{Element, Integer, Number, Real};
use dasklike_graph::dtype::DType;
use dasklike_graph::ops::UnaryOp;
use std::marker::PhantomData;

/// An operation on one element.
pub(crate) trait Op1 {
    type In: Element;
    type Out: Element;
    fn apply(a: Self::In) -> Self::Out;
}

/// One strip.
pub(crate) struct Map<O>(PhantomData<O>);

impl<O: Op1> Body for Map<O> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        for (d, a) in output::<O::Out>(out, n)
            .iter_mut()
            .zip(elements::<O::In>(o.args[0], n))
        {
            *d = O::apply(*a);
        }
    }
}

macro_rules! ops {
    ($($name:ident: $bound:ident $f:ident;)*) => {$(
        struct $name<T>(PhantomData<T>);
        impl<T: $bound> Op1 for $name<T> {
            type In = T;
            type Out = T;
            #[inline(always)]
            fn apply(a: T) -> T {
                a.$f()
            }
        }
    )*};
}

ops! {
    Neg: Number neg; Abs: Number abs; Sign: Number sign; Invert: Integer invert;
    Sqrt: Real sqrt; Floor: Real floor; Ceil: Real ceil; Trunc: Real trunc; Rint: Real rint;
    Exp: Real exp; Expm1: Real expm1; Log: Real log; Log2: Real log2; Log10: Real log10; Log1p: Real log1p;
    Sin: Real sin; Cos: Real cos; Tan: Real tan; Arcsin: Real arcsin; Arccos: Real arccos; Arctan: Real arctan;
    Sinh: Real sinh; Cosh: Real cosh; Tanh: Real tanh;
}

macro_rules! tests {
    ($($name:ident $f:ident;)*) => {$(
        struct $name<T>(PhantomData<T>);
        impl<T: Real> Op1 for $name<T> {
            type In = T;
            type Out = u8;
            #[inline(always)]
            fn apply(a: T) -> u8 {
                a.$f() as u8
            }
        }
    )*};
}

tests! { IsNan is_nan; IsInf is_infinite; IsFinite is_finite; }

struct Not;

impl Op1 for Not {
    type In = u8;
    type Out = u8;
    #[inline(always)]
    fn apply(a: u8) -> u8 {
        a ^ 1
    }
}

/// What an operation on one operand is.
pub(crate) enum Unary {
    /// A loop.
    Kernel(Kernel),
    /// The operand itself.
    Same,
    /// The same bool everywhere.
    Always(bool),
}

fn fast<O: Op1>() -> Kernel {
    vector::<Map<O>>
}

fn slow<O: Op1>() -> Kernel {
    scalar::<Map<O>>
}

/// The kernel of an operation on `dtype`, or `None` where NumPy has no such operation.
pub(crate) fn unary(op: UnaryOp, dtype: DType) -> Option<Unary> {
    use UnaryOp as U;
    op.result(dtype)?;
    let float = dtype.is_float();
    let signed = matches!(dtype, DType::I8 | DType::I16 | DType::I32 | DType::I64);
    let kernel = match op {
        U::IsNan | U::IsInf if !float => return Some(Unary::Always(false)),
        U::IsFinite if !float => return Some(Unary::Always(true)),
        U::Abs if !float && !signed => return Some(Unary::Same),
        U::Invert if dtype == DType::Bool => Some(fast::<Not>()),
        U::Neg if !float => Some(with_width!(dtype.size(), T => fast::<Neg<T>>())),
        U::Neg => with_float!(dtype, T => fast::<Neg<T>>()),
        U::Abs => Some(with_type!(dtype, T => fast::<Abs<T>>())),
        U::Sign => Some(with_type!(dtype, T => fast::<Sign<T>>())),
        U::Invert => with_integer!(dtype, T => fast::<Invert<T>>()),
        U::IsNan => with_float!(dtype, T => fast::<IsNan<T>>()),
        U::IsInf => with_float!(dtype, T => fast::<IsInf<T>>()),
        U::IsFinite => with_float!(dtype, T => fast::<IsFinite<T>>()),
        U::Sqrt => with_float!(dtype, T => fast::<Sqrt<T>>()),
        U::Floor => with_float!(dtype, T => fast::<Floor<T>>()),
        U::Ceil => with_float!(dtype, T => fast::<Ceil<T>>()),
        U::Trunc => with_float!(dtype, T => fast::<Trunc<T>>()),
        U::Rint => with_float!(dtype, T => fast::<Rint<T>>()),
        U::Exp => with_float!(dtype, T => slow::<Exp<T>>()),
        U::Expm1 => with_float!(dtype, T => slow::<Expm1<T>>()),
        U::Log => with_float!(dtype, T => slow::<Log<T>>()),
        U::Log2 => with_float!(dtype, T => slow::<Log2<T>>()),
        U::Log10 => with_float!(dtype, T => slow::<Log10<T>>()),
        U::Log1p => with_float!(dtype, T => slow::<Log1p<T>>()),
        U::Sin => with_float!(dtype, T => slow::<Sin<T>>()),
        U::Cos => with_float!(dtype, T => slow::<Cos<T>>()),
        U::Tan => with_float!(dtype, T => slow::<Tan<T>>()),
        U::Arcsin => with_float!(dtype, T => slow::<Arcsin<T>>()),
        U::Arccos => with_float!(dtype, T => slow::<Arccos<T>>()),
        U::Arctan => with_float!(dtype, T => slow::<Arctan<T>>()),
        U::Sinh => with_float!(dtype, T => slow::<Sinh<T>>()),
        U::Cosh => with_float!(dtype, T => slow::<Cosh<T>>()),
        U::Tanh => with_float!(dtype, T => slow::<Tanh<T>>()),
    };
    kernel.map(Unary::Kernel)
}
