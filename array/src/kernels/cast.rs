//! `numpy.astype`, equal to [`dasklike_graph::dtype::Scalar::cast`] for every value.

use super::unary::{Map, Op1};
use super::{Body, Kernel, Operands, elements, output, vector, with_type, with_width};
use crate::element::{Element, Real};
use dasklike_graph::dtype::DType;
use std::marker::PhantomData;

/// A conversion of one element that Rust's `as` defines as NumPy does.
pub(crate) trait As<U> {
    fn convert(self) -> U;
}

macro_rules! conversions {
    ($($T:ty => $($U:ty),*;)*) => {$($(
        impl As<$U> for $T {
            #[inline(always)]
            fn convert(self) -> $U {
                self as $U
            }
        }
    )*)*};
}

conversions! {
    u8 => u8, u16, u32, u64, f32, f64; u16 => u8, u16, u32, u64, f32, f64;
    u32 => u8, u16, u32, u64, f32, f64; u64 => u8, u16, u32, u64, f32, f64;
    i8 => u8, u16, u32, u64, f32, f64; i16 => u8, u16, u32, u64, f32, f64;
    i32 => u8, u16, u32, u64, f32, f64; i64 => u8, u16, u32, u64, f32, f64;
    f32 => f32, f64; f64 => f32, f64;
    i128 => u8, u16, u32, u64;
}

struct Convert<T, U>(PhantomData<(T, U)>);

impl<T: Element + As<U>, U: Element> Op1 for Convert<T, U> {
    type In = T;
    type Out = U;
    #[inline(always)]
    fn apply(a: T) -> U {
        a.convert()
    }
}

struct NonZero<T>(PhantomData<T>);

impl<T: Element> Op1 for NonZero<T> {
    type In = T;
    type Out = u8;
    #[inline(always)]
    fn apply(a: T) -> u8 {
        !a.is_zero() as u8
    }
}

/// Floats to integers of a width: cut towards zero, and wrapped where they do not fit.
struct Truncate<F, U>(PhantomData<(F, U)>);

/// Elements of a strip that are looked at together: when all are small, the conversion vectorises.
const GROUP: usize = 128;

impl<F: Real, U: Element> Body for Truncate<F, U>
where
    i128: As<U>,
    i64: As<U>,
    i32: As<U>,
{
    #[inline(always)]
    fn run(out: &mut [u64], o: &Operands<'_>, n: usize) {
        let narrow = size_of::<U>() <= 2;
        let limit = if narrow {
            2147483648.0
        } else {
            9223372036854775808.0
        };
        let a = elements::<F>(o.args[0], n).chunks(GROUP);
        for (out, a) in output::<U>(out, n).chunks_mut(GROUP).zip(a) {
            // False for NaN too.
            let small = a
                .iter()
                .fold(true, |all, v| all & (v.to_f64().abs() < limit));
            if small && narrow {
                for (d, v) in out.iter_mut().zip(a) {
                    *d = v.to_i32().convert();
                }
            } else if small {
                for (d, v) in out.iter_mut().zip(a) {
                    *d = v.to_i64().convert();
                }
            } else {
                for (d, v) in out.iter_mut().zip(a) {
                    *d = v.to_i128().convert();
                }
            }
        }
    }
}

/// The kernel of a cast, or `None` where the bytes stay as they are.
pub(crate) fn cast(from: DType, to: DType) -> Option<Kernel> {
    if to == DType::Bool {
        return (from != DType::Bool)
            .then(|| with_type!(from, T => vector::<Map<NonZero<T>>> as Kernel));
    }
    if to.is_float() {
        return (from != to).then(|| match to {
            DType::F32 => with_type!(from, T => vector::<Map<Convert<T, f32>>> as Kernel),
            _ => with_type!(from, T => vector::<Map<Convert<T, f64>>>),
        });
    }
    match from {
        DType::F32 => Some(with_width!(to.size(), U => vector::<Truncate<f32, U>>)),
        DType::F64 => Some(with_width!(to.size(), U => vector::<Truncate<f64, U>>)),
        _ if from.size() == to.size() => None,
        _ => Some(match from {
            DType::Bool | DType::U8 => {
                with_width!(to.size(), U => vector::<Map<Convert<u8, U>>> as Kernel)
            }
            DType::U16 => with_width!(to.size(), U => vector::<Map<Convert<u16, U>>>),
            DType::U32 => with_width!(to.size(), U => vector::<Map<Convert<u32, U>>>),
            DType::U64 => with_width!(to.size(), U => vector::<Map<Convert<u64, U>>>),
            DType::I8 => with_width!(to.size(), U => vector::<Map<Convert<i8, U>>>),
            DType::I16 => with_width!(to.size(), U => vector::<Map<Convert<i16, U>>>),
            DType::I32 => with_width!(to.size(), U => vector::<Map<Convert<i32, U>>>),
            _ => with_width!(to.size(), U => vector::<Map<Convert<i64, U>>>),
        }),
    }
}
