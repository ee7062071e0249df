//! Comparisons: bytes of 0 and 1.

use super::binary::{Forms, Op2, Vs, Vv};
use super::{vector, with_type, with_width};
use crate::element::Element;
use dasklike_graph::dtype::DType;
use dasklike_graph::ops::BinaryOp;
use std::marker::PhantomData;

macro_rules! comparisons {
    ($($name:ident $op:tt;)*) => {$(
        struct $name<T>(PhantomData<T>);
        impl<T: Element> Op2 for $name<T> {
            type In = T;
            type Out = u8;
            #[inline(always)]
            fn apply(a: T, b: T) -> u8 {
                (a $op b) as u8
            }
        }
    )*};
}

comparisons! { Eq ==; Ne !=; Lt <; Le <=; Gt >; Ge >=; }

/// Kernels of a comparison of two values of `dtype`. `bool` compares as 0 and 1.
pub(crate) fn compare(op: BinaryOp, dtype: DType) -> Option<Forms> {
    use BinaryOp as B;
    let signless = !dtype.is_float();
    Some(match op {
        B::Eq if signless => with_width!(dtype.size(), T => Forms::commutative::<Eq<T>>()),
        B::Ne if signless => with_width!(dtype.size(), T => Forms::commutative::<Ne<T>>()),
        B::Eq => with_type!(dtype, T => Forms::commutative::<Eq<T>>()),
        B::Ne => with_type!(dtype, T => Forms::commutative::<Ne<T>>()),
        B::Lt => with_type!(dtype, T => ordered::<Lt<T>, Gt<T>>()),
        B::Le => with_type!(dtype, T => ordered::<Le<T>, Ge<T>>()),
        B::Gt => with_type!(dtype, T => ordered::<Gt<T>, Lt<T>>()),
        B::Ge => with_type!(dtype, T => ordered::<Ge<T>, Le<T>>()),
        _ => return None,
    })
}

/// A constant on the left is the flipped comparison with the constant on the right.
fn ordered<O: Op2, Flipped: Op2>() -> Forms {
    Forms {
        vv: vector::<Vv<O>>,
        vs: Some(vector::<Vs<O>>),
        sv: Some(vector::<Vs<Flipped>>),
    }
}
