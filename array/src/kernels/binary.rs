//! Arithmetic and bits on two operands, one of which may be a constant.

use super::{
    Body, Kernel, Operands, elements, output, scalar, vector, with_float, with_integer, with_type,
    with_width,
};
use crate::element::{Element, Integer, Number, Real};
use dasklike_graph::dtype::DType;
use dasklike_graph::ops::BinaryOp;
use std::marker::PhantomData;

/// An operation on two elements.
pub(crate) trait Op2 {
    type In: Element;
    type Out: Element;
    fn apply(a: Self::In, b: Self::In) -> Self::Out;
}

/// Two strips.
pub(crate) struct Vv<O>(PhantomData<O>);
/// A strip and a constant.
pub(crate) struct Vs<O>(PhantomData<O>);
/// A constant and a strip.
pub(crate) struct Sv<O>(PhantomData<O>);

impl<O: Op2> Body for Vv<O> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let (a, b) = (
            elements::<O::In>(o.args[0], n),
            elements::<O::In>(o.args[1], n),
        );
        for ((d, a), b) in output::<O::Out>(out, n).iter_mut().zip(a).zip(b) {
            *d = O::apply(*a, *b);
        }
    }
}

impl<O: Op2> Body for Vs<O> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let k = O::In::from_bits(o.consts[0]);
        for (d, a) in output::<O::Out>(out, n)
            .iter_mut()
            .zip(elements::<O::In>(o.args[0], n))
        {
            *d = O::apply(*a, k);
        }
    }
}

impl<O: Op2> Body for Sv<O> {
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let k = O::In::from_bits(o.consts[0]);
        for (d, a) in output::<O::Out>(out, n)
            .iter_mut()
            .zip(elements::<O::In>(o.args[0], n))
        {
            *d = O::apply(k, *a);
        }
    }
}

/// The kernels of an operation. A form that is missing takes its constant from a register.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    pub(crate) vv: Kernel,
    pub(crate) vs: Option<Kernel>,
    pub(crate) sv: Option<Kernel>,
}

impl Forms {
    /// All three forms.
    pub(crate) fn all<O: Op2>() -> Forms {
        Forms {
            vv: vector::<Vv<O>>,
            vs: Some(vector::<Vs<O>>),
            sv: Some(vector::<Sv<O>>),
        }
    }

    /// Forms of an operation whose operands may change places.
    pub(crate) fn commutative<O: Op2>() -> Forms {
        Forms {
            vv: vector::<Vv<O>>,
            vs: Some(vector::<Vs<O>>),
            sv: Some(vector::<Vs<O>>),
        }
    }

    /// One vectorised form.
    fn plain<O: Op2>() -> Forms {
        Forms {
            vv: vector::<Vv<O>>,
            vs: None,
            sv: None,
        }
    }

    /// One form that does not vectorise.
    fn slow<O: Op2>() -> Forms {
        Forms {
            vv: scalar::<Vv<O>>,
            vs: None,
            sv: None,
        }
    }
}

macro_rules! ops {
    ($($name:ident: $bound:ident $f:ident;)*) => {$(
        struct $name<T>(PhantomData<T>);
        impl<T: $bound> Op2 for $name<T> {
            type In = T;
            type Out = T;
            #[inline(always)]
            fn apply(a: T, b: T) -> T {
                a.$f(b)
            }
        }
    )*};
}

ops! {
    Add: Number add; Sub: Number sub; Mul: Number mul; FloorDiv: Number floor_div; Mod: Number modulo;
    Pow: Number pow; Minimum: Number minimum; Maximum: Number maximum;
    Div: Real div; Arctan2: Real arctan2; Hypot: Real hypot;
    And: Integer and; Or: Integer or; Xor: Integer xor; Shl: Integer shl; Shr: Integer shr;
}

/// Kernels of an operation on `dtype` that is no comparison, or `None` where NumPy has no such operation.
pub(crate) fn binary(op: BinaryOp, dtype: DType) -> Option<Forms> {
    use BinaryOp as B;
    if dtype == DType::Bool {
        return match op {
            B::Add | B::Or | B::Maximum => Some(Forms::commutative::<Or<u8>>()),
            B::Mul | B::And | B::Minimum => Some(Forms::commutative::<And<u8>>()),
            B::Xor => Some(Forms::commutative::<Xor<u8>>()),
            _ => None,
        };
    }
    match (op, dtype.is_float()) {
        (B::Add, true) => with_float!(dtype, T => Forms::commutative::<Add<T>>()),
        (B::Sub, true) => with_float!(dtype, T => Forms::all::<Sub<T>>()),
        (B::Mul, true) => with_float!(dtype, T => Forms::commutative::<Mul<T>>()),
        (B::Add, false) => Some(with_width!(dtype.size(), T => Forms::commutative::<Add<T>>())),
        (B::Sub, false) => Some(with_width!(dtype.size(), T => Forms::all::<Sub<T>>())),
        (B::Mul, false) => Some(with_width!(dtype.size(), T => Forms::commutative::<Mul<T>>())),
        (B::And, false) => Some(with_width!(dtype.size(), T => Forms::commutative::<And<T>>())),
        (B::Or, false) => Some(with_width!(dtype.size(), T => Forms::commutative::<Or<T>>())),
        (B::Xor, false) => Some(with_width!(dtype.size(), T => Forms::commutative::<Xor<T>>())),
        (B::LeftShift, false) => Some(with_width!(dtype.size(), T => Forms::plain::<Shl<T>>())),
        (B::RightShift, false) => with_integer!(dtype, T => Forms::plain::<Shr<T>>()),
        (B::Minimum, _) => Some(with_type!(dtype, T => Forms::all::<Minimum<T>>())),
        (B::Maximum, _) => Some(with_type!(dtype, T => Forms::all::<Maximum<T>>())),
        (B::FloorDiv, _) => Some(with_type!(dtype, T => Forms::slow::<FloorDiv<T>>())),
        (B::Mod, _) => Some(with_type!(dtype, T => Forms::slow::<Mod<T>>())),
        (B::Pow, _) => Some(with_type!(dtype, T => Forms::slow::<Pow<T>>())),
        (B::Div, true) => with_float!(dtype, T => Forms::all::<Div<T>>()),
        (B::Arctan2, true) => with_float!(dtype, T => Forms::slow::<Arctan2<T>>()),
        (B::Hypot, true) => with_float!(dtype, T => Forms::slow::<Hypot<T>>()),
        _ => None,
    }
}
