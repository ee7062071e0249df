//! Arrays that come from no store.

use super::data_array::DataArray;
use super::error::ArrayError;
use super::expr::Expr;
use super::operand::Literal;
use dasklike_graph::dtype::{DType, Scalar};
use dasklike_graph::grid::Axis;
use dasklike_graph::plan::{Dim, Op};
use std::sync::Arc;

/// A Rust type of array elements.
pub trait Element: Copy {
    /// The dtype of the type.
    const DTYPE: DType;
    /// The value in its lane.
    fn scalar(self) -> Scalar;
    /// The value of the little-endian bytes of an element, which are as many as the type has.
    fn from_le(bytes: &[u8]) -> Self;
}

macro_rules! elements {
    ($($t:ty, $dtype:ident, $lane:ident $(as $wide:ty)?);*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn scalar(self) -> Scalar {
                Scalar::$lane(self$( as $wide)?)
            }
            fn from_le(bytes: &[u8]) -> $t {
                let mut element = [0; size_of::<$t>()];
                element.copy_from_slice(bytes);
                <$t>::from_le_bytes(element)
            }
        }
    )*};
}
elements!(
    u8, U8, U64 as u64; u16, U16, U64 as u64; u32, U32, U64 as u64; u64, U64, U64 as u64;
    i8, I8, I64 as i64; i16, I16, I64 as i64; i32, I32, I64 as i64; i64, I64, I64 as i64;
    f32, F32, F32; f64, F64, F64
);

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn scalar(self) -> Scalar {
        Scalar::Bool(self)
    }
    fn from_le(bytes: &[u8]) -> bool {
        bytes != [0]
    }
}

impl DataArray {
    /// One value everywhere. `dims` are `(name, elements, elements of a chunk)`.
    pub fn full(value: impl Into<Literal>, dtype: DType, dims: &[(&str, u64, u64)]) -> DataArray {
        DataArray::lift(|| {
            let op = Op::Full {
                value: value.into().scalar(dtype)?,
                dtype,
                dims: dims.iter().map(|d| Dim::from(d.0)).collect(),
                axes: dims.iter().map(|d| Axis::regular(d.1, d.2)).collect(),
            };
            Ok(DataArray::new(
                None,
                Expr::new(op, &[])?,
                Default::default(),
                Arc::default(),
            ))
        })
    }

    /// Zeros; `false` for bools. `dims` as for [`DataArray::full`].
    pub fn zeros(dtype: DType, dims: &[(&str, u64, u64)]) -> DataArray {
        DataArray::full(0, dtype, dims)
    }

    /// Ones; `true` for bools. `dims` as for [`DataArray::full`].
    pub fn ones(dtype: DType, dims: &[(&str, u64, u64)]) -> DataArray {
        DataArray::full(1, dtype, dims)
    }

    /// An array of values in C order that travels with the plan: at most 1 MiB. `dims` are `(name, elements)`.
    pub fn from_values<T: Element>(values: &[T], dims: &[(&str, u64)]) -> DataArray {
        DataArray::lift(|| {
            let mut bytes = Vec::with_capacity(values.len() * T::DTYPE.size());
            for value in values {
                value.scalar().write_le(T::DTYPE, &mut bytes);
            }
            let op = Op::Inline {
                dtype: T::DTYPE,
                dims: dims.iter().map(|d| Dim::from(d.0)).collect(),
                shape: dims.iter().map(|d| d.1).collect(),
                bytes: bytes.into(),
            };
            Ok(DataArray::new(
                None,
                Expr::new(op, &[])?,
                Default::default(),
                Arc::default(),
            ))
        })
    }

    /// The numeric coordinate of a dim as an array along that dim, for arithmetic with it.
    pub fn coord_values(&self, dim: &str) -> Result<DataArray, ArrayError> {
        use super::coord::Coord;
        let missing = || ArrayError::NoCoord {
            dim: dim.to_owned(),
        };
        let coord = self.coord(dim).ok_or_else(missing)?;
        let size = coord.len() as u64;
        let array = match coord {
            Coord::Int(v) => DataArray::from_values(v, &[(dim, size)]),
            Coord::Float(v) => DataArray::from_values(v, &[(dim, size)]),
            other => {
                let wanted = "numbers".to_owned();
                return Err(ArrayError::CoordKind {
                    dim: dim.to_owned(),
                    have: other.kind(),
                    wanted,
                });
            }
        };
        array.with_coord(dim, coord.clone())
    }
}
