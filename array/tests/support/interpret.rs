//! The operations on one element, as NumPy's documentation has them.

use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::ops::{BinaryOp, UnaryOp};
use dasklike_graph::program::{Instr, Program};

/// The value of every instruction for one element; `load(i)` is the element of input `i`.
pub fn evaluate(program: &Program, load: impl Fn(u32) -> Scalar) -> Vec<Scalar> {
    let mut values: Vec<Scalar> = Vec::new();
    for (instr, dtype) in program.instrs.iter().zip(&program.dtypes) {
        let v = |x: &dasklike_graph::program::Value| values[x.0 as usize];
        let value = match instr {
            Instr::Load(i) => load(*i),
            Instr::Const(s) => *s,
            Instr::Cast(a) => v(a).cast(*dtype),
            Instr::Unary(op, a) => unary(*op, v(a), *dtype),
            Instr::Binary(op, a, b) => binary(*op, v(a), v(b), program.dtype(*a)),
            Instr::Select { cond, a, b } => {
                if v(cond) == Scalar::Bool(true) {
                    v(a)
                } else {
                    v(b)
                }
            }
            Instr::IsIn(a, list) => Scalar::Bool(list.iter().any(|s| equal(*s, v(a)))),
        };
        values.push(value);
    }
    values
}

fn equal(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => a == b,
        (Scalar::F64(a), Scalar::F64(b)) => a == b,
        _ => a == b,
    }
}

fn int(s: Scalar) -> i128 {
    match s {
        Scalar::Bool(v) => v as i128,
        Scalar::I64(v) => v as i128,
        Scalar::U64(v) => v as i128,
        _ => panic!("no integer"),
    }
}

/// An exact integer, wrapped to the dtype.
fn wrap(v: i128, dtype: DType) -> Scalar {
    Scalar::U64(v as u64).cast(dtype)
}

fn unary(op: UnaryOp, a: Scalar, dtype: DType) -> Scalar {
    use UnaryOp as U;
    match a {
        Scalar::F32(a) => float_unary(op, a, Scalar::F32, &F32),
        Scalar::F64(a) => float_unary(op, a, Scalar::F64, &F64),
        Scalar::Bool(b) => match op {
            U::Abs => a,
            U::Invert => Scalar::Bool(!b),
            U::IsNan | U::IsInf => Scalar::Bool(false),
            U::IsFinite => Scalar::Bool(true),
            _ => panic!("{op:?} of bool"),
        },
        _ => match op {
            U::Neg => wrap(-int(a), dtype),
            U::Abs => wrap(int(a).abs(), dtype),
            U::Sign => wrap(int(a).signum(), dtype),
            U::Invert => wrap(!int(a), dtype),
            U::IsNan | U::IsInf => Scalar::Bool(false),
            U::IsFinite => Scalar::Bool(true),
            _ => panic!("{op:?} of integer"),
        },
    }
}

/// The functions of one width.
struct Functions<T> {
    unary: fn(UnaryOp, T) -> T,
    zero: T,
    one: T,
}

static F32: Functions<f32> = Functions {
    unary: unary_f32,
    zero: 0.0,
    one: 1.0,
};
static F64: Functions<f64> = Functions {
    unary: unary_f64,
    zero: 0.0,
    one: 1.0,
};

macro_rules! functions {
    ($name:ident, $T:ty, $($op:ident $f:ident),*) => {
        fn $name(op: UnaryOp, a: $T) -> $T {
            match op {
                $(UnaryOp::$op => libm::$f(a),)*
                UnaryOp::Neg => -a,
                UnaryOp::Abs => a.abs(),
                UnaryOp::Sqrt => a.sqrt(),
                UnaryOp::Floor => a.floor(),
                UnaryOp::Ceil => a.ceil(),
                UnaryOp::Trunc => a.trunc(),
                UnaryOp::Rint => {
                    let r = a.round();
                    if (a - a.trunc()).abs() == 0.5 { (2.0 * (a / 2.0).round()).copysign(a) } else { r }
                }
                _ => panic!("{op:?}"),
            }
        }
    };
}

functions!(
    unary_f32, f32, Exp expf, Expm1 expm1f, Log logf, Log2 log2f, Log10 log10f, Log1p log1pf, Sin sinf, Cos cosf,
    Tan tanf, Arcsin asinf, Arccos acosf, Arctan atanf, Sinh sinhf, Cosh coshf, Tanh tanhf
);
functions!(
    unary_f64, f64, Exp exp, Expm1 expm1, Log log, Log2 log2, Log10 log10, Log1p log1p, Sin sin, Cos cos, Tan tan,
    Arcsin asin, Arccos acos, Arctan atan, Sinh sinh, Cosh cosh, Tanh tanh
);

fn float_unary<T: Copy + PartialOrd + Into<f64>>(
    op: UnaryOp,
    a: T,
    wrap: fn(T) -> Scalar,
    f: &Functions<T>,
) -> Scalar {
    let wide: f64 = a.into();
    match op {
        UnaryOp::IsNan => Scalar::Bool(wide.is_nan()),
        UnaryOp::IsInf => Scalar::Bool(wide.is_infinite()),
        UnaryOp::IsFinite => Scalar::Bool(wide.is_finite()),
        UnaryOp::Sign if wide.is_nan() => wrap(a),
        UnaryOp::Sign if wide == 0.0 => wrap(f.zero),
        UnaryOp::Sign if wide > 0.0 => wrap(f.one),
        UnaryOp::Sign => wrap((f.unary)(UnaryOp::Neg, f.one)),
        _ => wrap((f.unary)(op, a)),
    }
}

