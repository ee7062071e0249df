//! The types that registers hold, and NumPy's arithmetic on one element.
//!
//! Values keep the width of their dtype: wrapping at that width is what the lanes' semantics ask for, and a
//! narrow register moves more elements an instruction than a 64-bit lane would. `bool` is a byte of 0 or 1.

use bytemuck::Pod;

/// An element of a register.
pub(crate) trait Element: Pod + PartialEq + PartialOrd {
    /// Whether this is a float.
    const FLOAT: bool;
    /// Whether this is a signed integer.
    const SIGNED: bool;
    /// What every value is at most: the least value of nothing.
    const GREATEST: Self;
    /// What every value is at least.
    const LEAST: Self;
    /// What stands where a value is left out: NaN; of integers any, for they have none.
    const NOTHING: Self;
    /// The element whose native bits are the low bits of `bits`.
    fn from_bits(bits: u64) -> Self;
    /// The word in which a reduction's state keeps the element: floats as `f64`, integers widened to their lane.
    fn to_word(self) -> u64;
    fn to_f64(self) -> f64;
    fn is_nan(self) -> bool;
    fn is_zero(self) -> bool;
}

/// Arithmetic that every number has.
pub(crate) trait Number: Element {
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn floor_div(self, b: Self) -> Self;
    fn modulo(self, b: Self) -> Self;
    fn pow(self, b: Self) -> Self;
    fn minimum(self, b: Self) -> Self;
    fn maximum(self, b: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
}

/// What only integers have.
pub(crate) trait Integer: Number {
    fn and(self, b: Self) -> Self;
    fn or(self, b: Self) -> Self;
    fn xor(self, b: Self) -> Self;
    fn shl(self, b: Self) -> Self;
    fn shr(self, b: Self) -> Self;
    fn invert(self) -> Self;
}

/// What only floats have.
pub(crate) trait Real: Number {
    const NAN: Self;
    fn div(self, b: Self) -> Self;
    fn arctan2(self, b: Self) -> Self;
    fn hypot(self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
    fn rint(self) -> Self;
    fn exp(self) -> Self;
    fn expm1(self) -> Self;
    fn log(self) -> Self;
    fn log2(self) -> Self;
    fn log10(self) -> Self;
    fn log1p(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    fn arcsin(self) -> Self;
    fn arccos(self) -> Self;
    fn arctan(self) -> Self;
    fn sinh(self) -> Self;
    fn cosh(self) -> Self;
    fn tanh(self) -> Self;
    fn is_infinite(self) -> bool;
    fn is_finite(self) -> bool;
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_i128(self) -> i128;
}

macro_rules! integer {
    ($T:ty, $lane:ty, $unsigned:ty, $signed:expr) => {
        impl Element for $T {
            const FLOAT: bool = false;
            const SIGNED: bool = $signed;
            const GREATEST: Self = <$T>::MAX;
            const LEAST: Self = <$T>::MIN;
            const NOTHING: Self = 0;
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                bits as $T
            }
            #[inline(always)]
            fn to_word(self) -> u64 {
                self as $lane as u64
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            #[inline(always)]
            fn is_zero(self) -> bool {
                self == 0
            }
        }

        #[allow(unused_comparisons)]
        impl Number for $T {
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                self.wrapping_sub(b)
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                self.wrapping_mul(b)
            }
            fn floor_div(self, b: Self) -> Self {
                if b == 0 {
                    return 0;
                }
                let q = self.wrapping_div(b);
                let r = self.wrapping_rem(b);
                // The quotient was cut towards zero: one less where signs differ and something is left.
                if r != 0 && (r < 0) != (b < 0) {
                    q - 1
                } else {
                    q
                }
            }
            fn modulo(self, b: Self) -> Self {
                if b == 0 {
                    return 0;
                }
                let r = self.wrapping_rem(b);
                if r != 0 && (r < 0) != (b < 0) {
                    r + b
                } else {
                    r
                }
            }
            fn pow(self, b: Self) -> Self {
                if b < 0 {
                    return 0;
                }
                let (mut base, mut left, mut out) = (self, b, 1 as $T);
                while left > 0 {
                    if left & 1 == 1 {
                        out = out.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                out
            }
            #[inline(always)]
            fn minimum(self, b: Self) -> Self {
                if self < b { self } else { b }
            }
            #[inline(always)]
            fn maximum(self, b: Self) -> Self {
                if self > b { self } else { b }
            }
            #[inline(always)]
            fn neg(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                if self < 0 { self.wrapping_neg() } else { self }
            }
            #[inline(always)]
            fn sign(self) -> Self {
                if self > 0 {
                    1
                } else if self < 0 {
                    // Minus one; never reached by unsigned types.
                    (0 as $T).wrapping_sub(1)
                } else {
                    0
                }
            }
        }

        #[allow(unused_comparisons)]
        impl Integer for $T {
            #[inline(always)]
            fn and(self, b: Self) -> Self {
                self & b
            }
            #[inline(always)]
            fn or(self, b: Self) -> Self {
                self | b
            }
            #[inline(always)]
            fn xor(self, b: Self) -> Self {
                self ^ b
            }
            #[inline(always)]
            fn shl(self, b: Self) -> Self {
                if (b as $unsigned) < <$T>::BITS as $unsigned {
                    self.wrapping_shl(b as u32)
                } else {
                    0
                }
            }
            #[inline(always)]
            fn shr(self, b: Self) -> Self {
                if (b as $unsigned) < <$T>::BITS as $unsigned {
                    self.wrapping_shr(b as u32)
                } else if self < 0 {
                    (0 as $T).wrapping_sub(1)
                } else {
                    0
                }
            }
            #[inline(always)]
            fn invert(self) -> Self {
                !self
            }
        }
    };
}

integer!(u8, u64, u8, false);
integer!(u16, u64, u16, false);
integer!(u32, u64, u32, false);
integer!(u64, u64, u64, false);
integer!(i8, i64, u8, true);
integer!(i16, i64, u16, true);
integer!(i32, i64, u32, true);
integer!(i64, i64, u64, true);

macro_rules! float {
    ($T:ty, $bits:ty, $($name:ident = $f:ident),*) => {
        impl Element for $T {
            const FLOAT: bool = true;
            const SIGNED: bool = false;
            const GREATEST: Self = <$T>::INFINITY;
            const LEAST: Self = <$T>::NEG_INFINITY;
            const NOTHING: Self = <$T>::NAN;
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                <$T>::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn to_word(self) -> u64 {
                (self as f64).to_bits()
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }
            #[inline(always)]
            fn is_zero(self) -> bool {
                self == 0.0
            }
        }

        impl Number for $T {
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                self + b
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                self - b
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                self * b
            }
            fn floor_div(self, b: Self) -> Self {
                if b == 0.0 { self / b } else { div_mod(self as f64, b as f64, |v| v as $T as f64).0 as $T }
            }
            fn modulo(self, b: Self) -> Self {
                if b == 0.0 { <$T>::NAN } else { div_mod(self as f64, b as f64, |v| v as $T as f64).1 as $T }
            }
            /// The square is a product, as NumPy computes it and exact to the last bit.
            fn pow(self, b: Self) -> Self {
                if b == 2.0 { self * self } else { Power::power(self, b) }
            }
            #[inline(always)]
            fn minimum(self, b: Self) -> Self {
                if self < b || self != self { self } else { b }
            }
            #[inline(always)]
            fn maximum(self, b: Self) -> Self {
                if self > b || self != self { self } else { b }
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$T>::abs(self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                if self > 0.0 {
                    1.0
                } else if self < 0.0 {
                    -1.0
                } else if self == 0.0 {
                    0.0
                } else {
                    self
                }
            }
        }

        impl Real for $T {
            const NAN: Self = <$T>::NAN;
            #[inline(always)]
            fn div(self, b: Self) -> Self {
                self / b
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$T>::sqrt(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$T>::floor(self)
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                <$T>::ceil(self)
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                <$T>::trunc(self)
            }
            #[inline(always)]
            fn rint(self) -> Self {
                <$T>::round_ties_even(self)
            }
            #[inline(always)]
            fn is_infinite(self) -> bool {
                <$T>::is_infinite(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$T>::is_finite(self)
            }
            #[inline(always)]
            fn to_i32(self) -> i32 {
                self as i32
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            fn to_i128(self) -> i128 {
                self as i128
            }
            fn arctan2(self, b: Self) -> Self {
                Power::arctan2(self, b)
            }
            fn hypot(self, b: Self) -> Self {
                Power::hypot(self, b)
            }
            $(fn $name(self) -> Self {
                libm::$f(self)
            })*
        }
    };
}

float!(
    f32,
    u32,
    exp = expf,
    expm1 = expm1f,
    log = logf,
    log2 = log2f,
    log10 = log10f,
    log1p = log1pf,
    sin = sinf,
    cos = cosf,
    tan = tanf,
    arcsin = asinf,
    arccos = acosf,
    arctan = atanf,
    sinh = sinhf,
    cosh = coshf,
    tanh = tanhf
);
float!(
    f64,
    u64,
    exp = exp,
    expm1 = expm1,
    log = log,
    log2 = log2,
    log10 = log10,
    log1p = log1p,
    sin = sin,
    cos = cos,
    tan = tan,
    arcsin = asin,
    arccos = acos,
    arctan = atan,
    sinh = sinh,
    cosh = cosh,
    tanh = tanh
);

/// The functions of two floats, by width.
trait Power: Sized {
    fn power(self, b: Self) -> Self;
    fn arctan2(self, b: Self) -> Self;
    fn hypot(self, b: Self) -> Self;
}

impl Power for f32 {
    fn power(self, b: f32) -> f32 {
        libm::powf(self, b)
    }
    fn arctan2(self, b: f32) -> f32 {
        libm::atan2f(self, b)
    }
    fn hypot(self, b: f32) -> f32 {
        libm::hypotf(self, b)
    }
}

impl Power for f64 {
    fn power(self, b: f64) -> f64 {
        libm::pow(self, b)
    }
    fn arctan2(self, b: f64) -> f64 {
        libm::atan2(self, b)
    }
    fn hypot(self, b: f64) -> f64 {
        libm::hypot(self, b)
    }
}

/// Python's `divmod` as NumPy computes it, for a divisor that is not 0. `round` rounds to the width of the
/// operands after each step.
fn div_mod(a: f64, b: f64, round: impl Fn(f64) -> f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = round(round(a - rest) / b);
    if rest == 0.0 {
        rest = 0f64.copysign(b);
    } else if (b < 0.0) != (rest < 0.0) {
        rest = round(rest + b);
        quotient = round(quotient - 1.0);
    }
    if quotient == 0.0 {
        return (0f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (
        if quotient - floor > 0.5 {
            floor + 1.0
        } else {
            floor
        },
        rest,
    )
}
