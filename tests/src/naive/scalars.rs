//! Operations on single values, written out per dtype.

use dasklike_graph::dtype::{DType, Lane, Scalar};
use dasklike_graph::ops::{BinaryOp, UnaryOp};

pub(super) fn unary(op: UnaryOp, dtype: DType, v: Scalar) -> Scalar {
    let float = |f32_fn: fn(f32) -> f32, f64_fn: fn(f64) -> f64| match v {
        Scalar::F32(x) => Scalar::F32(f32_fn(x)),
        Scalar::F64(x) => Scalar::F64(f64_fn(x)),
        _ => panic!("{op:?} of {dtype}"),
    };
    let x = v.as_f64();
    match op {
        UnaryOp::IsNan => Scalar::Bool(x.is_nan()),
        UnaryOp::IsInf => Scalar::Bool(x.is_infinite()),
        UnaryOp::IsFinite => Scalar::Bool(x.is_finite()),
        UnaryOp::Invert => match v {
            Scalar::Bool(b) => Scalar::Bool(!b),
            Scalar::I64(i) => Scalar::I64(!i),
            Scalar::U64(u) => Scalar::U64(!u).cast(dtype),
            _ => panic!("invert of {dtype}"),
        },
        UnaryOp::Neg if !dtype.is_float() => {
            binary(BinaryOp::Sub, dtype, Scalar::I64(0).cast(dtype), v)
        }
        UnaryOp::Neg => float(|x| -x, |x| -x),
        UnaryOp::Abs => match v {
            Scalar::I64(i) => Scalar::I64(i.wrapping_abs()).cast(dtype),
            Scalar::F32(_) | Scalar::F64(_) => float(f32::abs, f64::abs),
            v => v,
        },
        UnaryOp::Sign => match v {
            Scalar::I64(i) => Scalar::I64(i.signum()),
            Scalar::U64(u) => Scalar::U64(u.min(1)),
            Scalar::Bool(_) => panic!("sign of bool"),
            _ if x.is_nan() || x == 0.0 => {
                if x.is_nan() {
                    v
                } else {
                    float(|_| 0.0, |_| 0.0)
                }
            }
            _ => float(f32::signum, f64::signum),
        },
        UnaryOp::Sqrt => float(f32::sqrt, f64::sqrt),
        UnaryOp::Exp => float(f32::exp, f64::exp),
        UnaryOp::Expm1 => float(f32::exp_m1, f64::exp_m1),
        UnaryOp::Log => float(f32::ln, f64::ln),
        UnaryOp::Log2 => float(f32::log2, f64::log2),
        UnaryOp::Log10 => float(f32::log10, f64::log10),
        UnaryOp::Log1p => float(f32::ln_1p, f64::ln_1p),
        UnaryOp::Sin => float(f32::sin, f64::sin),
        UnaryOp::Cos => float(f32::cos, f64::cos),
        UnaryOp::Tan => float(f32::tan, f64::tan),
        UnaryOp::Arcsin => float(f32::asin, f64::asin),
        UnaryOp::Arccos => float(f32::acos, f64::acos),
        UnaryOp::Arctan => float(f32::atan, f64::atan),
        UnaryOp::Sinh => float(f32::sinh, f64::sinh),
        UnaryOp::Cosh => float(f32::cosh, f64::cosh),
        UnaryOp::Tanh => float(f32::tanh, f64::tanh),
        UnaryOp::Floor => float(f32::floor, f64::floor),
        UnaryOp::Ceil => float(f32::ceil, f64::ceil),
        UnaryOp::Trunc => float(f32::trunc, f64::trunc),
        UnaryOp::Rint => float(f32::round_ties_even, f64::round_ties_even),
    }
}

pub(super) fn binary(op: BinaryOp, dtype: DType, a: Scalar, b: Scalar) -> Scalar {
    if op.is_comparison() {
        return compare(op, a, b);
    }
    match dtype.lane() {
        Lane::Bool => {
            let (a, b) = (a.to_bits() != 0, b.to_bits() != 0);
            Scalar::Bool(match op {
                BinaryOp::Add | BinaryOp::Or | BinaryOp::Maximum => a | b,
                BinaryOp::Mul | BinaryOp::And | BinaryOp::Minimum => a & b,
                BinaryOp::Xor => a ^ b,
                _ => panic!("{op:?} of bool"),
            })
        }
        Lane::F32 => {
            let (Scalar::F32(a), Scalar::F32(b)) = (a, b) else {
                panic!("lanes")
            };
            Scalar::F32(match op {
                BinaryOp::Pow => a.powf(b),
                BinaryOp::Arctan2 => a.atan2(b),
                BinaryOp::Hypot => a.hypot(b),
                BinaryOp::Mod => floor_mod_f32(a, b),
                BinaryOp::FloorDiv => floor_div_f32(a, b),
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Minimum if a.is_nan() || b.is_nan() => f32::NAN,
                BinaryOp::Maximum if a.is_nan() || b.is_nan() => f32::NAN,
                BinaryOp::Minimum => {
                    if b < a {
                        b
                    } else {
                        a
                    }
                }
                BinaryOp::Maximum => {
                    if b > a {
                        b
                    } else {
                        a
                    }
                }
                _ => panic!("{op:?} of f32"),
            })
        }
        Lane::F64 => {
            let (Scalar::F64(a), Scalar::F64(b)) = (a, b) else {
                panic!("lanes")
            };
            Scalar::F64(match op {
                BinaryOp::Pow => a.powf(b),
                BinaryOp::Arctan2 => a.atan2(b),
                BinaryOp::Hypot => a.hypot(b),
                BinaryOp::Mod => floor_mod(a, b),
                BinaryOp::FloorDiv => floor_div(a, b),
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
                BinaryOp::Maximum if a.is_nan() || b.is_nan() => f64::NAN,
                BinaryOp::Minimum => {
                    if b < a {
                        b
                    } else {
                        a
                    }
                }
                BinaryOp::Maximum => {
                    if b > a {
                        b
                    } else {
                        a
                    }
                }
                _ => panic!("{op:?} of f64"),
            })
        }
        Lane::I64 | Lane::U64 => integer(op, dtype, wide(a), wide(b)),
    }
}

