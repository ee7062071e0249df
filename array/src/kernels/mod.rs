//! Kernels: one loop over a strip for each operation and element type.
//!
//! A kernel is a plain loop in safe code; [`vector`] compiles it for several instruction sets and picks one at
//! run time. Operations that do not vectorise go through [`scalar`].

pub(crate) mod affine;
pub(crate) mod binary;
pub(crate) mod cast;
pub(crate) mod compare;
pub(crate) mod isin;
pub(crate) mod load;
pub(crate) mod ternary;
pub(crate) mod unary;

use bytemuck::Pod;
use multiversion::multiversion;

/// What a kernel reads. Operands are the bytes of at least the strip's elements, aligned for their type.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) args: [&'a [u8]; 3],
    /// Constants, as native bits in the low bytes.
    pub(crate) consts: &'a [u64],
}

/// Writes the first `n` elements of the register `out`.
pub(crate) type Kernel = fn(out: &mut [u64], operands: &Operands<'_>, n: usize);

/// The loop of a kernel. Implementations are `#[inline(always)]`, so that they are compiled with the
/// instruction set of the function they are inlined into.
pub(crate) trait Body {
    fn run(out: &mut [u64], operands: &Operands<'_>, n: usize);
}

/// A loop compiled for AVX-512, AVX2 and the architecture's baseline (NEON on aarch64).
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+lzcnt+popcnt"
))]
pub(crate) fn vector<B: Body>(out: &mut [u64], operands: &Operands<'_>, n: usize) {
    B::run(out, operands, n)
}

/// A loop compiled once.
pub(crate) fn scalar<B: Body>(out: &mut [u64], operands: &Operands<'_>, n: usize) {
    B::run(out, operands, n)
}

/// The first `n` elements of an operand.
#[inline(always)]
pub(crate) fn elements<T: Pod>(bytes: &[u8], n: usize) -> &[T] {
    &bytemuck::cast_slice(bytes)[..n]
}

/// The first `n` elements of a register.
#[inline(always)]
pub(crate) fn output<T: Pod>(out: &mut [u64], n: usize) -> &mut [T] {
    &mut bytemuck::cast_slice_mut(out)[..n]
}

/// Picks the type of a dtype's elements; `bool` is `u8`.
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => {
                type $T = u8;
                $body
            }
            DType::U16 => {
                type $T = u16;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            DType::U64 => {
                type $T = u64;
                $body
            }
            DType::I8 => {
                type $T = i8;
                $body
            }
            DType::I16 => {
                type $T = i16;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

/// Picks the type of an integer dtype's elements, or `None` for others.
macro_rules! with_integer {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::U8 => {
                type $T = u8;
                Some($body)
            }
            DType::U16 => {
                type $T = u16;
                Some($body)
            }
            DType::U32 => {
                type $T = u32;
                Some($body)
            }
            DType::U64 => {
                type $T = u64;
                Some($body)
            }
            DType::I8 => {
                type $T = i8;
                Some($body)
            }
            DType::I16 => {
                type $T = i16;
                Some($body)
            }
            DType::I32 => {
                type $T = i32;
                Some($body)
            }
            DType::I64 => {
                type $T = i64;
                Some($body)
            }
            _ => None,
        }
    };
}

/// Picks the type of a float dtype's elements, or `None` for others.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                Some($body)
            }
            DType::F64 => {
                type $T = f64;
                Some($body)
            }
            _ => None,
        }
    };
}

/// Picks an unsigned type as wide as the dtype's elements: for what does not depend on the sign.
macro_rules! with_width {
    ($size:expr, $T:ident => $body:expr) => {
        match $size {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}

pub(crate) use {with_float, with_integer, with_type, with_width};