fn binary(op: BinaryOp, a: Scalar, b: Scalar, dtype: DType) -> Scalar {
    use BinaryOp as B;
    let order = match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => a.partial_cmp(&b),
        (Scalar::F64(a), Scalar::F64(b)) => a.partial_cmp(&b),
        _ => int(a).partial_cmp(&int(b)),
    };
    match op {
        B::Eq => return Scalar::Bool(order.is_some_and(|o| o.is_eq())),
        B::Ne => return Scalar::Bool(!order.is_some_and(|o| o.is_eq())),
        B::Lt => return Scalar::Bool(order.is_some_and(|o| o.is_lt())),
        B::Le => return Scalar::Bool(order.is_some_and(|o| o.is_le())),
        B::Gt => return Scalar::Bool(order.is_some_and(|o| o.is_gt())),
        B::Ge => return Scalar::Bool(order.is_some_and(|o| o.is_ge())),
        _ => {}
    }
    match (a, b) {
        (Scalar::F32(a), Scalar::F32(b)) => Scalar::F32(binary_f32(op, a, b)),
        (Scalar::F64(a), Scalar::F64(b)) => Scalar::F64(binary_f64(op, a, b)),
        (Scalar::Bool(a), Scalar::Bool(b)) => Scalar::Bool(match op {
            B::Add | B::Or | B::Maximum => a || b,
            B::Mul | B::And | B::Minimum => a && b,
            B::Xor => a != b,
            _ => panic!("{op:?} of bools"),
        }),
        _ => wrap(binary_int(op, int(a), int(b), dtype), dtype),
    }
}

fn binary_int(op: BinaryOp, a: i128, b: i128, dtype: DType) -> i128 {
    use BinaryOp as B;
    let width = 8 * dtype.size() as i128;
    let floor = |a: i128, b: i128| a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0);
    match op {
        B::Add => a + b,
        B::Sub => a - b,
        B::Mul => a.wrapping_mul(b),
        B::FloorDiv if b == 0 => 0,
        B::FloorDiv => floor(a, b),
        B::Mod if b == 0 => 0,
        B::Mod => a - b * floor(a, b),
        B::Pow if b < 0 => 0,
        B::Pow => {
            // Only the low bits stay, so the product may be cut at each step; the exponent is halved.
            let (mut base, mut left, mut out) = (a as u64, b, 1u64);
            while left > 0 {
                if left % 2 == 1 {
                    out = out.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                left /= 2;
            }
            out as i128
        }
        B::Minimum => a.min(b),
        B::Maximum => a.max(b),
        B::And => a & b,
        B::Or => a | b,
        B::Xor => a ^ b,
        B::LeftShift if b < 0 || b >= width => 0,
        B::LeftShift => ((a as u64) << b) as i128,
        B::RightShift if b < 0 || b >= width => {
            if a < 0 {
                -1
            } else {
                0
            }
        }
        B::RightShift => a >> b,
        _ => panic!("{op:?} of integers"),
    }
}

macro_rules! binary_float {
    ($name:ident, $T:ty, $pow:ident, $atan2:ident, $hypot:ident) => {
        fn $name(op: BinaryOp, a: $T, b: $T) -> $T {
            use BinaryOp as B;
            match op {
                B::Add => a + b,
                B::Sub => a - b,
                B::Mul => a * b,
                B::Div => a / b,
                B::Minimum => {
                    if a < b || a.is_nan() {
                        a
                    } else {
                        b
                    }
                }
                B::Maximum => {
                    if a > b || a.is_nan() {
                        a
                    } else {
                        b
                    }
                }
                B::Arctan2 => libm::$atan2(a, b),
                B::Hypot => libm::$hypot(a, b),
                // NumPy's fast path for squares.
                B::Pow => {
                    if b == 2.0 {
                        a * a
                    } else {
                        libm::$pow(a, b)
                    }
                }
                B::FloorDiv if b == 0.0 => a / b,
                B::Mod if b == 0.0 => <$T>::NAN,
                B::FloorDiv | B::Mod => {
                    // npy_divmod
                    let mut rest = a % b;
                    let mut div = (a - rest) / b;
                    if rest != 0.0 {
                        if (b < 0.0) != (rest < 0.0) {
                            rest += b;
                            div -= 1.0;
                        }
                    } else {
                        rest = <$T>::copysign(0.0, b);
                    }
                    let mut floor;
                    if div != 0.0 {
                        floor = div.floor();
                        if div - floor > 0.5 {
                            floor += 1.0;
                        }
                    } else {
                        floor = <$T>::copysign(0.0, a / b);
                    }
                    if op == B::Mod { rest } else { floor }
                }
                _ => panic!("{op:?} of floats"),
            }
        }
    };
}

binary_float!(binary_f32, f32, powf, atan2f, hypotf);
binary_float!(binary_f64, f64, pow, atan2, hypot);