/// NumPy's float remainder: the sign of the divisor (npy_divmod).
fn floor_mod(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else if r == 0.0 {
        0f64.copysign(b)
    } else {
        r
    }
}

fn floor_mod_f32(a: f32, b: f32) -> f32 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else if r == 0.0 {
        0f32.copysign(b)
    } else {
        r
    }
}

/// NumPy's float floor division (npy_floor_divide).
fn floor_div(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let mut d = (a - r) / b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        d -= 1.0;
    }
    if d == 0.0 {
        return 0f64.copysign(a / b);
    }
    let floor = d.floor();
    if d - floor > 0.5 { floor + 1.0 } else { floor }
}

fn floor_div_f32(a: f32, b: f32) -> f32 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let mut d = (a - r) / b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        d -= 1.0;
    }
    if d == 0.0 {
        return 0f32.copysign(a / b);
    }
    let floor = d.floor();
    if d - floor > 0.5 { floor + 1.0 } else { floor }
}

fn wide(v: Scalar) -> i128 {
    match v {
        Scalar::I64(v) => v as i128,
        Scalar::U64(v) => v as i128,
        v => panic!("{v} is no integer"),
    }
}

/// The low bits of a mathematical integer, as NumPy's wrapping arithmetic keeps them.
fn narrow(dtype: DType, v: i128) -> Scalar {
    match dtype {
        DType::U8 => Scalar::U64(v as u8 as u64),
        DType::U16 => Scalar::U64(v as u16 as u64),
        DType::U32 => Scalar::U64(v as u32 as u64),
        DType::U64 => Scalar::U64(v as u64),
        DType::I8 => Scalar::I64(v as i8 as i64),
        DType::I16 => Scalar::I64(v as i16 as i64),
        DType::I32 => Scalar::I64(v as i32 as i64),
        DType::I64 => Scalar::I64(v as i64),
        _ => panic!("{dtype} is no integer"),
    }
}

fn integer(op: BinaryOp, dtype: DType, a: i128, b: i128) -> Scalar {
    let bits = 8 * dtype.size() as i128;
    let outside = !(0..bits).contains(&b);
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::FloorDiv | BinaryOp::Mod if b == 0 => 0,
        BinaryOp::FloorDiv => a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0),
        BinaryOp::Mod => {
            let r = a % b;
            if r != 0 && (r < 0) != (b < 0) {
                r + b
            } else {
                r
            }
        }
        BinaryOp::Pow => (0..b.max(0)).fold(1i128, |x, _| wide(narrow(dtype, x.wrapping_mul(a)))),
        BinaryOp::Minimum => a.min(b),
        BinaryOp::Maximum => a.max(b),
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::LeftShift if outside => 0,
        BinaryOp::LeftShift => a << b,
        BinaryOp::RightShift if outside => {
            if a < 0 {
                -1
            } else {
                0
            }
        }
        BinaryOp::RightShift => a >> b,
        op => panic!("{op:?} of {dtype}"),
    };
    narrow(dtype, value)
}

fn compare(op: BinaryOp, a: Scalar, b: Scalar) -> Scalar {
    let order = match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => a.partial_cmp(&b),
        (Scalar::F64(a), Scalar::F64(b)) => a.partial_cmp(&b),
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(&b)),
        (a, b) => Some(wide(a).cmp(&wide(b))),
    };
    Scalar::Bool(match op {
        BinaryOp::Eq => order.is_some_and(|o| o.is_eq()),
        BinaryOp::Ne => order.is_none_or(|o| o.is_ne()),
        BinaryOp::Lt => order.is_some_and(|o| o.is_lt()),
        BinaryOp::Le => order.is_some_and(|o| o.is_le()),
        BinaryOp::Gt => order.is_some_and(|o| o.is_gt()),
        _ => order.is_some_and(|o| o.is_ge()),
    })
}
