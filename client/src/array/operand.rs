//! Operands: arrays and literals, and the dtype in which they meet.

use super::data_array::DataArray;
use super::error::ArrayError;
use dasklike_graph::dtype::{DType, Scalar};

/// A number as written in a program. Like Python's numbers under NEP 50 it has a kind but no width: beside an
/// array it takes the array's dtype if that kind fits in it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Literal {
    Bool(bool),
    Int(i128),
    Float(f64),
}

/// An array or a literal: what the right side of an operator takes.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Operand {
    Array(DataArray),
    Literal(Literal),
}

impl Literal {
    /// The dtype in which the literal and an array of `array` meet, as NumPy's (NEP 50).
    pub fn promote(self, array: DType) -> DType {
        match self {
            Literal::Bool(_) => array,
            Literal::Int(_) if array == DType::Bool => DType::I64,
            Literal::Int(_) => array,
            Literal::Float(_) if array.is_float() => array,
            Literal::Float(_) => DType::F64,
        }
    }

    /// The value as an element of `dtype`. An integer that does not fit an integer dtype is an error.
    pub(crate) fn scalar(self, dtype: DType) -> Result<Scalar, ArrayError> {
        match self {
            Literal::Bool(v) => Ok(Scalar::Bool(v).cast(dtype)),
            Literal::Int(v) if dtype.is_integer() && !fits(v, dtype) => {
                Err(ArrayError::LiteralBounds { literal: v, dtype })
            }
            Literal::Int(v) if v > i64::MAX as i128 => Ok(Scalar::U64(v as u64).cast(dtype)),
            Literal::Int(v) => Ok(Scalar::I64(v as i64).cast(dtype)),
            Literal::Float(v) => Ok(Scalar::F64(v).cast(dtype)),
        }
    }

    /// The value as an element of `dtype`, if the dtype has exactly this value.
    pub(crate) fn exact(self, dtype: DType) -> Option<Scalar> {
        let wanted = match self {
            Literal::Bool(v) => v as u8 as f64,
            Literal::Int(v) if dtype.is_integer() => {
                return self.scalar(dtype).ok().filter(|_| fits(v, dtype));
            }
            Literal::Int(v) => v as f64,
            Literal::Float(v) => v,
        };
        let bounds = !dtype.is_integer() || (wanted.fract() == 0.0 && fits(wanted as i128, dtype));
        let scalar = if dtype.is_integer() {
            Literal::Int(wanted as i128).scalar(dtype).ok()?
        } else {
            Scalar::F64(wanted).cast(dtype)
        };
        (bounds && scalar.as_f64() == wanted).then_some(scalar)
    }
}

/// The least and greatest value of an integer dtype.
pub(crate) fn bounds(dtype: DType) -> (i128, i128) {
    let bits = 8 * dtype.size() as u32;
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
            (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
        }
        DType::Bool => (0, 1),
        _ => (0, (1i128 << bits) - 1),
    }
}

/// Whether an integer dtype has the value.
pub(crate) fn fits(value: i128, dtype: DType) -> bool {
    let (low, high) = bounds(dtype);
    (low..=high).contains(&value)
}

macro_rules! literals {
    ($($t:ty => $kind:ident as $as:ty),*) => {$(
        impl From<$t> for Literal {
            fn from(v: $t) -> Literal {
                Literal::$kind(v as $as)
            }
        }
        impl From<$t> for Operand {
            fn from(v: $t) -> Operand {
                Operand::Literal(v.into())
            }
        }
    )*};
}
literals!(
    bool => Bool as bool, f32 => Float as f64, f64 => Float as f64,
    i8 => Int as i128, i16 => Int as i128, i32 => Int as i128, i64 => Int as i128,
    u8 => Int as i128, u16 => Int as i128, u32 => Int as i128, u64 => Int as i128
);

impl From<Literal> for Operand {
    fn from(v: Literal) -> Operand {
        Operand::Literal(v)
    }
}

impl From<DataArray> for Operand {
    fn from(v: DataArray) -> Operand {
        Operand::Array(v)
    }
}

impl From<&DataArray> for Operand {
    fn from(v: &DataArray) -> Operand {
        Operand::Array(v.clone())
    }
}
