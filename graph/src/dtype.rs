//! Element types, the lanes they are computed in, and NumPy's promotion rules (NEP 50).

use std::fmt;

/// The type of an array's elements, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum DType {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

/// The five types in which the evaluator computes. Storage dtypes appear only at load and store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Lane {
    Bool,
    I64,
    U64,
    F32,
    F64,
}

impl DType {
    /// Every dtype, narrowest first within a kind.
    pub const ALL: [DType; 11] = [
        DType::Bool,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::U16 | DType::I16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 => 8,
        }
    }

    /// The lane this dtype is computed in.
    pub const fn lane(self) -> Lane {
        match self {
            DType::Bool => Lane::Bool,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Lane::U64,
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Lane::I64,
            DType::F32 => Lane::F32,
            DType::F64 => Lane::F64,
        }
    }

    /// NumPy's name of the dtype.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The dtype of a NumPy or Zarr v3 name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Whether this is `f32` or `f64`.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// Whether this is an integer, signed or not.
    pub const fn is_integer(self) -> bool {
        matches!(self.lane(), Lane::I64 | Lane::U64)
    }

    /// The dtype of an operation on two arrays, as `numpy.promote_types`.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        if self == other {
            return self;
        }
        let (a, b) = if self <= other {
            (self, other)
        } else {
            (other, self)
        };
        match (a.lane(), b.lane()) {
            (Lane::Bool, _) => b,
            (Lane::U64, Lane::U64) | (Lane::I64, Lane::I64) => b,
            (Lane::U64, Lane::I64) => {
                if b.size() > a.size() {
                    b
                } else {
                    match a.size() {
                        1 => I16,
                        2 => I32,
                        4 => I64,
                        _ => F64,
                    }
                }
            }
            (Lane::U64 | Lane::I64, Lane::F32) => {
                if a.size() <= 2 {
                    F32
                } else {
                    F64
                }
            }
            _ => F64,
        }
    }

    /// The float dtype an integer or bool becomes under true division and unary maths: NumPy's `float64`,
    /// but `float32` for what is `f32` already. (NumPy's `float16` results for 8-bit maths become `float32`.)
    pub fn unary_float(self) -> DType {
        match self {
            DType::F32 => DType::F32,
            DType::Bool | DType::U8 | DType::I8 | DType::U16 | DType::I16 => DType::F32,
            _ => DType::F64,
        }
    }

    /// xarray's dtype when a missing value enters: integers become floats that hold them.
    pub fn maybe_promote(self) -> DType {
        match self {
            DType::F32 | DType::F64 => self,
            DType::Bool => DType::F64,
            d if d.size() <= 2 => DType::F32,
            _ => DType::F64,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value of a lane, as a constant in an expression. Floats compare by bits, so that constants can be
/// shared and a plan has one form.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool(bool),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
}

impl Scalar {
    /// The scalar's lane.
    pub const fn lane(self) -> Lane {
        match self {
            Scalar::Bool(_) => Lane::Bool,
            Scalar::I64(_) => Lane::I64,
            Scalar::U64(_) => Lane::U64,
            Scalar::F32(_) => Lane::F32,
            Scalar::F64(_) => Lane::F64,
        }
    }

    /// The value's 64 bits: `f32` in the low half, `bool` as 0 or 1.
    pub const fn to_bits(self) -> u64 {
        match self {
            Scalar::Bool(v) => v as u64,
            Scalar::I64(v) => v as u64,
            Scalar::U64(v) => v,
            Scalar::F32(v) => v.to_bits() as u64,
            Scalar::F64(v) => v.to_bits(),
        }
    }

    /// The inverse of [`Scalar::to_bits`].
    pub const fn from_bits(lane: Lane, bits: u64) -> Scalar {
        match lane {
            Lane::Bool => Scalar::Bool(bits != 0),
            Lane::I64 => Scalar::I64(bits as i64),
            Lane::U64 => Scalar::U64(bits),
            Lane::F32 => Scalar::F32(f32::from_bits(bits as u32)),
            Lane::F64 => Scalar::F64(f64::from_bits(bits)),
        }
    }

    /// The value as a float, rounded to nearest.
    pub const fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(v) => v as u8 as f64,
            Scalar::I64(v) => v as f64,
            Scalar::U64(v) => v as f64,
            Scalar::F32(v) => v as f64,
            Scalar::F64(v) => v,
        }
    }

    /// The value cast to `dtype` as `numpy.astype` does: integers wrap, floats truncate towards zero.
    pub fn cast(self, dtype: DType) -> Scalar {
        let as_i128 = || match self {
            Scalar::Bool(v) => v as i128,
            Scalar::I64(v) => v as i128,
            Scalar::U64(v) => v as i128,
            Scalar::F32(v) => v as i128,
            Scalar::F64(v) => v as i128,
        };
        match dtype {
            DType::Bool => Scalar::Bool(match self {
                Scalar::F32(v) => v != 0.0,
                Scalar::F64(v) => v != 0.0,
                s => s.to_bits() != 0,
            }),
            DType::U8 => Scalar::U64(as_i128() as u8 as u64),
            DType::U16 => Scalar::U64(as_i128() as u16 as u64),
            DType::U32 => Scalar::U64(as_i128() as u32 as u64),
            DType::U64 => Scalar::U64(as_i128() as u64),
            DType::I8 => Scalar::I64(as_i128() as i8 as i64),
            DType::I16 => Scalar::I64(as_i128() as i16 as i64),
            DType::I32 => Scalar::I64(as_i128() as i32 as i64),
            DType::I64 => Scalar::I64(as_i128() as i64),
            DType::F32 => Scalar::F32(match self {
                Scalar::F32(v) => v,
                Scalar::I64(v) => v as f32,
                Scalar::U64(v) => v as f32,
                s => s.as_f64() as f32,
            }),
            DType::F64 => Scalar::F64(self.as_f64()),
        }
    }

    /// Reads one element of `dtype` from its little-endian bytes; `bytes` is `dtype.size()` long.
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Scalar {
        let mut b = [0u8; 8];
        b[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
        let bits = u64::from_le_bytes(b);
        match dtype {
            DType::Bool => Scalar::Bool(bits != 0),
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Scalar::U64(bits),
            DType::I8 => Scalar::I64(bits as u8 as i8 as i64),
            DType::I16 => Scalar::I64(bits as u16 as i16 as i64),
            DType::I32 => Scalar::I64(bits as u32 as i32 as i64),
            DType::I64 => Scalar::I64(bits as i64),
            DType::F32 => Scalar::F32(f32::from_bits(bits as u32)),
            DType::F64 => Scalar::F64(f64::from_bits(bits)),
        }
    }

    /// The value's little-endian bytes as an element of `dtype`, whose lane is this scalar's.
    pub fn write_le(self, dtype: DType, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes()[..dtype.size()]);
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.lane() == other.lane() && self.to_bits() == other.to_bits()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.lane(), self.to_bits()).hash(state);
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(v) => write!(f, "{v}"),
            Scalar::I64(v) => write!(f, "{v}"),
            Scalar::U64(v) => write!(f, "{v}"),
            Scalar::F32(v) => write!(f, "{v}"),
            Scalar::F64(v) => write!(f, "{v}"),
        }
    }
}
